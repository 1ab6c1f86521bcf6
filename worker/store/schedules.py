"""Scheduled runs: they start, move on or fail when their moment comes. Each step is one transaction.

1. A step names the moment it was decided for. If the run waits for another one by now, or for none, nothing is done:
   so it does not matter how many look at the clock.
2. The next run of a series is made in the commit that starts this one; a series has each occurrence once.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Update, update

from worker.domain.alert import AlertKind
from worker.domain.run import Run, RunStatus
from worker.store import alerts, launches, run_changes, runs
from worker.store.codec import millis, millis_or_none
from worker.store.tables import runs as table


def fire(
    conn: Connection, run: Run, seen: datetime | None, now: datetime, *, following: Run | None, by: str, reason: str
) -> bool:
    """Start a scheduled run with these definitions, and make the next of its series. False if it waits no more.

    Raises PeopleArchived.
    """
    row = _waiting(conn, run.tenant_id, run.run_id, seen)
    if row is None:
        return False
    launches.require_people(conn, run)
    conn.execute(_this(row).values(**launches.snapshot_columns(run)))
    runs.write_status(conn, row, RunStatus.RUNNING, now, by=by, reason=reason)
    _follow(conn, following)
    return True


def give_up(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    seen: datetime,
    now: datetime,
    *,
    following: Run | None,
    reason: str,
) -> bool:
    """Fail a scheduled run that cannot start, and make the next of its series. False if it waits no more."""
    row = _waiting(conn, tenant_id, run_id, seen)
    if row is None:
        return False
    runs.write_status(conn, row, RunStatus.FAILED, now, by="", reason=reason)
    alerts.of_change(conn, row, RunStatus.FAILED, now, reason=reason)
    _follow(conn, following)
    return True


def move(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    seen: datetime,
    now: datetime,
    *,
    to: datetime,
    reason: str,
    missed: bool = False,
) -> bool:
    """Let a scheduled run wait for another moment, and say why. False if it waits no more for the one that was seen.

    `missed`: the supervisors hear of it.
    """
    row = _waiting(conn, tenant_id, run_id, seen)
    if row is None:
        return False
    conn.execute(_this(row).values(next_at=millis(to), occurrence=millis(to)))
    run_changes.add(conn, tenant_id, run_id, now, by="", before=row.status, after=row.status, reason=reason)
    if missed:
        alerts.add(conn, tenant_id, run_id, AlertKind.MISSED_SCHEDULE, now, reason=reason)
    return True


def _waiting(conn: Connection, tenant_id: str, run_id: str, seen: datetime | None) -> Row[Any] | None:
    row = runs.lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.SCHEDULED or row.next_at != millis_or_none(seen):
        return None
    return row


def _follow(conn: Connection, following: Run | None) -> None:
    if following is not None:
        launches.insert_run(conn, following, by="", reason=f"follows the one before in series {following.series}")


def _this(row: Row[Any]) -> Update:
    return update(table).where(table.c.tenant_id == row.tenant_id, table.c.run_id == row.run_id)
