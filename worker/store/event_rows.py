"""What the store takes and gives of queue events. Frozen; times are aware and UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


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
    """What a batch came to. `runs`: how many entered or left each run; `done` counts events, the `dead` among them."""

    runs: Mapping[str, int]
    urgent: frozenset[str] = frozenset()
    """Those of the runs whose hints have a queue of their own."""
    done: int = 0
    dead: int = 0
