"""What a run came to, and where it is: one picture, read in one transaction, that adds up."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from channels.messages import ChannelKind
from worker.domain.attempt import AttemptStatus
from worker.domain.enrollment import FINAL
from worker.domain.run import UNDER_WAY, Canary, Run, RunStatus
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import NotFound
from worker.runtime.selecting import selection_of_run
from worker.store.rows import RunReport

LAST: Final = "last"
"""Instead of a run id: the latest run."""
TAKEN = (AttemptStatus.ACCEPTED, AttemptStatus.CLOSED)
"""Attempts that the provider took: what its own ledger should count too."""

_STOPPED: Final = (RunStatus.PAUSED, RunStatus.CANCELLED, RunStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run and its counts. `at`: when they were read.

    `reason`: why it does not go on, where somebody or something has stopped it. `behind_canary`: how many people wait
    for its canary, None where it has none or it has passed.
    """

    run: Run
    counts: RunReport
    at: datetime
    reason: str = ""
    behind_canary: int | None = None

    @property
    def seconds(self) -> float | None:
        """As `elapsed`."""
        return None if self.elapsed is None else self.elapsed.total_seconds()

    @property
    def elapsed(self) -> timedelta | None:
        """How long the run took, or has taken so far; None where it was never started."""
        if self.run.started_at is None:
            return None
        return (self.run.finished_at or self.at) - self.run.started_at

    @property
    def closed(self) -> bool:
        """Whether it was open to people who come one by one, and lets nobody else in."""
        return self.run.open_ended and self.run.enrolled

    @property
    def done(self) -> int:
        """People who have reached a final state."""
        return sum(self.counts.enrollments.get(status, 0) for status in FINAL)

    def accepted(self) -> dict[str, int]:
        """Messages the provider took, by channel."""
        return {
            kind.value: sum(
                n for (channel, status), n in self.counts.attempts.items() if channel == kind and status in TAKEN
            )
            for kind in ChannelKind
        }

    def by_channel(self, what: str) -> dict[str, dict[str, int]]:
        """Messages by channel, then by `status` or `disposition`."""
        position = {"status": 1, "disposition": 2}[what]
        table: dict[str, Counter[str]] = {kind.value: Counter() for kind in ChannelKind}
        for key, count in self.counts.messages.items():
            table[key[0]][key[position] or "(open)"] += count
        return {channel: dict(sorted(counter.items())) for channel, counter in table.items()}

    def as_json(self) -> dict[str, Any]:
        """The report as `report.json` holds it."""
        return {
            "runId": self.run.run_id,
            "campaignId": self.run.campaign_id,
            "status": self.run.status,
            "reason": self.reason,
            "seconds": self.seconds,
            "closed": self.closed,
            "behindCanary": self.behind_canary,
            "audience": self.counts.audience,
            "enrollments": dict(sorted(self.counts.enrollments.items())),
            "dispositions": dict(sorted(self.counts.dispositions.items())),
            "messages": {
                "byStatus": self.by_channel("status"),
                "byDisposition": self.by_channel("disposition"),
                "accepted": self.accepted(),
                "unknown": self.counts.unknown,
                "held": self.counts.held,
            },
        } | (
            {"archive": self.run.archive, "archivedAt": self.run.archived_at.isoformat()}
            if self.run.archived_at
            else {}
        )


def make_report(rt: Runtime, run_id: str) -> Report:
    """Read a run and its counts."""
    tenant_id = rt.settings.tenant_id
    run, counts = rt.store.get_run(tenant_id, run_id), rt.store.run_report(tenant_id, run_id)
    waiting = _behind_canary(rt, run, counts.audience)
    return Report(run=run, counts=counts, at=rt.now(), reason=_why(rt, run), behind_canary=waiting)


def _why(rt: Runtime, run: Run) -> str:
    """What was said when it was stopped."""
    if run.status not in _STOPPED:
        return ""
    changes = rt.store.run_changes(run.tenant_id, run.run_id)
    return next((one.reason for one in reversed(changes) if one.after == run.status and one.before != one.after), "")


def _behind_canary(rt: Runtime, run: Run, enrolled: int) -> int | None:
    if run.canary not in (Canary.ENROLLING, Canary.WATCHED) or run.status not in UNDER_WAY:
        return None
    people = rt.store.audience_size(run.tenant_id, selection_of_run(run))
    return max(0, min(people, run.options.get("limit") or people) - enrolled)


def resolve_run(rt: Runtime, key: str) -> str:
    """A run id; `last` is the latest one. Raises NotFound."""
    if key != LAST:
        return rt.store.get_run(rt.settings.tenant_id, key).run_id
    runs = rt.store.find_runs(rt.settings.tenant_id)
    if not runs:
        raise NotFound("there are no runs yet: `campaigns launch` starts one")
    return max(runs, key=lambda run: run.created_at).run_id


def ledger_differences(report: Report, ledger: Mapping[str, int]) -> list[str]:
    """Where our counts and the provider's ledger differ; empty when they agree."""
    return [
        f"{channel}: we count {ours}, the provider {ledger.get(channel, 0)}"
        for channel, ours in report.accepted().items()
        if ours != ledger.get(channel, 0)
    ]
