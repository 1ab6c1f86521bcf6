"""Voice calls through Twilio. API: twilio.com/docs/voice/api/call-resource.

1. Every call carries our attempt id in its callback URLs.
2. Without machine detection the speech travels in the request. With it, what is said depends on who answered, so Twilio
   asks `/webhooks/twilio/answer`; that request is itself a callback: it brings the receipt that says who answered.
3. Events are read by their status, not by their order of arrival.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from channels.base import Callback, Capabilities, Probe
from channels.errors import expect
from channels.masking import mask
from channels.messages import Call, ChannelKind, MachineDetection
from channels.results import AnsweredBy, Candidate, Reason, Receipt, ReceiptKind, Reply, SendResult, Sighting
from channels.vendors.twilio import LOOKBACK, TwilioAccount, TwilioSettings
from channels.vendors.twilio_codes import failure
from channels.vendors.twilio_webhooks import Form, TwilioWebhooks, attempt_of
from channels.voice.twiml import LONGEST_INLINE, answer_twiml

STATUSES: Final[Mapping[str, ReceiptKind]] = {
    "queued": ReceiptKind.QUEUED,
    "initiated": ReceiptKind.QUEUED,
    "ringing": ReceiptKind.SENT,
    "in-progress": ReceiptKind.ANSWERED,
    "completed": ReceiptKind.COMPLETED,
    "busy": ReceiptKind.FAILED,
    "no-answer": ReceiptKind.FAILED,
    "failed": ReceiptKind.FAILED,
    "canceled": ReceiptKind.FAILED,
}
"""`call_enum_status` of the published API description, all of it, and `initiated`, which only callbacks say."""

ANSWERED_BY: Final[Mapping[str, AnsweredBy]] = {
    "": AnsweredBy.NOBODY_ASKED,
    "human": AnsweredBy.HUMAN,
    "machine": AnsweredBy.MACHINE,
    "machine_start": AnsweredBy.MACHINE,
    "machine_end_beep": AnsweredBy.MACHINE_MESSAGE_LEFT,
    "machine_end_silence": AnsweredBy.MACHINE_MESSAGE_LEFT,
    "machine_end_other": AnsweredBy.MACHINE_MESSAGE_LEFT,
    "fax": AnsweredBy.FAX,
    "unknown": AnsweredBy.UNKNOWN,
}
"""`machine_end_…` is said only after DetectMessageEnd, which we ask for only to leave a message: it is played next."""

_DETECTION: Final = {MachineDetection.HANG_UP: "Enable", MachineDetection.LEAVE_MESSAGE: "DetectMessageEnd"}

_BY_STATUS: Final = {
    "busy": Reason.BUSY,
    "no-answer": Reason.NO_ANSWER,
    "failed": Reason.PROVIDER_ERROR,
    "canceled": Reason.CANCELED,
}

_BY_SIP: Final[Mapping[str, Reason]] = {
    "404": Reason.INVALID_ADDRESS,  # not found
    "408": Reason.NO_ANSWER,  # request timeout
    "410": Reason.INVALID_ADDRESS,  # gone
    "480": Reason.NO_ANSWER,  # temporarily unavailable
    "484": Reason.INVALID_ADDRESS,  # address incomplete
    "486": Reason.BUSY,
    "600": Reason.BUSY,  # busy everywhere
    "603": Reason.DECLINED,
    "604": Reason.INVALID_ADDRESS,  # does not exist anywhere
    "607": Reason.BLOCKED,  # unwanted, RFC 8197
    "608": Reason.BLOCKED,  # rejected, RFC 8688
}
"""The final response of the far end, RFC 3261 21 where not said otherwise: finer than Twilio's word."""


