"""The life of a text: from queued to its end, the callbacks on the way, and what the person answers.

1. The first status is never called back; every later one is, where a StatusCallback was given.
2. Whoever says STOP is opted out of that sender at once, and back in with START, YES or UNSTOP.
3. All seconds are the provider's; the agenda divides them by the speed.
"""

import time
from typing import Any, Final

from channels.sandbox.callbacks import TwilioCallback
from channels.sandbox.core import Core
from channels.sandbox.ledger import LineKind
from channels.sandbox.people import SmsScript, SmsStep
from channels.sandbox.records import MessageRecord, new_sid
from channels.sandbox.twilio_wire import VERSION
from channels.sms.segments import count

_SECONDS_TO: Final = {
    SmsStep.SENDING: 0.2,
    SmsStep.SENT: 0.5,
    SmsStep.DELIVERED: 2.0,
    SmsStep.UNDELIVERED: 4.0,
    SmsStep.FAILED: 1.0,
}
_SECONDS_TO_QUEUE: Final = 0.1
_FINAL: Final = frozenset({"delivered", "undelivered", "failed", "canceled"})
_STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"})
_START: Final = frozenset({"START", "YES", "UNSTOP"})
_POOL_SENDER: Final = "+15005550006"
"""The number a messaging service sends from: Twilio's own magic test number."""
_EARLY_SECONDS: Final = 5.0


class MessageLife:
    """Moves texts along."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def begin(self, record: MessageRecord, script: SmsScript, *, send_at: float) -> None:
        """Start the life of a text that was just accepted. `send_at`: Unix seconds."""
        wait = max(0.0, send_at - time.time())
        if record.service:
            self._core.agenda.after(wait + _SECONDS_TO_QUEUE, lambda: self._queue(record, script))
        else:
            self._plan(record, script, 0)

    async def hurry(self, record: MessageRecord, script: SmsScript) -> None:
        """Take the first step now, and return once its callback was answered (or five seconds have gone)."""
        if record.status not in {"queued", "accepted"} or not record.status_callback:
            return
        if record.status == "accepted":
            self._choose_sender(record)
            self._change(record, "queued", None)
        else:
            self._change(record, script.steps[0], script.code)
        await self._core.courier.carried(self._callback(record), _EARLY_SECONDS)

    def move(self, record: MessageRecord, status: str, code: int | None = None) -> None:
        """Give a text another status, and tell."""
        self._change(record, status, code)
        if record.status_callback:
            self._core.courier.tell("sms", self._callback(record))

    def person_texts(self, person: str, ours: str, body: str, *, service: str = "", attempt: str = "") -> str:
        """Let a person text us; returns the sid. `attempt`: of the text it answers, if any."""
        word = body.strip().upper()
        if word in _STOP:
            self._core.opt_outs.add((service or ours, person))
        elif word in _START:
            self._core.opt_outs.discard((service or ours, person))
        record = MessageRecord(
            sid=new_sid("SM"),
            to=ours,
            sender=person,
            attempt=attempt,
            status="received",
            direction="inbound",
            final=True,
            started=time.time(),
            body=body,
            segments=count(body).parts,
            service=service,
        )
        self._core.messages.add(record)
        line = self._line(record) | {"from": person, "body": body}
        self._core.ledger.write([{"kind": LineKind.REPLY, **line}])
        if url := self._core.settings.sms_inbound_url:
            self._core.courier.tell("sms", self._inbound(record, url))
        return record.sid

    def _queue(self, record: MessageRecord, script: SmsScript) -> None:
        if record.final:
            return
        if record.status != "queued":  # not hurried
            self._choose_sender(record)
            self.move(record, "queued")
        self._plan(record, script, 0)

    def _choose_sender(self, record: MessageRecord) -> None:
        """A messaging service picks the number to send from; until then there is none, and no parts are counted."""
        record.sender = record.sender or _POOL_SENDER
        record.segments = count(record.body).parts

    def _plan(self, record: MessageRecord, script: SmsScript, place: int) -> None:
        if place < len(script.steps):
            seconds = _SECONDS_TO[script.steps[place]]
            self._core.agenda.after(seconds, lambda: self._step(record, script, place))
        else:
            for number, reply in enumerate(script.replies, start=1):
                self._core.agenda.after(script.reply_seconds * number, lambda reply=reply: self._reply(record, reply))  # type: ignore[misc]

    def _step(self, record: MessageRecord, script: SmsScript, place: int) -> None:
        if record.final:
            return
        step = script.steps[place]
        if record.status != step:  # a hurried first step was taken already
            self.move(record, step, script.code)
        self._plan(record, script, place + 1)

    def _reply(self, record: MessageRecord, body: str) -> None:
        self.person_texts(record.to, record.sender, body, service=record.service, attempt=record.attempt)

    def _change(self, record: MessageRecord, status: str, code: int | None) -> None:
        record.status = status
        record.updated = time.time()
        record.final = status in _FINAL
        if status == SmsStep.SENT:
            record.started = record.updated
        if status in {SmsStep.UNDELIVERED, SmsStep.FAILED}:
            record.error_code = code
        line = self._line(record) | {"code": record.error_code, "final": record.final}
        self._core.ledger.write([{"kind": LineKind.STATUS, **line}])

    def _callback(self, record: MessageRecord) -> TwilioCallback:
        form = {
            "AccountSid": self._core.settings.account_sid,
            "ApiVersion": VERSION,
            "From": record.sender,
            "MessageSid": record.sid,
            "MessageStatus": record.status,
            "SmsSid": record.sid,
            "SmsStatus": record.status,
            "To": record.to,
        }
        if record.service:
            form["MessagingServiceSid"] = record.service
        if record.error_code is not None:
            form["ErrorCode"] = str(record.error_code)
        if record.status in {SmsStep.DELIVERED, SmsStep.UNDELIVERED}:
            form["RawDlrDoneDate"] = time.strftime("%y%m%d%H%M", time.gmtime(record.updated))
        return TwilioCallback(
            url=record.status_callback,
            form=form,
            auth_token=self._core.settings.auth_token,
            line=self._line(record),
        )

    def _inbound(self, record: MessageRecord, url: str) -> TwilioCallback:
        form = {
            "AccountSid": self._core.settings.account_sid,
            "ApiVersion": VERSION,
            "Body": record.body,
            "From": record.sender,
            "MessageSid": record.sid,
            "NumMedia": "0",
            "NumSegments": str(record.segments),
            "SmsMessageSid": record.sid,
            "SmsSid": record.sid,
            "SmsStatus": "received",
            "To": record.to,
        }
        if record.service:
            form["MessagingServiceSid"] = record.service
        return TwilioCallback(url=url, form=form, auth_token=self._core.settings.auth_token, line=self._line(record))

    def _line(self, record: MessageRecord) -> dict[str, Any]:
        return {
            "channel": "sms",
            "ref": record.sid,
            "attempt": record.attempt,
            "to": record.to,
            "status": record.status,
        }
