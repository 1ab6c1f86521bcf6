"""What the store takes and gives of queue events. Frozen; times are aware and UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from channels.messages import ChannelKind
from worker.domain.effects import Dispatch
from worker.store.rows import StepCommit


class EventStatus(StrEnum):
    """Where an event is in its life."""

    WAITING = "waiting"
    """Accepted; nobody has acted on it yet."""
    APPLIED = "applied"
    """Done with: its key is remembered, what it said is not."""
    DEAD = "dead"
    """It came to nothing; kept as it came, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """An event to be accepted. With a `note` it is dead from the start: it says why."""

    key: str
    type: str
    occurred_at: datetime
    payload: Mapping[str, Any] = field(repr=False)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An accepted event, leased to one worker. `tries` counts the claims, this one included."""

    event_id: int
    key: str
    type: str
    occurred_at: datetime
    payload: Mapping[str, Any] = field(repr=False)
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """What is known of an event, for people. `payload` is empty unless it was asked for, or is not kept any more."""

    key: str
    type: str
    status: EventStatus
    note: str
    occurred_at: datetime
    received_at: datetime
    tries: int
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a batch came to. `done` counts events, the `dead` among them."""

    due: Mapping[str, int]
    """How many each run has to step now."""
    steps: Sequence[StepCommit] = ()
    """The first steps of those who entered."""
    urgent: frozenset[str] = frozenset()
    """Those of the runs whose hints have a queue of their own."""
    done: int = 0
    dead: int = 0

    @property
    def owed(self) -> set[tuple[str, ChannelKind]]:
        """Runs and channels that have messages to send."""
        effects = ((step.claim.run_id, effect) for step in self.steps for effect in step.transition.effects)
        return {(run_id, effect.channel) for run_id, effect in effects if isinstance(effect, Dispatch)}
