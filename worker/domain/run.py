"""A run: one launch of a campaign, the states of its life, and who may move it from one to another.

1. TRANSITIONS is the only table of what may follow what. Each change is kept with its time, its author and a reason.
2. What ends is ended for good: nothing follows a final state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class RunStatus(StrEnum):
    """Where a run is in its life."""

    DRAFT = "draft"
    """Checked and kept; it starts when somebody starts it."""
    SCHEDULED = "scheduled"
    """It starts by itself at `next_at`."""
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    """Every enrollment has reached a final state."""
    CANCELLED = "cancelled"
    FAILED = "failed"
    """It could not start: its moment was missed, or its definitions could no longer run."""


FINAL_RUN: Final = frozenset({RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.FAILED})

UNDER_WAY: Final = (RunStatus.RUNNING, RunStatus.PAUSED)
"""What a second launch of the same campaign over the same audience would be on top of."""


class Who(StrEnum):
    """Who changes the status of a run."""

    OPERATOR = "operator"
    """Holds `campaigns:admin`."""
    SUPERVISOR = "supervisor"
    """Is named in the campaign's `supervisor`; may stop it and let it go on, and needs no scope for that."""
    SYSTEM = "system"


_PEOPLE: Final = frozenset({Who.OPERATOR, Who.SUPERVISOR})
_OPERATOR: Final = frozenset({Who.OPERATOR})
_SYSTEM: Final = frozenset({Who.SYSTEM})

TRANSITIONS: Final[Mapping[tuple[RunStatus, RunStatus], frozenset[Who]]] = {
    (RunStatus.DRAFT, RunStatus.SCHEDULED): _OPERATOR,
    (RunStatus.DRAFT, RunStatus.RUNNING): _OPERATOR,
    (RunStatus.DRAFT, RunStatus.CANCELLED): _OPERATOR,
    (RunStatus.SCHEDULED, RunStatus.DRAFT): _OPERATOR,
    (RunStatus.SCHEDULED, RunStatus.RUNNING): frozenset({Who.OPERATOR, Who.SYSTEM}),
    (RunStatus.SCHEDULED, RunStatus.CANCELLED): _PEOPLE,
    (RunStatus.SCHEDULED, RunStatus.FAILED): _SYSTEM,
    (RunStatus.RUNNING, RunStatus.PAUSED): frozenset(Who),
    (RunStatus.RUNNING, RunStatus.COMPLETED): _SYSTEM,
    (RunStatus.RUNNING, RunStatus.CANCELLED): _PEOPLE,
    (RunStatus.RUNNING, RunStatus.FAILED): _SYSTEM,
    (RunStatus.PAUSED, RunStatus.RUNNING): _PEOPLE,
    (RunStatus.PAUSED, RunStatus.CANCELLED): _PEOPLE,
}


def may_follow(status: RunStatus) -> frozenset[RunStatus]:
    """What a run of this status can become."""
    return frozenset(after for before, after in TRANSITIONS if before is status)


def who_may(before: RunStatus, after: RunStatus) -> frozenset[Who]:
    """Who may change a run from one to the other; nobody where the one cannot follow the other."""
    return TRANSITIONS.get((before, after), frozenset())


def listed(statuses: Iterable[RunStatus]) -> str:
    """For people, in the order of a life."""
    wanted = frozenset(statuses)
    return ", ".join(status for status in RunStatus if status in wanted) or "nothing"


class Canary(StrEnum):
    """How far the canary of a run is: the part of its audience that goes first."""

    NONE = ""
    ENROLLING = "enrolling"
    WATCHED = "watched"
    """All of it is enrolled; the rest waits for the guard."""
    PASSED = "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One launch. Definitions are snapshots: edits of the campaign or workflow do not reach people under way.

    `campaign`: the campaign document. `workflows`: all workflow documents it needs, by id. `dispositions`: the custom
    disposition documents. `options`: `speed` (how many seconds pass in one), `rehearsal` (the providers reach nobody),
    `defaultTimezone`, `limit` (people at most; 0: all). `selection`: the audience, see `domain.audience`; empty: the
    list `contact_list_id`. `guarding`: what the guard knows, `canary.share` among it. `enrolled` is False while the
    audience is still being enrolled, and as long as an open run is open.

    `open_ended`: people come one by one. `urgent`: they do not wait behind the bulk of others. `series` and
    `occurrence`: of which schedule, and which firing of it. `next_at`: when the schedule has something to do.
    `archived_at`: since when its people and messages are in the files of `archive`, and no longer in the database.
    """

    tenant_id: str
    run_id: str
    campaign_id: str
    status: RunStatus
    campaign: Mapping[str, Any] = field(repr=False)
    workflows: Mapping[str, Mapping[str, Any]] = field(repr=False)
    dispositions: tuple[Mapping[str, Any], ...] = field(repr=False)
    options: Mapping[str, Any]
    contact_list_id: str
    enrolled: bool
    created_at: datetime
    selection: Mapping[str, Any] = field(default_factory=dict, repr=False)
    guarding: Mapping[str, Any] = field(default_factory=dict)
    canary: Canary = Canary.NONE
    open_ended: bool = False
    urgent: bool = False
    series: str = ""
    occurrence: datetime | None = None
    next_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    archived_at: datetime | None = None
    archive: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """One line of the life of a run. `before`: empty for its creation, equal to `after` where only a reason is told."""

    at: datetime
    by: str
    before: str
    after: str
    reason: str
