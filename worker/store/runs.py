"""Runs and their life; `launches` makes and starts them.

1. A run is locked FOR KEY SHARE by whoever claims work of it, and FOR UPDATE by whoever changes it. So when a pause
   returns, every claim made before is visible, and none can follow.
2. Whoever enrolls its next people locks it FOR NO KEY UPDATE: one at a time, while the others claim. FOR SHARE holds
   off that as well.
3. Every change of status is a row of `run_changes`, written in its commit.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    exists,
    func,
    select,
    update,
)

from channels.messages import ChannelKind
from worker.domain.attempt import AttemptStatus, MessageStatus
from worker.domain.run import FINAL_RUN, UNDER_WAY, Canary, Run, RunStatus, Who, who_may
from worker.store import alerts, canaries, guard_memory, run_changes
from worker.store.codec import from_json, millis, moment, moment_or_none, to_json
from worker.store.dialect import fixed, fixed_list
from worker.store.errors import IllegalTransition, NotFound, NotOpen, NotYours
from worker.store.kept import kept
from worker.store.tables import UNRESOLVED, attempts, enrollments, messages, runs


def get(conn: Connection, tenant_id: str, run_id: str) -> Run:
    """One run. Raises NotFound."""
    found = conn.execute(select(runs).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)).first()
    if found is None:
        raise NotFound("run", run_id)
    return _run(found)


def find(
    conn: Connection, tenant_id: str, campaign_id: str = "", statuses: Collection[RunStatus] = (), limit: int = 100
) -> list[Run]:
    """Runs, the newest first; of one campaign, or with one of these statuses, where given."""
    query = select(runs).where(runs.c.tenant_id == tenant_id)
    if campaign_id:
        query = query.where(runs.c.campaign_id == campaign_id)
    if statuses:
        query = query.where(runs.c.status.in_(statuses))
    return [_run(row) for row in conn.execute(query.order_by(runs.c.created_at.desc(), runs.c.run_id).limit(limit))]


def change_status(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    to: RunStatus,
    now: datetime,
    *,
    by: str = "",
    who: Who = Who.OPERATOR,
    reason: str = "",
    release: bool = False,
) -> Run:
    """Move a run to another status; to the one it has already changes nothing.

    When this has been committed after a pause or a cancel, nothing more is claimed; `in_flight` tells what was before.
    `release`: whoever resumes it lets the others follow its canary; also while it is running.
    Raises NotFound, IllegalTransition, NotYours, NothingToRelease, CanaryIsOver.
    """
    row = require(conn, tenant_id, run_id)
    status = RunStatus(row.status)
    if status is not to:
        _require_allowed(run_id, status, to, who)
    released = to is RunStatus.RUNNING and canaries.see_to(conn, row, release=release)
    reason = "; ".join(filter(None, ("lets the others follow the canary" if released else "", reason)))
    if status is not to:
        write_status(conn, row, to, now, by=by, reason=reason)
        if who is Who.SYSTEM:
            alerts.of_change(conn, row, to, now, reason=reason)
    elif released:
        run_changes.add(conn, tenant_id, run_id, now, by=by, before=status, after=status, reason=reason)
    return get(conn, tenant_id, run_id)


def _require_allowed(run_id: str, status: RunStatus, to: RunStatus, who: Who) -> None:
    allowed = who_may(status, to)
    if not allowed:
        raise IllegalTransition(run_id, status, to)
    if who not in allowed:
        raise NotYours(run_id, to, allowed)


def write_status(conn: Connection, row: Row[Any], to: RunStatus, now: datetime, *, by: str, reason: str) -> None:
    at = millis(now)
    begun = row.status not in (RunStatus.DRAFT, RunStatus.SCHEDULED)
    change: dict[str, Any] = {"status": to}
    if to is RunStatus.COMPLETED or (to in FINAL_RUN and not begun):
        change["finished_at"] = at  # the others have work to settle first
    if to in FINAL_RUN:
        change["next_at"] = None
    if to is RunStatus.RUNNING and not begun:
        change |= {"started_at": at, "next_at": at if row.open_ended and row.next_at is not None else None}
    if to is RunStatus.RUNNING and begun:
        change["guarding"] = to_json(guard_memory.begun_anew(conn, from_json(row.guarding)))
    conn.execute(this(row.tenant_id, row.run_id).values(**change))
    run_changes.add(conn, row.tenant_id, row.run_id, now, by=by, before=row.status, after=to, reason=reason)


def close(conn: Connection, tenant_id: str, run_id: str, now: datetime, *, by: str = "", reason: str = "") -> None:
    """Let nobody else into an open run; it completes when its people have finished. Raises NotFound, NotOpen."""
    row = require(conn, tenant_id, run_id)
    if not row.open_ended or row.status not in UNDER_WAY:
        raise NotOpen(run_id)
    if not row.enrolled:
        conn.execute(this(tenant_id, run_id).values(enrolled=True, next_at=None))
        note(conn, tenant_id, run_id, now, reason=reason or "closed", by=by)


def note(conn: Connection, tenant_id: str, run_id: str, now: datetime, *, reason: str, by: str = "") -> None:
    """Keep a line about a run that changes nothing of its status. Raises NotFound."""
    row = require(conn, tenant_id, run_id)
    run_changes.add(conn, tenant_id, run_id, now, by=by, before=row.status, after=row.status, reason=reason)


def lock_running(conn: Connection, tenant_id: str, run_id: str) -> bool:
    """Hold a run in its status until the end of this transaction. False if it is not running."""
    return conn.execute(_running(conn), {"of_tenant": tenant_id, "of_run": run_id}).first() is not None


@kept
def _running(_: Connection) -> Select[str]:
    query = select(runs.c.run_id).where(
        runs.c.tenant_id == bindparam("of_tenant", type_=Text),
        runs.c.run_id == bindparam("of_run", type_=Text),
        runs.c.status == fixed(RunStatus.RUNNING),
    )
    return query.with_for_update(read=True, key_share=True)


def finish_if_done(conn: Connection, tenant_id: str, run_id: str, now: datetime) -> bool:
    """Complete a running run that has its audience and nothing left to do or to learn. True if it is complete now."""
    if has_open_work(conn, tenant_id, run_id):
        return False  # whoever only looks does not lock it: claims would wait behind that
    row = lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.RUNNING or not row.enrolled or has_open_work(conn, tenant_id, run_id):
        return False
    write_status(conn, row, RunStatus.COMPLETED, now, by="", reason="")
    alerts.of_change(conn, row, RunStatus.COMPLETED, now)
    return True


def close_if_settled(conn: Connection, tenant_id: str, run_id: str, now: datetime) -> bool:
    """Note the end of a cancelled or failed run once nothing of it is open. True if it has ended."""
    row = lock(conn, tenant_id, run_id)
    if row is None or RunStatus(row.status) not in FINAL_RUN or has_open_work(conn, tenant_id, run_id):
        return False
    conn.execute(this(tenant_id, run_id).where(runs.c.finished_at.is_(None)).values(finished_at=millis(now)))
    return True


def has_open_work(conn: Connection, tenant_id: str, run_id: str) -> bool:
    """Whether an enrollment is not final or a message not settled: a late receipt may still queue it again."""
    return bool(conn.execute(_anything_open(conn), {"of_tenant": tenant_id, "of_run": run_id}).scalar_one())


@kept
def _anything_open(_: Connection) -> Select[bool]:
    tenant_id, run_id = bindparam("of_tenant", type_=Text), bindparam("of_run", type_=Text)
    waiting = exists().where(
        enrollments.c.tenant_id == tenant_id, enrollments.c.run_id == run_id, enrollments.c.finished_at.is_(None)
    )
    of_run = (messages.c.tenant_id == tenant_id) & (messages.c.run_id == run_id)
    return select(waiting | exists().where(of_run, is_queued()) | exists().where(of_run, is_under_way()))


def is_queued() -> ColumnElement[bool]:
    """That a message waits to be claimed, in the words of the index."""
    # With the channels, else SQLite takes another index, of all messages.
    return and_(messages.c.status == fixed(MessageStatus.QUEUED), messages.c.channel.in_(fixed_list(ChannelKind)))


def is_under_way() -> ColumnElement[bool]:
    """That a message has been claimed and is not settled, in the words of the index.

    What is queued has an index of its own: in one with these, PostgreSQL would look for it among them.
    """
    return messages.c.status.not_in(fixed_list((MessageStatus.QUEUED, MessageStatus.SETTLED)))


def in_flight(conn: Connection, tenant_id: str, run_id: str) -> int:
    """How many attempts are committed as dispatching: what a pause could no longer stop."""
    query = select(func.count()).where(
        attempts.c.tenant_id == tenant_id,
        attempts.c.run_id == run_id,
        attempts.c.status == fixed(AttemptStatus.DISPATCHING),
        attempts.c.status.in_(fixed_list(UNRESOLVED)),  # the words of the index
    )
    return conn.execute(query).scalar_one()


def lock(conn: Connection, tenant_id: str, run_id: str, *, to_enroll: bool = False) -> Row[Any] | None:
    """The row of a run, which nobody else changes or claims work of until the end of this transaction.

    `to_enroll`: only people are added; work of it is claimed meanwhile.
    """
    query = select(runs).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)
    return conn.execute(query.with_for_update(key_share=to_enroll)).first()


def require(conn: Connection, tenant_id: str, run_id: str) -> Row[Any]:
    """The row of a run, locked. Raises NotFound."""
    row = lock(conn, tenant_id, run_id)
    if row is None:
        raise NotFound("run", run_id)
    return row


def this(tenant_id: str, run_id: str) -> Update:
    """A change of a run."""
    return update(runs).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)


def _run(row: Row[Any]) -> Run:
    return Run(
        tenant_id=row.tenant_id,
        run_id=row.run_id,
        campaign_id=row.campaign_id,
        status=RunStatus(row.status),
        campaign=from_json(row.campaign),
        workflows=from_json(row.workflows),
        dispositions=tuple(from_json(row.dispositions)),
        options=from_json(row.options),
        contact_list_id=row.contact_list_id,
        enrolled=row.enrolled,
        selection=from_json(row.selection),
        guarding=from_json(row.guarding),
        canary=Canary(row.canary),
        open_ended=row.open_ended,
        urgent=row.urgent,
        series=row.series,
        occurrence=moment_or_none(row.occurrence),
        next_at=moment_or_none(row.next_at),
        created_at=moment(row.created_at),
        started_at=moment_or_none(row.started_at),
        finished_at=moment_or_none(row.finished_at),
        archived_at=moment_or_none(row.archived_at),
        archive=from_json(row.archive)["place"]["folder"] if row.archived_at is not None else "",
    )
