"""What a provider says, as a disposition of the system. Tables only; sources are the vendors' own code lists.

1. Every reason has a code on every channel; a word we do not know is a failure without a cause, never a success, and
   its text or mail is not tried again.
2. Progress (queued, sent, ringing, answered) is no outcome.
"""

from collections.abc import Mapping
from typing import Final

from channels.messages import ChannelKind
from channels.results import AnsweredBy, Reason, Receipt, ReceiptKind, SendResult

UNKNOWN_RESULT: Final = "UNKNOWN_RESULT"
QUARANTINED: Final = "QUARANTINED"

_SMS: Final[Mapping[Reason, str]] = {
    Reason.NONE: "SMS_FAILED",
    Reason.INVALID_ADDRESS: "SMS_UNKNOWN_DEST",
    Reason.LANDLINE: "SMS_LANDLINE",
    Reason.UNREACHABLE: "SMS_UNREACHABLE",
    Reason.OPTED_OUT: "SMS_OPTED_OUT",
    Reason.BLOCKED: "SMS_BLOCKED",
    Reason.FILTERED: "SMS_FILTERED",
    Reason.SUPPRESSED: "SMS_BLOCKED",
    Reason.CONFIGURATION: "SMS_CONFIG",
    Reason.REGION: "SMS_CONFIG",
    Reason.CONTENT: "CONTENT_REFUSED",
    Reason.RATE_LIMITED: "SMS_QUEUE_OVERFLOW",
    Reason.CONNECTION: "SMS_FAILED",
    Reason.TIMEOUT: "SMS_FAILED",
    Reason.PROVIDER_ERROR: "SMS_UNKNOWN_ERROR",
    Reason.BUSY: "SMS_UNREACHABLE",
    Reason.NO_ANSWER: "SMS_UNREACHABLE",
    Reason.DECLINED: "SMS_BLOCKED",
    Reason.CANCELED: "CAMPAIGN_CANCELLED",
    Reason.EXPIRED: "SMS_UNREACHABLE",
    Reason.OTHER: "SMS_FAILED",
}
_EMAIL: Final[Mapping[Reason, str]] = {
    Reason.NONE: "EMAIL_FAILED",
    Reason.INVALID_ADDRESS: "EMAIL_BOUNCED",
    Reason.LANDLINE: "EMAIL_FAILED",
    Reason.UNREACHABLE: "EMAIL_EXPIRED",
    Reason.OPTED_OUT: "EMAIL_DROPPED_UNSUB",
    Reason.BLOCKED: "EMAIL_BLOCKED",
    Reason.FILTERED: "EMAIL_BLOCKED",
    Reason.SUPPRESSED: "EMAIL_DROPPED_OTHER",
    Reason.CONFIGURATION: "EMAIL_CONFIG",
    Reason.REGION: "EMAIL_FAILED",
    Reason.CONTENT: "CONTENT_REFUSED",
    Reason.RATE_LIMITED: "EMAIL_THROTTLED",
    Reason.CONNECTION: "EMAIL_FAILED",
    Reason.TIMEOUT: "EMAIL_FAILED",
    Reason.PROVIDER_ERROR: "EMAIL_FAILED",
    Reason.BUSY: "EMAIL_FAILED",
    Reason.NO_ANSWER: "EMAIL_FAILED",
    Reason.DECLINED: "EMAIL_BLOCKED",
    Reason.CANCELED: "CAMPAIGN_CANCELLED",
    Reason.EXPIRED: "EMAIL_EXPIRED",
    Reason.OTHER: "EMAIL_FAILED",
}
_VOICE: Final[Mapping[Reason, str]] = {
    Reason.NONE: "VOICE_FAILED",
    Reason.INVALID_ADDRESS: "VOICE_INVALID",
    Reason.LANDLINE: "VOICE_FAILED",
    Reason.UNREACHABLE: "VOICE_NO_ANSWER",
    Reason.OPTED_OUT: "SUPPRESSED_DNC",
    Reason.BLOCKED: "VOICE_DECLINED",
    Reason.FILTERED: "VOICE_DECLINED",
    Reason.SUPPRESSED: "SUPPRESSED_DNC",
    Reason.CONFIGURATION: "VOICE_CONFIG",
    Reason.REGION: "VOICE_CONFIG",
    Reason.CONTENT: "CONTENT_REFUSED",
    Reason.RATE_LIMITED: "VOICE_FAILED",
    Reason.CONNECTION: "VOICE_FAILED",
    Reason.TIMEOUT: "VOICE_FAILED",
    Reason.PROVIDER_ERROR: "VOICE_FAILED",
    Reason.BUSY: "VOICE_BUSY",
    Reason.NO_ANSWER: "VOICE_NO_ANSWER",
    Reason.DECLINED: "VOICE_DECLINED",
    Reason.CANCELED: "VOICE_CANCELED",
    Reason.EXPIRED: "VOICE_NO_ANSWER",
    Reason.OTHER: "VOICE_FAILED",
}
BY_REASON: Final[Mapping[ChannelKind, Mapping[Reason, str]]] = {
    ChannelKind.SMS: _SMS,
    ChannelKind.EMAIL: _EMAIL,
    ChannelKind.VOICE: _VOICE,
}

