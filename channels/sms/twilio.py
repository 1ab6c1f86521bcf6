"""Text messages through Twilio. API: twilio.com/docs/messaging/api/message-resource.

1. Every send carries our attempt id in its callback URL.
2. A status Twilio has not published yet is UNKNOWN and keeps its word; it never moves a message.
"""

import asyncio
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from channels.base import Callback, Capabilities, Probe
from channels.errors import expect
from channels.masking import mask
from channels.messages import ChannelKind, Sms
from channels.results import Candidate, Certainty, Keyword, Reason, Receipt, ReceiptKind, Reply, SendResult, Sighting
from channels.sms.keywords import keyword_of
from channels.sms.segments import count
from channels.vendors.twilio import LOOKBACK, TwilioAccount, TwilioSettings
from channels.vendors.twilio_codes import failure
from channels.vendors.twilio_webhooks import Form, TwilioWebhooks, attempt_of

LONGEST_VALIDITY: Final = 36_000

STATUSES: Final[Mapping[str, ReceiptKind]] = {
    "accepted": ReceiptKind.QUEUED,
    "scheduled": ReceiptKind.QUEUED,
    "queued": ReceiptKind.QUEUED,
    "sending": ReceiptKind.QUEUED,
    "sent": ReceiptKind.SENT,
    "partially_delivered": ReceiptKind.SENT,  # some of it may never arrive: not yet delivered
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.DELIVERED,
    "undelivered": ReceiptKind.FAILED,
    "failed": ReceiptKind.FAILED,
    "canceled": ReceiptKind.FAILED,
    "receiving": ReceiptKind.UNKNOWN,  # words of inbound messages: they say nothing about ours
    "received": ReceiptKind.UNKNOWN,
}
"""`message_enum_status` of the published API description, all of it."""

_NOT_BY_API: Final = frozenset({"inbound", "outbound-call", "outbound-reply"})
"""Directions of messages that no API request made: what people sent, and what Twilio answered them."""

_OPT_OUT_TYPES: Final = {"STOP": Keyword.STOP, "START": Keyword.START, "HELP": Keyword.HELP}


class TwilioSms:
    """The SMS channel of one Twilio account."""

    name = "twilio-sms"
    kind = ChannelKind.SMS
    can = Capabilities(lookup=True, replies=True)

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._account = TwilioAccount(settings)
        self._webhooks = TwilioWebhooks(settings)

    async def send(self, messages: Sequence[Sms]) -> Sequence[SendResult]:
        """Send all concurrently, one request each. Ends within two timeouts; what did not start by then is NOT_SENT."""
        expect(messages, Sms)
        until = self._account.deadline()
        return await asyncio.gather(*(self._send(message, until) for message in messages))

    async def _send(self, message: Sms, until: float) -> SendResult:
        fields: dict[str, Any] = {
            "to": message.to,
            _sender_field(message.sender): message.sender,
            "body": message.body,
            "status_callback": self._settings.callback_url("sms", message.attempt_id),
        }
        if message.validity_seconds is not None:
            fields["validity_period"] = min(message.validity_seconds, LONGEST_VALIDITY)
        result = await self._account.create(self._account.resources.messages.create_async, until=until, **fields)
        if result.certainty is Certainty.ACCEPTED and not result.segments:
            # A messaging service answers 0: it has not chosen a sender yet.
            return replace(result, segments=count(message.body).parts)
        return result

    async def find(self, message: Sms, *, since: datetime) -> Sighting:
        """Look among the messages to this number. Unsure (`seen=None`) where the list cannot be read or several fit.

        A message from the same sender that says something else may be ours all the same: Twilio appends footers, and
        forgets a body when told to. The list lags behind creation by an unknown time: ask some time after the send.
        """
        # By To only: DateSent is empty until Twilio sends, and a service chooses From itself.
        listed = self._account.records(self._account.resources.messages.page_async, to=message.to)
        try:
            candidates = [_candidate(record, message) async for record in listed if _could_be(record, message, since)]
        except Exception:  # noqa: BLE001 - whatever broke, the honest answer is that we could not see
            return Sighting(seen=None)
        return Sighting.among(candidates)

    async def probe(self, senders: Sequence[str] = ()) -> Probe:
        """Fetch the account, and look for the senders among its numbers; only numbers are looked for."""
        return await self._account.probe([self._account.resources.incoming_phone_numbers], senders)

    def receive(self, callback: Callback) -> Sequence[Receipt | Reply]:
        """A status of a message of ours, or a text a person sent us."""
        form = self._webhooks.open(callback)
        sid = form.one("MessageSid") or form.require("SmsSid")
        if status := form.one("MessageStatus"):
            receipt = _receipt(sid, status, form.one("ErrorCode"), attempt_of(callback))
            return [replace(receipt, raw=form.raw)]
        return [_reply(sid, form)]

    async def close(self) -> None:
        await self._account.close()


def _sender_field(sender: str) -> str:
    return "messaging_service_sid" if _is_service(sender) else "from_"


def _is_service(sender: str) -> bool:
    return sender.startswith("MG") and len(sender) == 34  # noqa: PLR2004 - MG and 32 hex digits


def _could_be(record: Any, message: Sms, since: datetime) -> bool:
    """Whether a listed message may be ours, whatever its text."""
    if record.date_created is not None and record.date_created < since - LOOKBACK:
        return False
    sender = record.messaging_service_sid if _is_service(message.sender) else record.from_
    return record.direction not in _NOT_BY_API and sender == message.sender


def _candidate(record: Any, message: Sms) -> Candidate:
    receipt = _receipt(record.sid, record.status or "", str(record.error_code or ""), message.attempt_id)
    return Candidate(receipt=receipt, exact=_says(record.body or "", message.body))


def _says(theirs: str, ours: str) -> bool:
    if folded := _folded(ours):
        return _folded(theirs) in (folded, _TRIAL + folded)
    return theirs == ours  # emoji and punctuation only: folding leaves nothing to compare


def _folded(body: str) -> str:
    """Letters and digits only: Smart Encoding swaps quotes, dashes and accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", body).casefold() if char.isalnum())


_TRIAL: Final = _folded("Sent from your Twilio trial account - ")
"""What Twilio puts before every text of a trial account."""


def _receipt(sid: str, status: str, error_code: str, attempt_id: str) -> Receipt:
    kind = STATUSES.get(status, ReceiptKind.UNKNOWN)
    reason = Reason.NONE
    if kind is ReceiptKind.FAILED:
        reason = Reason.CANCELED if status == "canceled" else failure(error_code)
    return Receipt(
        event_key=f"{sid}:{status}",
        kind=kind,
        attempt_id=attempt_id,
        provider_ref=sid,
        reason=reason,
        code=mask(error_code or status),
    )


def _reply(sid: str, form: Form) -> Reply:
    body = form.one("Body")
    return Reply(
        event_key=f"{sid}:received",
        sender=form.require("From"),
        to=form.require("To"),
        body=body,
        keyword=_OPT_OUT_TYPES.get(form.one("OptOutType").upper()) or keyword_of(body),
        provider_ref=sid,
        service=form.one("MessagingServiceSid"),
        raw=form.raw,
    )
