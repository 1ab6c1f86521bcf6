"""What is due, per run and kind of work: the one question that is asked many times a second.

1. Counts stop at a cap, and every part is served by a partial index, so that asking is cheap with a million waiting.
2. One process serves one tenant, whose credentials it has: it asks for that tenant's work only.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, literal, or_, select

from channels.messages import ChannelKind
from worker.domain.attempt import MessageStatus
from worker.domain.run import RunStatus
from worker.store import dialect
from worker.store.codec import millis
from worker.store.dialect import fixed, fixed_list
from worker.store.rows import DueWork, WorkKind
from worker.store.signals import BULK, URGENT
from worker.store.tables import UNRESOLVED, WATCHED, attempts, enrollments, inbox, messages, runs

CAP: Final = 5000
"""Nobody needs to know more about how much is due."""


def due_work(conn: Connection, tenant_id: str, now: datetime) -> list[DueWork]:
    """Everything that could be done now in any run of the tenant; empty kinds are left out."""
    at = millis(now)
    running = runs.c.status == RunStatus.RUNNING
    channels = [_when(running, _queued(kind, at)).label(kind.value) for kind in ChannelKind]
    query = select(
        *(runs.c.tenant_id, runs.c.run_id, runs.c.status, runs.c.enrolled),
        _when(running, _steppable(conn, at)).label("advance"),
        *channels,
        _is_open().label("open"),
        _any_queued().label("queued"),
        _any_unsettled().label("unsettled"),
    ).where(runs.c.tenant_id == tenant_id, runs.c.finished_at.is_(None))
    return [work for row in conn.execute(query).all() for work in _of_run(row)] + _of_no_run(conn, tenant_id, at)


def _of_run(row: Row[Any]) -> list[DueWork]:
    match RunStatus(row.status):
        case RunStatus.RUNNING:
            ended = row.enrolled and not row.open and not row.unsettled  # a step will see that the run is complete
            counts = {
                WorkKind.ENROLL: 0 if row.enrolled else 1,
                WorkKind.ADVANCE: row.advance or (1 if ended else 0),
                **{WorkKind(kind): getattr(row, kind.value) for kind in ChannelKind},
            }
        case RunStatus.CANCELLED | RunStatus.FAILED:
            # With nothing left but receipts to come it waits for those; without any, its end is to be noted.
            counts = {WorkKind.CANCEL: 1 if row.open or row.queued or not row.unsettled else 0}
        case RunStatus.PAUSED | RunStatus.COMPLETED:
            counts = {}
    return [
        DueWork(kind=kind, tenant_id=row.tenant_id, run_id=row.run_id, count=count)
        for kind, count in counts.items()
        if count
    ]


def _of_no_run(conn: Connection, tenant_id: str, at: int) -> list[DueWork]:
    """Work that belongs to no single run: news to apply, attempts to look into."""
    clock = dialect.now_ms(conn)
    waiting = exists().where(inbox.c.tenant_id == tenant_id, inbox.c.processed_at.is_(None), inbox.c.due_at <= clock)
    stale = exists().where(
        attempts.c.tenant_id == tenant_id,
        attempts.c.status.in_(fixed_list(UNRESOLVED)),
        attempts.c.lease_until <= clock,
    )
    watched = exists().where(
        messages.c.tenant_id == tenant_id, messages.c.status.in_(fixed_list(WATCHED)), messages.c.due_at <= at
    )
    news, doubts = conn.execute(select(waiting, or_(stale, watched))).one()
    kinds = {WorkKind.INBOX: news, WorkKind.RECONCILE: doubts}
    return [DueWork(kind=kind, tenant_id=tenant_id, run_id="", count=1) for kind, is_due in kinds.items() if is_due]


def _steppable(conn: Connection, at: int) -> ColumnElement[int]:
    row = enrollments.c
    free = or_(row.lease_until.is_(None), row.lease_until <= dialect.now_ms(conn))
    return _per_priority(
        select(literal(1)).where(row.run_id == runs.c.run_id, row.finished_at.is_(None), row.due_at <= at, free),
        row.priority,
    )


def _queued(kind: ChannelKind, at: int) -> ColumnElement[int]:
    row = messages.c
    queued = and_(row.run_id == runs.c.run_id, row.channel == kind, row.status == fixed(MessageStatus.QUEUED))
    return _per_priority(select(literal(1)).where(queued, row.due_at <= at), row.priority)


def _per_priority(rows: Select[Any], priority: ColumnElement[int]) -> ColumnElement[int]:
    """How many rows, each priority counted by itself so that the index is entered at the right place."""
    parts = []
    for value in (URGENT, BULK):
        capped = rows.where(priority == value).limit(CAP).correlate(runs).subquery()
        parts.append(select(func.count()).select_from(capped).scalar_subquery())
    return parts[0] + parts[1]


def _is_open() -> ColumnElement[bool]:
    return exists().where(enrollments.c.run_id == runs.c.run_id, enrollments.c.finished_at.is_(None))


def _any_queued() -> ColumnElement[bool]:
    return exists().where(
        messages.c.run_id == runs.c.run_id,
        messages.c.channel.in_(fixed_list(ChannelKind)),  # else SQLite takes another index, of all messages
        messages.c.status == fixed(MessageStatus.QUEUED),
    )


def _any_unsettled() -> ColumnElement[bool]:
    return exists().where(messages.c.run_id == runs.c.run_id, messages.c.status != fixed(MessageStatus.SETTLED))


def _when(condition: ColumnElement[bool], count: ColumnElement[int]) -> ColumnElement[int]:
    return case((condition, count), else_=0)
