"""A run: one launch of a campaign over an audience, and the states of its life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class RunStatus(StrEnum):
    """Where a run is in its life."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    """Every enrollment has reached a final state."""
    CANCELLED = "cancelled"
    FAILED = "failed"


FINAL_RUN: Final = frozenset({RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.FAILED})

TRANSITIONS: Final[Mapping[RunStatus, frozenset[RunStatus]]] = {
    RunStatus.RUNNING: frozenset(
        {RunStatus.PAUSED, RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.FAILED},
    ),
    RunStatus.PAUSED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
    RunStatus.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One launch. Definitions are snapshots: edits of the campaign or workflow do not reach people under way.

    `campaign`: the campaign document. `workflows`: all workflow documents it needs, by id. `dispositions`: the custom
    disposition documents. `options`: `speed` (how many seconds pass in one), `rehearsal` (the providers reach nobody),
    `defaultTimezone`. `enrolled` is False while the audience is still being enrolled.
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
    finished_at: datetime | None = None
