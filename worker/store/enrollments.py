"""Claims enrollments that are due and commits what their step came to.

1. A claim is a lease: it counts the epoch up, and every later write names the epoch. A worker that was thought dead
   writes nothing.
2. One commit holds the new state, the messages it owes, the outcomes it files and the news it has consumed.
3. News that came during the step leaves the enrollment due.
4. A row that is claimed again and again and never committed breaks its worker: it is failed, with the reason.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Connection, Integer, Text, bindparam, case, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from worker.domain.dispositions import SYSTEM
from worker.domain.enrollment import EnrollmentStatus
from worker.store import dialect, outcomes, runs, signals, steps
from worker.store.codec import millis
from worker.store.kept import clock, clock_ms, kept
from worker.store.rows import EnrollmentClaim, StepCommit
from worker.store.signals import BULK, URGENT
from worker.store.tables import enrollments

MAX_CLAIMS: Final = 5
"""Claims without a commit before an enrollment is failed."""
_FAILED: Final = SYSTEM["WORKFLOW_FAILED"]
_POISONED: Final = f"quarantined: {MAX_CLAIMS} workers took it and none could commit its step; see their logs"


def claim(
    conn: Connection, tenant_id: str, run_id: str, *, owner: str, limit: int, lease: timedelta, now: datetime
) -> list[EnrollmentClaim]:
    """Lease up to `limit` enrollments of a running run that are due at `now`; people who wrote first, then the oldest.

    Empty when nothing is due or the run is not running.
    """
    if not runs.lock_running(conn, tenant_id, run_id):
        return []
    given = {
        "of_tenant": tenant_id,
        "of_run": run_id,
        "by": owner,
        "lease_ms": round(lease.total_seconds() * 1000),
        "at": millis(now),
    }
    taken: list[str] = []
    poisoned: list[str] = []
    for priority in (URGENT, BULK):
        room = limit - len(taken)
        if room > 0:
            which = {"of_priority": priority, "most": room} | clock(conn)
            for enrollment_id, claims in conn.execute(_lease_due(conn), given | which).all():
                (taken if claims <= MAX_CLAIMS else poisoned).append(enrollment_id)
    if poisoned:
        _quarantine(conn, tenant_id, run_id, poisoned, now)
    return _load(conn, tenant_id, taken, now) if taken else []


def commit(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> int:
    """Write the steps whose claim still holds; the others write nothing. Returns how many were written."""
    if not commits:
        return 0
    written = write(conn, commits, now)
    steps.forget_news(conn, written)
    return len(written)


def write(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> list[StepCommit]:
    """Write what steps came to where it still holds; the news they have consumed is left. Returns what was written."""
    written = steps.write_state(conn, commits, now)
    steps.carry_out(conn, written, now)
    return written


@kept
def _lease_due(conn: Connection) -> ReturningUpdate[str, int]:
    row, now = enrollments.c, clock_ms(conn)
    picked = (
        select(row.enrollment_id)
        .where(
            row.tenant_id == bindparam("of_tenant", type_=Text),
            row.run_id == bindparam("of_run", type_=Text),
            row.priority == bindparam("of_priority", type_=Integer),
            row.due_at <= bindparam("at", type_=BigInteger),
            row.finished_at.is_(None),
            or_(row.lease_until.is_(None), row.lease_until <= now),
        )
        .order_by(row.due_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
        .cte("picked")
        .prefix_with("MATERIALIZED")  # else LIMIT may be evaluated again and more rows locked than asked for
    )
    return (
        update(enrollments)
        .where(row.enrollment_id == picked.c.enrollment_id)
        .values(
            epoch=row.epoch + 1,
            claims=row.claims + 1,
            lease_until=now + bindparam("lease_ms", type_=BigInteger),
            lease_owner=bindparam("by", type_=Text),
        )
        .returning(row.enrollment_id, row.claims)
    )


def _quarantine(conn: Connection, tenant_id: str, run_id: str, enrollment_ids: Sequence[str], now: datetime) -> None:
    given = dialect.ids(conn, "enrollment_id", enrollment_ids)
    row, at = enrollments.c, millis(now)
    conn.execute(
        update(enrollments)
        .where(row.tenant_id == tenant_id, row.enrollment_id == given.c.enrollment_id)
        .values(
            status=EnrollmentStatus.FAILED,
            reason=_POISONED,
            disposition=case((row.disposition == "", _FAILED.code), else_=row.disposition),
            finished_at=at,
            due_at=None,
            lease_until=None,
        )
    )
    came_to = (None, None, _FAILED.code, _FAILED.category, _POISONED, at)
    outcomes.file(conn, [(tenant_id, run_id, enrollment_id, *came_to) for enrollment_id in enrollment_ids])
    signals.forget(conn, enrollment_ids)


def _load(conn: Connection, tenant_id: str, enrollment_ids: Sequence[str], now: datetime) -> list[EnrollmentClaim]:
    row = enrollments.c
    query = (
        steps.stepped_query(dialect.ids(conn, "enrollment_id", enrollment_ids))
        .where(row.tenant_id == tenant_id)
        .order_by(row.priority, row.due_at, row.enrollment_id)
    )
    return list(
        steps.readable(tenant_id, conn.execute(query).all(), steps.news_of(conn, tenant_id, enrollment_ids), now)
    )