_BY_ANSWER: Final[Mapping[AnsweredBy, str]] = {
    AnsweredBy.NOBODY_ASKED: "VOICE_HUMAN",
    AnsweredBy.HUMAN: "VOICE_HUMAN",
    AnsweredBy.MACHINE: "VOICE_MACHINE",
    AnsweredBy.MACHINE_MESSAGE_LEFT: "VOICE_MACHINE_LEFT",
    AnsweredBy.FAX: "VOICE_FAX",
    AnsweredBy.UNKNOWN: "VOICE_AMD_UNKNOWN",
}
_DELIVERED: Final = {
    ChannelKind.SMS: "SMS_DELIVERED",
    ChannelKind.EMAIL: "EMAIL_DELIVERED",
    ChannelKind.VOICE: "VOICE_HUMAN",
}
_BY_KIND: Final = {
    ReceiptKind.DELIVERED: _DELIVERED,
    ReceiptKind.OPENED: _DELIVERED | {ChannelKind.EMAIL: "EMAIL_OPENED"},
    ReceiptKind.CLICKED: _DELIVERED | {ChannelKind.EMAIL: "EMAIL_CLICKED"},
}
_OPTED_OUT: Final = {
    ChannelKind.SMS: "SMS_OPTED_OUT",
    ChannelKind.EMAIL: "EMAIL_UNSUBSCRIBED",
    ChannelKind.VOICE: "SUPPRESSED_DNC",
}
_BY_RAW_CODE: Final[Mapping[str, str]] = {
    "invalid": "EMAIL_DROPPED_INVALID",
    "bounced address": "EMAIL_DROPPED_BOUNCED",
    "spamreport": "EMAIL_SPAM_REPORT",
}
"""Where SendGrid's own word tells apart what is one reason for us."""

_SILENT: Final = {
    ChannelKind.SMS: "SMS_SENT",
    ChannelKind.EMAIL: "EMAIL_SENT",
    # A call we know no end of may have been heard: it is not called a failure, since that might be tried again.
    ChannelKind.VOICE: UNKNOWN_RESULT,
}


def of_result(channel: ChannelKind, result: SendResult) -> str:
    """The code for a send that was refused, or given up before it left."""
    return BY_REASON[channel][result.reason]


def of_receipt(channel: ChannelKind, receipt: Receipt) -> str | None:
    """The code for what the provider says later; None while the message is only on its way."""
    raw = _BY_RAW_CODE.get(receipt.code.strip().casefold()) if channel is ChannelKind.EMAIL else None
    match receipt.kind:
        case ReceiptKind.FAILED:
            return raw or BY_REASON[channel][receipt.reason]
        case ReceiptKind.COMPLETED:
            return _BY_ANSWER[receipt.answered_by]
        case ReceiptKind.OPTED_OUT:
            return raw or _OPTED_OUT[channel]
        case kind:
            return _BY_KIND[kind][channel] if kind in _BY_KIND else None


def of_silence(channel: ChannelKind) -> str:
    """The code for a message the provider took and never spoke of again."""
    return _SILENT[channel]


def of_opt_out(channel: ChannelKind) -> str:
    """The code for a person who asked us to stop."""
    return _OPTED_OUT[channel]
