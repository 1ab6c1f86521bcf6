"""The life of each run, line by line: who changed what when, and why."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from worker.domain.run import RunChange
from worker.store.codec import millis, moment
from worker.store.tables import run_changes


def add(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    now: datetime,
    *,
    by: str,
    before: str = "",
    after: str,
    reason: str = "",
) -> None:
    """Write one line, in the transaction of what it tells of. `by` empty: the system itself."""
    line = {"tenant_id": tenant_id, "run_id": run_id, "at": millis(now), "by": by}
    conn.execute(insert(run_changes).values(**line, before=before, after=after, reason=reason))


def of_run(conn: Connection, tenant_id: str, run_id: str) -> list[RunChange]:
    """All lines of a run, the oldest first."""
    row = run_changes.c
    query = select(run_changes).where(row.tenant_id == tenant_id, row.run_id == run_id).order_by(row.change_id)
    return [
        RunChange(at=moment(line.at), by=line.by, before=line.before, after=line.after, reason=line.reason)
        for line in conn.execute(query).all()
    ]
