"""What is due, per run and kind of work: the one question that is asked many times a second.

1. Counts stop at a cap, and every part is served by a partial index, so that asking is cheap with a million waiting.
2. One process serves one tenant, whose credentials it has: it asks for that tenant's work only.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from channels.messages import ChannelKind
from worker.domain.attempt import MessageStatus
from worker.domain.run import Canary, RunStatus
from worker.store import alerts, events, guards, straight
from worker.store.codec import millis, millis_or_none
from worker.store.dialect import fixed, fixed_list
from worker.store.kept import clock, clock_ms, kept
from worker.store.rows import DueWork, WorkKind
from worker.store.runs import is_queued, is_under_way
from worker.store.signals import BULK, URGENT
from worker.store.straight import Trace
from worker.store.tables import UNRESOLVED, WATCHED, attempts, enrollments, inbox, messages, runs

CAP: Final = 2500
"""Nobody needs to know more about how much is due."""
OVERDUE_MS: Final = 2000
"""Whoever has been due for so long is stepped by whoever has time, where those who send in the run do not."""
_TENANT: Final = bindparam("tenant", type_=Text)
_AT: Final = bindparam("at", type_=BigInteger)
_BEFORE: Final = bindparam("before", type_=BigInteger)


def due_work(
    conn: Connection, tenant_id: str, now: datetime, forgotten_before: datetime | None = None
) -> list[DueWork]:
    """Everything that could be done now in any run of the tenant; empty kinds are left out.

    `forgotten_before`: events from before then are to be forgotten.
    """
    given = {"tenant": tenant_id, "at": millis(now), "before": millis_or_none(forgotten_before)} | clock(conn)
    traces = straight.traces(conn, tenant_id)
    rows = conn.execute(_of_runs(conn), given).all()
    work = [work for row in rows for work in _of_run(row, traces.get(row.run_id))]
    return work + _of_no_run(conn, tenant_id, given)


@kept
def _of_runs(conn: Connection) -> Select[Any]:
    running = runs.c.status == RunStatus.RUNNING
    channels = [_when(running, _queued(kind)).label(kind.value) for kind in ChannelKind]
    return select(
        *(runs.c.tenant_id, runs.c.run_id, runs.c.status, runs.c.enrolled, runs.c.urgent),
        *(runs.c.open_ended, runs.c.canary),
        (runs.c.next_at <= _AT).label("scheduled"),
        _when(running, _count(_steppable(conn, BULK))).label("steps"),
        _when(running, _count(_steppable(conn, URGENT))).label("called"),
        _steppable(conn, BULK, _AT - OVERDUE_MS).exists().label("overdue"),
        *channels,
        _is_open().label("open"),
        _any(is_queued()).label("queued"),
        _any(is_under_way()).label("under_way"),
    ).where(runs.c.tenant_id == _TENANT, runs.c.finished_at.is_(None))


def _of_run(row: Row[Any], trace: Trace | None) -> list[DueWork]:
    match RunStatus(row.status):
        case RunStatus.RUNNING:
            ended = row.enrolled and not (row.open or row.queued or row.under_way)
            left_alone = row.urgent or trace is Trace.COLD or (row.overdue and trace is None)
            counts = {
                WorkKind.ENROLL: 0 if row.enrolled or row.open_ended or row.canary == Canary.WATCHED else 1,
                WorkKind.STEP: 0 if row.urgent else row.steps,
                # Whoever finds nobody to step sees that the run is complete.
                WorkKind.ADVANCE: row.called + (row.steps if left_alone else 0) or int(ended),
                **{WorkKind(kind): getattr(row, kind.value) for kind in ChannelKind},
                WorkKind.SCHEDULE: 1 if row.open_ended and row.scheduled else 0,
            }
        case RunStatus.CANCELLED | RunStatus.FAILED:
            # With nothing left but receipts to come it waits for those; without any, its end is to be noted.
            counts = {WorkKind.CANCEL: 1 if row.open or row.queued or not row.under_way else 0}
        case RunStatus.SCHEDULED:
            counts = {WorkKind.SCHEDULE: 1 if row.scheduled else 0}
        case RunStatus.DRAFT | RunStatus.PAUSED | RunStatus.COMPLETED:
            counts = {}
    return [
        DueWork(kind=kind, tenant_id=row.tenant_id, run_id=row.run_id, count=count, urgent=row.urgent)
        for kind, count in counts.items()
        if count
    ]


def _of_no_run(conn: Connection, tenant_id: str, given: Mapping[str, Any]) -> list[DueWork]:
    """Work that belongs to no single run: news to apply, attempts to look into."""
    news, doubts, waiting, outcomes, untold = conn.execute(_anything(conn), given).one()
    kinds = {
        WorkKind.INBOX: news,
        WorkKind.RECONCILE: doubts,
        WorkKind.EVENTS: waiting,
        WorkKind.GUARD: outcomes,
        WorkKind.ALERT: untold,
    }
    return [DueWork(kind=kind, tenant_id=tenant_id, run_id="", count=1) for kind, is_due in kinds.items() if is_due]


@kept
def _anything(conn: Connection) -> Select[bool, bool, bool, bool, bool]:
    now = clock_ms(conn)
    waiting = exists().where(inbox.c.tenant_id == _TENANT, inbox.c.processed_at.is_(None), inbox.c.due_at <= now)
    stale = exists().where(
        attempts.c.tenant_id == _TENANT,
        attempts.c.status.in_(fixed_list(UNRESOLVED)),
        attempts.c.lease_until <= now,
    )
    watched = exists().where(
        messages.c.tenant_id == _TENANT, messages.c.status.in_(fixed_list(WATCHED)), messages.c.due_at <= _AT
    )
    happened = events.is_work(_TENANT, now, _BEFORE)
    to_judge, to_tell = guards.is_due(_TENANT, _AT), alerts.is_waiting(_TENANT, now)
    return select(waiting, or_(stale, watched), happened, to_judge, to_tell)


def _steppable(conn: Connection, priority: int, at: ColumnElement[int] = _AT) -> Select[int]:
    row = enrollments.c
    free = or_(row.lease_until.is_(None), row.lease_until <= clock_ms(conn))
    due = (row.run_id == runs.c.run_id, row.priority == priority, row.finished_at.is_(None), row.due_at <= at, free)
    return select(literal(1)).where(*due).correlate(runs)


def _queued(kind: ChannelKind) -> ColumnElement[int]:
    row = messages.c
    queued = and_(row.run_id == runs.c.run_id, row.channel == kind, row.status == fixed(MessageStatus.QUEUED))
    rows = select(literal(1)).where(queued, row.due_at <= _AT).correlate(runs)
    urgent, bulk = (_count(rows.where(row.priority == priority)) for priority in (URGENT, BULK))  # as the index begins
    return urgent + bulk


def _count(rows: Select[int]) -> ColumnElement[int]:
    return select(func.count()).select_from(rows.limit(CAP).subquery()).scalar_subquery()


def _is_open() -> ColumnElement[bool]:
    return exists().where(enrollments.c.run_id == runs.c.run_id, enrollments.c.finished_at.is_(None))


def _any(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the run has such a message."""
    return exists().where(messages.c.run_id == runs.c.run_id, which)


def _when(condition: ColumnElement[bool], count: ColumnElement[int]) -> ColumnElement[int]:
    return case((condition, count), else_=0)
