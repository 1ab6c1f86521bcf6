"""Reads SendGrid's event webhook. twilio.com/docs/sendgrid/for-developers/tracking-events/event.

1. Each event is one receipt; `sg_event_id` names it, for the same event is posted many times.
2. An open by a machine (privacy proxies, scanners) says nothing about the person: UNKNOWN.
3. The mail server's own words may quote the address: of them only the status code is read; they are left in `raw`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from channels.base import BadCallback
from channels.email.sendgrid_request import ATTEMPT_ARG
from channels.masking import mask
from channels.results import Reason, Receipt, ReceiptKind

_LONGEST_CODE: Final = 60
_SMTP_STATUS: Final = re.compile(r"\d\.\d{1,3}\.\d{1,3}", re.ASCII)

EVENTS: Final[Mapping[str, ReceiptKind]] = {
    "processed": ReceiptKind.QUEUED,
    "deferred": ReceiptKind.DEFERRED,
    "delivered": ReceiptKind.DELIVERED,
    "bounce": ReceiptKind.FAILED,
    "dropped": ReceiptKind.FAILED,
    "open": ReceiptKind.OPENED,
    "click": ReceiptKind.CLICKED,
    "spamreport": ReceiptKind.OPTED_OUT,
    "unsubscribe": ReceiptKind.OPTED_OUT,
    "group_unsubscribe": ReceiptKind.OPTED_OUT,
    "group_resubscribe": ReceiptKind.UNKNOWN,  # a change of consent, no news about the mail
}
"""All events about mails in the published description; those about the account are UNKNOWN."""

BOUNCES: Final[Mapping[str, Reason]] = {
    "bounce": Reason.INVALID_ADDRESS,
    "blocked": Reason.BLOCKED,
    "expired": Reason.UNREACHABLE,
}
"""By the `type` of a bounce."""

DROPS: Final[Mapping[str, Reason]] = {
    "invalid": Reason.INVALID_ADDRESS,
    "bounced address": Reason.INVALID_ADDRESS,
    "unsubscribed address": Reason.OPTED_OUT,
    "spam reporting address": Reason.SUPPRESSED,
    "spam content (if spam checker app is enabled)": Reason.FILTERED,
    "invalid smtpapi header": Reason.CONTENT,
    "recipient list over package quota": Reason.CONFIGURATION,
}
"""By the `reason` of a drop, in lower case; any other is SendGrid's own suppression."""


def receipts_of(body: bytes) -> Sequence[Receipt]:
    """The receipts in a verified batch. Raises BadCallback unless it is a JSON array of objects."""
    try:
        events = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadCallback("SendGrid callback: expected JSON") from None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise BadCallback("SendGrid callback: expected an array of events")
    return [_receipt(event) for event in events]


def _receipt(event: Mapping[str, Any]) -> Receipt:
    word = _text(event, "event")
    kind = EVENTS.get(word, ReceiptKind.UNKNOWN)
    if kind is ReceiptKind.OPENED and event.get("sg_machine_open"):
        kind = ReceiptKind.UNKNOWN
    reason, code = _why(event, word)
    attempt_id = _text(event, ATTEMPT_ARG)
    # The id of the request is that of all its mails: it helps to find one only where nothing better came back.
    request_id = "" if attempt_id else _text(event, "sg_message_id").partition(".")[0]
    return Receipt(
        event_key=_text(event, "sg_event_id")
        or hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        kind=kind,
        attempt_id=attempt_id,
        provider_ref=request_id,
        reason=reason,
        code=mask(code)[:_LONGEST_CODE],
        at=_time(event),
        address=_text(event, "email") if kind is ReceiptKind.OPTED_OUT else "",
        raw=orjson.dumps(event).decode(),
    )


def _why(event: Mapping[str, Any], word: str) -> tuple[Reason, str]:
    """The reason, and the raw word or code that says it."""
    match word:
        case "bounce":
            kind, status = _text(event, "type"), _text(event, "status")
            return BOUNCES.get(kind, Reason.OTHER), status if _SMTP_STATUS.fullmatch(status) else kind or word
        case "dropped":
            why = _text(event, "reason")
            return DROPS.get(why.strip().casefold(), Reason.SUPPRESSED), why or word
        case "spamreport" | "unsubscribe" | "group_unsubscribe":
            return Reason.OPTED_OUT, word
        case _:
            return Reason.NONE, word


def _text(event: Mapping[str, Any], name: str) -> str:
    """A text of the event, or an empty one. Without NUL, which PostgreSQL cannot store."""
    value = event.get(name)
    return value.replace("\0", "") if isinstance(value, str) else ""


def _time(event: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(event["timestamp"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
