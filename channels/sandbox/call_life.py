"""The life of a call: dialed, ringing, answered or not, listened to, over; and the callbacks on the way.

1. Events are callbacks by name (initiated, ringing, answered, completed); only those asked for are sent.
2. Whatever the end (completed, busy, no-answer, failed, canceled), its event is `completed`.
3. What is said comes from `Twiml`, or is fetched from `Url`, signed, once the call is answered, and after machine
   detection where that was asked for and is not asynchronous.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Final

from channels.sandbox.callbacks import TwilioCallback
from channels.sandbox.core import Core
from channels.sandbox.ledger import LineKind
from channels.sandbox.people import CallEnd, CallScript
from channels.sandbox.records import CallRecord
from channels.sandbox.twilio_wire import VERSION, Form, rfc2822
from channels.sandbox.twiml import BadTwiml, listen

_SECONDS_TO_DIAL: Final = 0.5
_SECONDS_TO_RING: Final = 1.5
_SECONDS_TO_FAIL: Final = 2.0
_SECONDS_TO_BUSY: Final = 1.5
_SORRY_SECONDS: Final = 3.0
"""Twilio's own apology, where there is no TwiML to run."""
_EARLY_SECONDS: Final = 5.0
_FETCH_FAILED: Final = 11200
_NOT_TWIML: Final = 12100

_DETECTION: Final = {
    CallEnd.HUMAN: ("human", "human", 1.5),
    CallEnd.MACHINE: ("machine_start", "machine_end_beep", 3.0),
    CallEnd.FAX: ("fax", "fax", 3.0),
    CallEnd.UNKNOWN: ("unknown", "unknown", 5.0),
}
"""Who answers -> AnsweredBy for Enable, for DetectMessageEnd, and the seconds it takes to tell."""
_GREETING_SECONDS: Final = 8.0
"""A machine's greeting, waited out by DetectMessageEnd."""

FINAL: Final = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
_SIP: Final = {"completed": 200, "busy": 486, "no-answer": 487, "canceled": 487}