class TwilioVoice:
    """The voice channel of one Twilio account."""

    name = "twilio-voice"
    kind = ChannelKind.VOICE
    can = Capabilities(lookup=True)

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._account = TwilioAccount(settings)
        self._webhooks = TwilioWebhooks(settings)

    async def send(self, messages: Sequence[Call]) -> Sequence[SendResult]:
        """Place all calls concurrently, one request each. Ends within two timeouts; what did not start is NOT_SENT.

        Twilio dials one a second by default and queues the rest: pace here, a queued call may start after hours.
        """
        expect(messages, Call)
        until = self._account.deadline()
        create = self._account.resources.calls.create_async
        return await asyncio.gather(
            *(self._account.create(create, until=until, **self._fields(message)) for message in messages)
        )

    def _fields(self, call: Call) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "to": call.to,
            "from_": call.sender,
            "timeout": call.ring_seconds,
            "status_callback": self._settings.callback_url("voice", call.attempt_id),
            "status_callback_event": ["ringing", "answered", "completed"],
        }
        if call.machine_detection is not MachineDetection.OFF:
            fields["machine_detection"] = _DETECTION[call.machine_detection]
            # The answer request says the same and who it was; the event would only be first and say less.
            fields["status_callback_event"] = ["ringing", "completed"]
        elif len(document := answer_twiml(call)) <= LONGEST_INLINE:
            return {**fields, "twiml": document}
        return {**fields, "url": self._settings.callback_url("answer", call.attempt_id)}

    async def find(self, message: Call, *, since: datetime) -> Sighting:
        """Look among the calls from this sender to this number. Unsure where the list cannot be read or several fit."""
        page = self._account.resources.calls.page_async
        listed = self._account.records(page, to=message.to, from_=message.sender)
        earliest = since - LOOKBACK
        try:
            candidates = [
                _candidate(one, message)
                async for one in listed
                if one.date_created is None or one.date_created >= earliest
            ]
        except Exception:  # noqa: BLE001 - whatever broke, the honest answer is that we could not see
            return Sighting(seen=None)
        return Sighting.among(candidates)

    async def probe(self, senders: Sequence[str] = ()) -> Probe:
        """Fetch the account, and look for the senders among its numbers and its verified caller ids."""
        account = self._account.resources
        return await self._account.probe([account.incoming_phone_numbers, account.outgoing_caller_ids], senders)

    def receive(self, callback: Callback) -> Sequence[Receipt | Reply]:
        """A status of a call of ours, or the request for what to say to whoever answered (`answer_twiml`)."""
        form = self._webhooks.open(callback)
        sid, status = form.require("CallSid"), form.require("CallStatus")
        if form.one("Direction") == "inbound":
            return []  # somebody called us: no call of ours
        attempt_id, answered_by = attempt_of(callback), form.one("AnsweredBy")
        if urlsplit(callback.url).path.endswith("/answer"):
            return [
                Receipt(
                    event_key=f"{sid}:answer",
                    kind=ReceiptKind.ANSWERED,
                    attempt_id=attempt_id,
                    provider_ref=sid,
                    code=mask(answered_by or status),
                    answered_by=ANSWERED_BY.get(answered_by, AnsweredBy.UNKNOWN),
                    at=_time(form),
                    raw=form.raw,
                )
            ]
        sip, error_code = form.one("SipResponseCode"), form.one("ErrorCode")
        receipt = _receipt(
            sid, status, attempt_id, answered_by=answered_by, sip=sip, error_code=error_code, at=_time(form)
        )
        return [replace(receipt, raw=form.raw)]

    async def close(self) -> None:
        await self._account.close()


def _candidate(record: Any, call: Call) -> Candidate:
    answered_by = record.answered_by or ""
    return Candidate(receipt=_receipt(record.sid, record.status or "", call.attempt_id, answered_by=answered_by))


def _receipt(
    sid: str,
    status: str,
    attempt_id: str,
    *,
    answered_by: str,
    sip: str = "",
    error_code: str = "",
    at: datetime | None = None,
) -> Receipt:
    kind = STATUSES.get(status, ReceiptKind.UNKNOWN)
    failed = kind is ReceiptKind.FAILED
    return Receipt(
        event_key=f"{sid}:{status}",
        kind=kind,
        attempt_id=attempt_id,
        provider_ref=sid,
        reason=_why(status, sip, error_code) if failed else Reason.NONE,
        code=mask((failed and (error_code or sip)) or status),
        answered_by=ANSWERED_BY.get(answered_by, AnsweredBy.UNKNOWN),
        at=at,
    )


def _why(status: str, sip: str, error_code: str) -> Reason:
    if status == "canceled":
        return Reason.CANCELED
    by_code = failure(error_code) if error_code else Reason.OTHER
    return by_code if by_code is not Reason.OTHER else _BY_SIP.get(sip, _BY_STATUS[status])


def _time(form: Form) -> datetime | None:
    try:
        return parsedate_to_datetime(form.one("Timestamp")).astimezone(UTC)
    except ValueError:
        return None
