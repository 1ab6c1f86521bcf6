"""Launches of campaigns and their life.

1. A run is locked FOR SHARE by whoever claims work of it and FOR UPDATE by whoever changes it. So when a pause returns,
   every claim made before is visible, and none can follow.
2. Every change of status is a row of `run_changes`, written in its commit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace as replaced
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, Update, bindparam, exists, func, select, update

from worker.domain.attempt import AttemptStatus, MessageStatus
from worker.domain.run import FINAL_RUN, UNDER_WAY, Canary, Run, RunStatus, Who, who_may
from worker.store import alerts, dialect, documents, guard_memory, run_changes
from worker.store.codec import from_json, millis, millis_or_none, moment, moment_or_none, to_json
from worker.store.dialect import fixed, fixed_list
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import AlreadyListening, AlreadyRunning, IllegalTransition, NotFound, NotOpen, NotYours
from worker.store.kept import kept
from worker.store.tables import UNRESOLVED, attempts, enrollments, messages, runs


def create(
    conn: Connection,
    run: Run,
    *,
    saving: Sequence[Document] = (),
    by: str = "",
    reason: str = "",
    again: bool = False,
    replace: bool = False,
) -> None:
    """Record a launch and save the documents that come with it, in the name of `by`. Nobody is enrolled yet.

    Raises NameTaken, NotFound for a campaign deleted meanwhile, and AlreadyRunning unless `again`: of two equal
    launches at once one is refused. `replace`: this run listens from now on, the one that did is closed.
    """
    if run.status in UNDER_WAY or run.status is RunStatus.SCHEDULED:
        _refuse_a_second(conn, run, again=again, replace=replace, by=by)
    if saving:
        documents.put(conn, run.tenant_id, saving, run.created_at, by=by)
    documents.require_not_deleted(conn, run.tenant_id, DocumentType.CAMPAIGN, run.campaign_id)
    insert_run(conn, run, by=by, reason=reason)


def insert_run(conn: Connection, run: Run, *, by: str, reason: str = "") -> bool:
    """Write a new run. False if its series has this occurrence already."""
    insert = dialect.upsert(conn, runs).values(
        run_id=run.run_id,
        tenant_id=run.tenant_id,
        campaign_id=run.campaign_id,
        status=run.status,
        **snapshot_columns(run),
        contact_list_id=run.contact_list_id,
        enrolled=run.enrolled,
        selection=to_json(run.selection),
        guarding=to_json(run.guarding),
        canary=run.canary,
        open_ended=run.open_ended,
        urgent=run.urgent,
        series=run.series,
        occurrence=millis_or_none(run.occurrence),
        next_at=millis_or_none(run.next_at),
        created_at=millis(run.created_at),
        started_at=millis_or_none(run.started_at),
        finished_at=millis_or_none(run.finished_at),
    )
    if run.series:
        insert = insert.on_conflict_do_nothing()
    if conn.execute(insert.returning(runs.c.run_id)).first() is None:
        return False
    run_changes.add(conn, run.tenant_id, run.run_id, run.created_at, by=by, after=run.status, reason=reason)
    return True


def snapshot_columns(run: Run) -> dict[str, str]:
    return {
        "campaign": to_json(run.campaign),
        "workflows": to_json(run.workflows),
        "dispositions": to_json(run.dispositions),
        "options": to_json(run.options),
    }


def _refuse_a_second(conn: Connection, run: Run, *, again: bool, replace: bool, by: str) -> None:
    dialect.serialize(conn, f"launch:{run.tenant_id}:{run.campaign_id}")
    rivals = (RunStatus.SCHEDULED,) if run.status is RunStatus.SCHEDULED else UNDER_WAY
    for other in find(conn, run.tenant_id, run.campaign_id, rivals):
        if other.open_ended and run.open_ended and not other.enrolled:
            if not replace:
                raise AlreadyListening(other.run_id, other.status)
            close(conn, run.tenant_id, other.run_id, run.created_at, by=by, reason=f"{run.run_id} took its place")
        elif not again and not (run.open_ended or other.open_ended) and _same_audience(run, other):
            raise AlreadyRunning(other.run_id, other.status)


def _same_audience(run: Run, other: Run) -> bool:
    return audience_key(run.selection, run.contact_list_id) == audience_key(other.selection, other.contact_list_id)


def audience_key(selection: Mapping[str, Any], contact_list_id: str = "") -> tuple[Any, ...]:
    """What makes two launches the same mistake: the same lists and the same segment."""
    lists = selection.get("lists") or ([] if selection else [contact_list_id])
    return (sorted(selection.get("people", [])), sorted(lists), selection.get("segment", ""))


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
) -> Run:
    """Move a run to another status; to the one it has already changes nothing.

    When this has been committed after a pause or a cancel, nothing more is claimed; `in_flight` tells what was before.
    Raises NotFound, IllegalTransition, NotYours.
    """
    row = _require(conn, tenant_id, run_id)
    status = RunStatus(row.status)
    if status is to:
        return _run(row)
    allowed = who_may(status, to)
    if not allowed:
        raise IllegalTransition(run_id, status, to)
    if who not in allowed:
        raise NotYours(run_id, to, allowed)
    if status is RunStatus.DRAFT and to is RunStatus.RUNNING:
        _refuse_a_second(conn, replaced(_run(row), status=to), again=False, replace=False, by=by)
    write_status(conn, row, to, now, by=by, reason=reason)
    if who is Who.SYSTEM:
        alerts.of_change(conn, row, to, now, reason=reason)
    return get(conn, tenant_id, run_id)


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
    conn.execute(_this(row.tenant_id, row.run_id).values(**change))
    run_changes.add(conn, row.tenant_id, row.run_id, now, by=by, before=row.status, after=to, reason=reason)
    if to is RunStatus.RUNNING:
        guard_memory.forget(conn, row.tenant_id, [row.run_id])


def close(conn: Connection, tenant_id: str, run_id: str, now: datetime, *, by: str = "", reason: str = "") -> None:
    """Let nobody else into an open run; it completes when its people have finished. Raises NotFound, NotOpen."""
    row = _require(conn, tenant_id, run_id)
    if not row.open_ended or row.status not in UNDER_WAY:
        raise NotOpen(run_id)
    if not row.enrolled:
        conn.execute(_this(tenant_id, run_id).values(enrolled=True, next_at=None))
        note(conn, tenant_id, run_id, now, reason=reason or "closed", by=by)


def note(conn: Connection, tenant_id: str, run_id: str, now: datetime, *, reason: str, by: str = "") -> None:
    """Keep a line about a run that changes nothing of its status. Raises NotFound."""
    row = _require(conn, tenant_id, run_id)
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
    return query.with_for_update(read=True)


def finish_if_done(conn: Connection, tenant_id: str, run_id: str, now: datetime) -> bool:
    """Complete a running run that has its audience and nothing left to do or to learn. True if it is complete now."""
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
    conn.execute(_this(tenant_id, run_id).where(runs.c.finished_at.is_(None)).values(finished_at=millis(now)))
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
    unsettled = exists().where(
        messages.c.tenant_id == tenant_id,
        messages.c.run_id == run_id,
        messages.c.status != fixed(MessageStatus.SETTLED),
    )
    return select(waiting | unsettled)


def in_flight(conn: Connection, tenant_id: str, run_id: str) -> int:
    """How many attempts are committed as dispatching: what a pause could no longer stop."""
    query = select(func.count()).where(
        attempts.c.tenant_id == tenant_id,
        attempts.c.run_id == run_id,
        attempts.c.status == fixed(AttemptStatus.DISPATCHING),
        attempts.c.status.in_(fixed_list(UNRESOLVED)),  # the words of the index
    )
    return conn.execute(query).scalar_one()


def lock(conn: Connection, tenant_id: str, run_id: str) -> Row[Any] | None:
    """The row of a run, which nobody else changes or claims work of until the end of this transaction."""
    query = select(runs).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)
    return conn.execute(query.with_for_update()).first()


def _require(conn: Connection, tenant_id: str, run_id: str) -> Row[Any]:
    row = lock(conn, tenant_id, run_id)
    if row is None:
        raise NotFound("run", run_id)
    return row


def _this(tenant_id: str, run_id: str) -> Update:
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
    )
