"""The runs under way that listen to events, held in their status while a batch is applied."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from worker.domain.run import UNDER_WAY, RunStatus
from worker.engine.triggers import Listening
from worker.store.dialect import fixed_list
from worker.store.tables import runs


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningRun:
    """A run under way that hears an event of the batch. `takes`: people may still enter; `runs`: it is not paused."""

    run_id: str
    campaign_id: str
    takes: bool
    runs: bool
    urgent: bool
    hears: Listening

    def brings_in(self, event_type: str) -> bool:
        return self.takes and event_type in self.hears.triggers

    def takes_out(self, event_type: str) -> bool:
        return event_type in self.hears.cancel_on

    def awaits(self, event_type: str) -> bool:
        return event_type in self.hears.awaits

    def concerns(self, event_type: str) -> bool:
        """Whether it does anything about it to those who are in."""
        return self.takes_out(event_type) or self.awaits(event_type)


def under_way(conn: Connection, tenant_id: str) -> set[str]:
    """The runs that may do something about an event."""
    query = select(runs.c.run_id).where(
        runs.c.tenant_id == tenant_id, runs.c.status.in_(fixed_list(UNDER_WAY)), runs.c.finished_at.is_(None)
    )
    return set(conn.execute(query).scalars())


def hold(conn: Connection, tenant_id: str, listening: Mapping[str, Listening]) -> list[ListeningRun]:
    """These runs as far as they are under way; their status does not change until the end of this transaction."""
    if not listening:
        return []
    query = (
        select(runs.c.run_id, runs.c.campaign_id, runs.c.status, runs.c.open_ended, runs.c.enrolled, runs.c.urgent)
        .where(
            runs.c.tenant_id == tenant_id,
            runs.c.run_id.in_(sorted(listening)),
            runs.c.status.in_(fixed_list(UNDER_WAY)),
        )
        .order_by(runs.c.run_id)
        .with_for_update(read=True)
    )
    return [
        ListeningRun(
            run_id=row.run_id,
            campaign_id=row.campaign_id,
            takes=row.open_ended and not row.enrolled,
            runs=row.status == RunStatus.RUNNING,
            urgent=row.urgent,
            hears=listening[row.run_id],
        )
        for row in conn.execute(query).all()
    ]
