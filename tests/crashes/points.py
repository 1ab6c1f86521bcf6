"""Where a process ends on the way of a message: a table, one row a point, each under its label.

1. Around every transaction of the path: with all its statements done and nothing committed, and committed with nobody
   told. Ending before it begins is ending after the one before it.
2. In the exchange with a provider: at each system call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.crashes.scripts import (
    ANSWER_LOST,
    CALLED_BACK,
    CALLS,
    CANCELLED,
    DATED,
    EVENTS,
    EVENTS_HELD,
    MAILS,
    NEVER_TAKEN,
    PAUSED,
    SCHEDULED,
    STRAIGHT,
    STRANGER,
    TEXTS,
    WORKER_DIED,
    Script,
)
from tests.crashes.seams import HINT, HTTP, Moment
from worker.domain.run import RunStatus

TAKEN: Final[Mapping[Moment, bool]] = {
    Moment.NOT_CONNECTED: False,
    Moment.CONNECTED: False,
    Moment.HALF_WRITTEN: False,
    Moment.ANSWERED: True,
    Moment.READ: True,
}
"""Whether the provider has taken something by then. Of what was written and not waited for nobody can say."""

BEFORE, AFTER = Moment.BEFORE_COMMIT, Moment.COMMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """In which step of which script, at which seam, and when there. `leaves`: the run's status, once recovered."""

    script: Script
    step: str
    seam: str
    moment: Moment
    leaves: RunStatus

    @property
    def label(self) -> str:
        return f"{self.script.name}: {self.step}, {self.seam} {self.moment}"


def _at(
    script: Script, step: str, seam: str, *moments: Moment, leaves: RunStatus = RunStatus.COMPLETED
) -> Iterator[Point]:
    for moment in moments:
        yield Point(script=script, step=step, seam=seam, moment=moment, leaves=leaves)


_ALL: Final = (
    *_at(TEXTS, "launch", "create_run", BEFORE, AFTER),
    *_at(TEXTS, "enroll", "enroll_chunk", BEFORE, AFTER),
    *_at(TEXTS, "tick", "take_lease", BEFORE, AFTER),
    *_at(TEXTS, "first step", "claim_enrollments", BEFORE, AFTER),
    *_at(TEXTS, "first step", "commit_steps", BEFORE, AFTER),
    *_at(TEXTS, "first text", "claim_messages", BEFORE, AFTER),
    *_at(TEXTS, "first text", HTTP, Moment.NOT_CONNECTED, Moment.CONNECTED, Moment.HALF_WRITTEN),
    *_at(TEXTS, "first text", HTTP, Moment.WRITTEN, Moment.ANSWERED, Moment.READ),
    *_at(TEXTS, "first text", "settle", AFTER),
    *_at(TEXTS, "first text", HINT, Moment.SENT),
    *_at(TEXTS, "receipt", "inbox_add", BEFORE, AFTER),
    *_at(TEXTS, "receipt applied", "inbox_claim", BEFORE, AFTER),
    *_at(TEXTS, "receipt applied", "settle", BEFORE),
    *_at(TEXTS, "receipt applied", "inbox_done", BEFORE, AFTER),
    *_at(TEXTS, "second step", "commit_steps", BEFORE),
    *_at(TEXTS, "last step", "finish_run_if_done", BEFORE, AFTER),
    *_at(STRAIGHT, "text", "leave_trace", BEFORE, AFTER),
    *_at(STRAIGHT, "text", "claim_messages", BEFORE, AFTER),
    *_at(STRAIGHT, "text", HTTP, Moment.WRITTEN, Moment.ANSWERED),
    *_at(STRAIGHT, "text", "settle", BEFORE, AFTER),
    *_at(STRAIGHT, "text", "end_trace", BEFORE, AFTER),
    *_at(STRAIGHT, "receipt", "inbox_add", BEFORE, AFTER),
    *_at(STRANGER, "news applied", "inbox_defer", BEFORE, AFTER),
    *_at(MAILS, "mail", HTTP, Moment.HALF_WRITTEN, Moment.WRITTEN, Moment.ANSWERED),
    *_at(MAILS, "receipt applied", "settle", BEFORE),
    *_at(CALLS, "call", HTTP, Moment.ANSWERED),
    *_at(CALLS, "receipt applied", "settle", BEFORE),
    *_at(WORKER_DIED, "found dead", "settle", AFTER),
    *_at(ANSWER_LOST, "look", "settle", BEFORE),
    *_at(NEVER_TAKEN, "first look", "settle", AFTER),
    *_at(NEVER_TAKEN, "second look", "settle", AFTER),
    *_at(NEVER_TAKEN, "text again", "settle", BEFORE),
    *_at(PAUSED, "pause", "change_run_status", BEFORE),
    *_at(PAUSED, "pause", "change_run_status", AFTER, leaves=RunStatus.PAUSED),
    *_at(PAUSED, "resume", "change_run_status", AFTER),
    *_at(CANCELLED, "cancel", "change_run_status", AFTER, leaves=RunStatus.CANCELLED),
    *_at(CANCELLED, "cancel", "cancel_chunk", BEFORE, AFTER, leaves=RunStatus.CANCELLED),
    *_at(EVENTS, "carts", "accept_events", BEFORE, AFTER),
    *_at(EVENTS, "carts", "apply_events", BEFORE, AFTER),
    *_at(EVENTS, "order", "apply_events", BEFORE),
    *_at(EVENTS_HELD, "found", "claim_events", BEFORE, AFTER),
    *_at(SCHEDULED, "moment", "fire_run", BEFORE, AFTER),
    *_at(DATED, "look", "enroll_dated", BEFORE, AFTER),
    *_at(CALLED_BACK, "callback", "inbox_add", BEFORE, AFTER),
)
POINTS: Final[Mapping[str, Point]] = {point.label: point for point in _ALL}
