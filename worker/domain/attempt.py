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
    """It was accepted and has come to an end that allows another attempt: busy, unreachable, machine. Or it had been
    given up, and was heard of after another attempt had taken its place."""


class PersonSays(StrEnum):
    """What a person decides about a message nobody knows the fate of."""

    SENT = "sent"
    RESEND = "resend"
    DROP = "drop"


class Shown(StrEnum):
    """What the provider showed when it was asked about an attempt."""

    NOTHING = "nothing"
    CANNOT_SAY = "cannot_say"
    """It was out of reach, or it has no list to ask."""
    RECORDS = "records"
    """Records of which one may be it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the last question to the provider about an attempt in doubt came to.

    `asked` counts the questions so far. `refs`: the provider's ids of the records that may be it.
    """

    shown: Shown
    asked: int
    at: datetime
    refs: tuple[str, ...] = ()


WORKER_DIED: Final = "worker_died"
"""The `code` of an attempt whose worker was not heard of again."""

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
    finding: Finding | None = None
    """What the provider showed when it was last asked, if it was."""
    deaths: int = 0
    """How many attempts at the message ended with the death of their worker, this one included; 0: this one did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAttempt:
    """An attempt of unknown fate that waits for a person, with all that may help to decide.

    `reason` and `code` say why nobody knows: the answer that was no answer, or WORKER_DIED. `rank`: of the best receipt
    so far, 0 for none. `next_look`: when the provider is asked again.
    """

    attempt_id: str
    run_id: str
    campaign_id: str
    contact_id: str
    key: MessageKey
    channel: ChannelKind
    to: str = field(repr=False)
    provider: str
    number: int
    dispatched_at: datetime
    reason: Reason
    code: str
    rank: int
    finding: Finding | None
    next_look: datetime | None


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
    `disposition` and `category` are filed as an outcome when not empty, with `detail` or else the reason.
    `finding`: None leaves the last one.
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
    detail: str = ""
    finding: Finding | None = None
    signals: tuple[Event, ...] = ()
    suppress: tuple[Suppress, ...] = ()
