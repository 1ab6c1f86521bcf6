"""What happened to an enrollment: facts, in the past tense. The engine steps on them.

1. An event is small, immutable and JSON: it waits in the `signals` table until the enrollment is stepped.
2. A stale event (for a message the enrollment no longer waits for) is legal and changes nothing but its notes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from channels.messages import ChannelKind
from worker.domain.enrollment import MessageKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The enrollment is due for the first time. `event`: the queue event that enrolled it, `type`, `data` and more."""

    event: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """The moment the enrollment waited for, or the deadline of its wait, has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The provider took the message; its final outcome is still open."""

    message: MessageKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The final outcome of the message is known: delivered, failed, refused, suppressed, skipped."""

    message: MessageKey
    disposition: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """The person wrote to us."""

    channel: ChannelKind
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A queue event about the contact came: its `type`, `key`, `data` and `occurredAt`."""

    event: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut:
    """The person asked us to stop, on this channel."""

    channel: ChannelKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The run was cancelled, or a person took this contact out of it."""

    reason: str


Event = Started | TimerFired | HandedOver | Settled | Replied | Happened | OptedOut | Cancelled


def event_to_json(event: Event) -> dict[str, Any]:
    """A tagged JSON object, `{"type": "settled", …}`."""
    match event:
        case Started(event=what):
            return {"type": "started"} | ({} if what is None else {"event": dict(what)})
        case TimerFired():
            return {"type": "timerFired"}
        case HandedOver(message=message):
            return {"type": "handedOver", "message": list(message)}
        case Settled(message=message, disposition=disposition, category=category):
            return {"type": "settled", "message": list(message), "disposition": disposition, "category": category}
        case Replied(channel=channel, body=body):
            return {"type": "replied", "channel": channel, "body": body}
        case Happened(event=happened):
            return {"type": "happened", "event": dict(happened)}
        case OptedOut(channel=channel):
            return {"type": "optedOut", "channel": channel}
        case Cancelled(reason=reason):
            return {"type": "cancelled", "reason": reason}


def event_from_json(data: Mapping[str, Any]) -> Event:
    """The inverse of `event_to_json`. Raises ValueError for a tag it does not know."""
    match data["type"]:
        case "started":
            return Started(event=data.get("event"))
        case "timerFired":
            return TimerFired()
        case "handedOver":
            return HandedOver(message=MessageKey(*data["message"]))
        case "settled":
            return Settled(
                message=MessageKey(*data["message"]), disposition=data["disposition"], category=data["category"]
            )
        case "replied":
            return Replied(channel=ChannelKind(data["channel"]), body=data["body"])
        case "happened":
            return Happened(event=data["event"])
        case "optedOut":
            return OptedOut(channel=ChannelKind(data["channel"]))
        case "cancelled":
            return Cancelled(reason=data["reason"])
        case unknown:
            raise ValueError(f"unknown event type {unknown!r}")