class CallLife:
    """Moves calls along."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def begin(self, call: CallRecord, script: CallScript) -> None:
        """Start the life of a call that was just accepted."""
        self._later(call, _SECONDS_TO_DIAL, lambda: self._dial(call, script))

    async def hurry(self, call: CallRecord) -> None:
        """Deliver the first callback now, and return once it was answered (or five seconds have gone)."""
        if "initiated" in call.events and call.status_callback and not call.sequence:
            await self._core.courier.carried(self._event(call, "initiated"), _EARLY_SECONDS)

    def end(self, call: CallRecord, status: str, sip: int | None = None) -> None:
        """End a call, whatever it is doing."""
        if call.final:
            return
        call.ended = time.time()
        call.started = call.started or call.ended
        call.duration = round((call.ended - call.started) * self._core.settings.speed)
        self._change(call, status)
        self._tell(call, "completed", {"SipResponseCode": str(sip or _SIP[status])})

    def redirect(self, call: CallRecord, form: Form) -> None:
        """Give a live call something else to do."""
        call.form = {**{name: value for name, value in call.form.items() if name not in {"Url", "Twiml"}}, **form}
        call.turn += 1
        self._instruct(call)

    def _dial(self, call: CallRecord, script: CallScript) -> None:
        if not call.sequence:
            self._tell(call, "initiated", status="initiated")
        if script.end is CallEnd.FAILED:
            self._later(call, _SECONDS_TO_FAIL, lambda: self.end(call, "failed", script.sip))
        else:
            self._later(call, _SECONDS_TO_RING, lambda: self._ring(call, script))

    def _ring(self, call: CallRecord, script: CallScript) -> None:
        self._change(call, "ringing")
        self._tell(call, "ringing")
        patience = int(call.form.get("Timeout", "60"))
        if script.end is CallEnd.BUSY:
            self._later(call, _SECONDS_TO_BUSY, lambda: self.end(call, "busy"))
        elif script.end is CallEnd.NO_ANSWER or script.ring_seconds >= patience:
            self._later(call, patience, lambda: self.end(call, "no-answer"))
        else:
            self._later(call, script.ring_seconds, lambda: self._answer(call, script))

    def _answer(self, call: CallRecord, script: CallScript) -> None:
        call.started = time.time()
        self._change(call, "in-progress")
        self._tell(call, "answered")
        detection = call.form.get("MachineDetection", "")
        if not detection or "SendDigits" in call.form:
            self._instruct(call)
            return
        start, message_end, seconds = _DETECTION[script.end]
        to_the_end = detection == "DetectMessageEnd"
        if to_the_end and script.end is CallEnd.MACHINE:
            seconds += _GREETING_SECONDS
        answered_by = message_end if to_the_end else start
        self._later(call, seconds, lambda: self._detect(call, answered_by, seconds))
        if call.form.get("AsyncAmd") == "true":
            self._instruct(call)

    def _detect(self, call: CallRecord, answered_by: str, seconds: float) -> None:
        call.answered_by = answered_by
        if call.form.get("AsyncAmd") != "true":
            self._instruct(call)
        elif url := call.form.get("AsyncAmdStatusCallback"):
            form = {
                "CallSid": call.sid,
                "AccountSid": self._core.settings.account_sid,
                "AnsweredBy": answered_by,
                "MachineDetectionDuration": str(round(seconds * 1000)),
            }
            method = call.form.get("AsyncAmdStatusCallbackMethod", "POST")
            self._core.courier.tell("voice", self._callback(call, url, form, "amd", method))

    def _instruct(self, call: CallRecord) -> None:
        """Get the TwiML and listen to it; the fallback URL is asked where the first cannot be used."""
        if "Url" in call.form:
            self._fetch(call, "Url", "Method", "FallbackUrl" in call.form)
        else:
            self._listen(call, call.form.get("Twiml", "").encode())

    def _fetch(self, call: CallRecord, name: str, method: str, fallback: bool) -> None:  # noqa: FBT001 - private
        turn = call.turn
        form = self._form(call, call.status)
        if call.answered_by:
            form["AnsweredBy"] = call.answered_by

        def then(http: int, body: bytes) -> None:
            if call.final or call.turn != turn:
                return
            if http // 100 == 2:  # noqa: PLR2004 - HTTP
                self._listen(call, body)
            elif fallback:
                self._fetch(call, "FallbackUrl", "FallbackMethod", fallback=False)
            else:
                self._apologize(call, _FETCH_FAILED)

        url, how = call.form[name], call.form.get(method, "POST")
        self._core.courier.carry(self._callback(call, url, form, "twiml", how), then)

    def _listen(self, call: CallRecord, document: bytes) -> None:
        try:
            seconds = listen(document)
        except BadTwiml:
            self._apologize(call, _NOT_TWIML)
            return
        self._hang_up_after(call, min(seconds, float(call.form.get("TimeLimit", "14400"))))

    def _apologize(self, call: CallRecord, code: int) -> None:
        line = self._line(call) | {"status": "twiml", "code": code, "final": False}
        self._core.ledger.write([{"kind": LineKind.STATUS, **line}])
        self._hang_up_after(call, _SORRY_SECONDS)

    def _hang_up_after(self, call: CallRecord, seconds: float) -> None:
        turn = call.turn
        self._later(call, seconds, lambda: self.end(call, "completed") if call.turn == turn else None)

    def _later(self, call: CallRecord, seconds: float, action: Callable[[], None]) -> None:
        self._core.agenda.after(seconds, lambda: None if call.final else action())

    def _change(self, call: CallRecord, status: str) -> None:
        call.status = status
        call.updated = time.time()
        call.final = status in FINAL
        line = self._line(call) | {"status": status, "answered_by": call.answered_by or "", "final": call.final}
        self._core.ledger.write([{"kind": LineKind.STATUS, **line}])

    def _tell(self, call: CallRecord, event: str, extra: Form | None = None, status: str = "") -> None:
        if event in call.events and call.status_callback:
            self._core.courier.tell("voice", self._event(call, event, extra, status))

    def _event(self, call: CallRecord, event: str, extra: Form | None = None, status: str = "") -> TwilioCallback:
        form = self._form(call, status or (event if event == "initiated" else call.status))
        form |= {
            "Timestamp": rfc2822(time.time()) or "",
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.sequence),
        }
        if call.final:
            form |= {"CallDuration": str(call.duration), "Duration": str(math.ceil(call.duration / 60))}
            if call.answered_by:
                form["AnsweredBy"] = call.answered_by
        call.sequence += 1
        method = call.form.get("StatusCallbackMethod", "POST")
        return self._callback(call, call.status_callback, form | (extra or {}), form["CallStatus"], method)

    def _callback(self, call: CallRecord, url: str, form: Form, status: str, method: str) -> TwilioCallback:
        line = self._line(call) | {"status": status}
        token = self._core.settings.auth_token
        return TwilioCallback(url=url, form=form, auth_token=token, line=line, method=method)

    def _form(self, call: CallRecord, status: str) -> Form:
        return {
            "AccountSid": self._core.settings.account_sid,
            "ApiVersion": VERSION,
            "CallSid": call.sid,
            "CallStatus": status,
            "Called": call.to,
            "Caller": call.sender,
            "Direction": call.direction,
            "From": call.sender,
            "To": call.to,
        }

    def _line(self, call: CallRecord) -> dict[str, Any]:
        return {"channel": "voice", "ref": call.sid, "attempt": call.attempt, "to": call.to}
