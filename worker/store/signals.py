"""News for enrollments: put beside them, and the enrollment made due, in one transaction.

1. A signal raises `wake`. A step that was under way sees it when it commits and stays due, so that no news is lost.
2. An enrollment that has ended takes no more news.
3. An opt-out marks the enrollment at once, so that a gate stops what is queued before the workflow hears of it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Insert,
    Integer,
    Text,
    bindparam,
    case,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from worker.domain.events import Cancelled, Event, Happened, OptedOut, Replied, event_to_json
from worker.store import dialect, kept
from worker.store.codec import millis, to_json
from worker.store.tables import enrollments, signals

URGENT = 0
BULK = 1
_WOKEN: Final[dialect.Columns] = {
    "tenant_id": Text(),
    "enrollment_id": Text(),
    "news": Integer(),
    "priority": Integer(),
    "opted_out": Boolean(),
}
_COLUMNS: Final[dialect.Columns] = {
    **{name: Text() for name in ("tenant_id", "enrollment_id", "event")},
    "at": BigInteger(),
}


def post(conn: Connection, news: Sequence[tuple[str, str, Event]], now: datetime) -> int:
    """Add (tenant id, enrollment id, event) in this order. Returns how many were taken."""
    if not news:
        return 0
    at = millis(now)
    woken = _wake(conn, news, at)
    rows = [
        (tenant_id, enrollment_id, to_json(event_to_json(event)), at)
        for tenant_id, enrollment_id, event in news
        if (tenant_id, enrollment_id) in woken
    ]
    if rows:
        conn.execute(_posted(conn), kept.rows(rows))
    return len(rows)


@kept.kept
def _posted(conn: Connection) -> Insert:
    given = dialect.records_of(conn, _COLUMNS, kept.BATCH)
    return signals.insert().from_select(list(_COLUMNS), select(given))


def forget(conn: Connection, enrollment_ids: Sequence[str]) -> None:
    """Drop what enrollments that have ended will not read any more. They are named by ids this store gave out."""
    if enrollment_ids:
        given = dialect.ids(conn, "enrollment_id", enrollment_ids)
        conn.execute(delete(signals).where(signals.c.enrollment_id.in_(select(given.c.enrollment_id))))


def priority_of(event: Event) -> int:
    """A person who wrote, or wants out, is served before the bulk."""
    return URGENT if isinstance(event, Replied | Happened | OptedOut | Cancelled) else BULK


def _wake(conn: Connection, news: Sequence[tuple[str, str, Event]], at: int) -> set[tuple[str, str]]:
    counts = Counter((tenant_id, enrollment_id) for tenant_id, enrollment_id, _ in news)
    urgent = {(tenant_id, enrollment_id) for tenant_id, enrollment_id, e in news if priority_of(e) == URGENT}
    stopped = {(tenant_id, enrollment_id) for tenant_id, enrollment_id, e in news if isinstance(e, OptedOut)}
    rows = sorted((*key, n, URGENT if key in urgent else BULK, key in stopped) for key, n in counts.items())
    found = conn.execute(_woken(conn), kept.rows(rows) | {"woken_at": at}).all()
    return {(tenant_id, enrollment_id) for tenant_id, enrollment_id in found}


@kept.kept
def _woken(conn: Connection) -> ReturningUpdate[str, str]:
    given, at = dialect.records_of(conn, _WOKEN, kept.BATCH), bindparam("woken_at", type_=BigInteger)
    row = enrollments.c
    return (
        update(enrollments)
        .where(
            row.enrollment_id == given.c.enrollment_id,
            row.tenant_id == given.c.tenant_id,
            dialect.absent(row.finished_at),
        )
        .values(
            wake=row.wake + given.c.news,
            priority=dialect.least(conn, row.priority, given.c.priority),
            opted_out=or_(row.opted_out, given.c.opted_out),
            due_at=case((row.due_at <= at, row.due_at), else_=at),
        )
        .returning(row.tenant_id, row.enrollment_id)
    )
