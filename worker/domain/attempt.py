"""Messages and the tries to send them, and what one piece of news changes about both.

1. At most one attempt of a message is live. The database refuses a second one.
2. An attempt's status only moves forward; news of a lower rank than what is known changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from channels.messages import ChannelKind
from channels.results import AnsweredBy, Reason
from worker.domain.enrollment import MessageKey
from worker.domain.events import Event


class MessageStatus(StrEnum):
    """Where a message is on its way."""

    QUEUED = "queued"
    """Due at `due_at`; may be claimed."""
    DISPATCHING = "dispatching"
    UNKNOWN = "unknown"
    """It may have left. Never sent again before that is known."""
    HELD = "held"
    """Nobody can tell whether it left; a person decides."""
    ACCEPTED = "accepted"
    """The provider has it; the final outcome is open."""
    SETTLED = "settled"
    """Its final outcome is filed."""


class AttemptStatus(StrEnum):
    """What is known of one try."""

    DISPATCHING = "dispatching"
    """Committed just before the call. After a crash this means: it may have left."""
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    """It surely never left, or the provider was asked twice and has never seen it."""
    CLOSED = "closed"
    """It was accepted and has come to an end that allows another attempt: busy, unreachable, machine."""


class PersonSays(StrEnum):
    """What a person decides about a message nobody knows the fate of."""

    SENT = "sent"
    RESEND = "resend"
    DROP = "drop"


LIVE: Final = (AttemptStatus.DISPATCHING, AttemptStatus.UNKNOWN, AttemptStatus.ACCEPTED)
"""A message with a live attempt cannot have another one: partial unique index on attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """What a decision about an attempt needs to know, read from the store together with the attempt.

    `number` counts the attempts of the message from 1, `counted` those that reached the provider and count against
    the retry rule. `rank` is the rank of the best receipt so far.
    """

    tenant_id: str
    run_id: str
    enrollment_id: str
    message_id: str
    key: MessageKey
    attempt_id: str
    channel: ChannelKind
    status: AttemptStatus
    message_status: MessageStatus
    number: int
    counted: int
    rank: int
    to: str = field(repr=False)
    sender: str = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)
    dispatched_at: datetime
    provider_ref: str = ""
    lookups: int = 0
    """How often the provider was asked about it and had not seen it."""
    disposition: str = ""
    counted_elsewhere: int = 0
    """Attempts that count at the contact's other messages of this run on the same channel."""
    answered_by: AnsweredBy = AnsweredBy.NOBODY_ASKED
    """Who picked up the call, where that came before the news of its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    """Never contact this address again on this channel (None: on any), from now on."""

    channel: ChannelKind | None
    address: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one piece of news changes. Applied only if the attempt still is as `facts` saw it.

    `due_at`: when the message is claimed again (QUEUED), or looked into again (UNKNOWN, ACCEPTED).
    `disposition` and `category` are filed as an outcome when not empty; `final` ends the message.
    """

    facts: AttemptFacts
    attempt_status: AttemptStatus
    message_status: MessageStatus
    rank: int = 0
    due_at: datetime | None = None
    counts: bool = True
    lookups: int = 0
    provider_ref: str = ""
    reason: Reason = Reason.NONE
    code: str = ""
    segments: int = 0
    answered_by: AnsweredBy = AnsweredBy.NOBODY_ASKED
    disposition: str = ""
    category: str = ""
    signals: tuple[Event, ...] = ()
    suppress: tuple[Suppress, ...] = ()
