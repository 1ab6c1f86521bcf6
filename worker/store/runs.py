"""Launches of campaigns: their life, and the enrolling of their audience in chunks.

1. A run is locked FOR SHARE by whoever claims work of it and FOR UPDATE by whoever changes it. So when a pause returns,
   every claim made before is visible, and none can follow.
2. Enrolling may stop anywhere: the cursor is committed together with the chunk it stands for.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Text, bindparam, exists, func, select, update

from worker.domain.attempt import AttemptStatus, MessageStatus
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.run import FINAL_RUN, TRANSITIONS, Run, RunStatus
from worker.store import dialect, documents
from worker.store.codec import from_json, millis, millis_or_none, moment, moment_or_none, to_json
from worker.store.dialect import fixed, fixed_list
from worker.store.document_rows import Document, DocumentType
from worker.store.document_tables import contact_list_members
from worker.store.errors import AlreadyRunning, IllegalTransition, NotFound
from worker.store.kept import kept
from worker.store.signals import BULK
from worker.store.tables import UNRESOLVED, attempts, enrollments, messages, runs

UNDER_WAY: Final = (RunStatus.RUNNING, RunStatus.PAUSED)
"""What a second launch of the same campaign over the same list would be on top of."""
_ENROLLED: Final = ("enrollment_id", "tenant_id", "run_id", "contact_id", "status", "priority", "due_at", "created_at")


def create(conn: Connection, run: Run, *, saving: Sequence[Document] = (), by: str = "", again: bool = False) -> None:
    """Record a launch and save the documents that come with it, in the name of `by`. Nobody is enrolled yet.

    Raises NameTaken, NotFound for a campaign deleted meanwhile, and AlreadyRunning unless `again`: of two equal
    launches at once one is refused.
    """
    if not again:
        _refuse_a_second(conn, run)
    if saving:
        documents.put(conn, run.tenant_id, saving, run.created_at, by=by)
    documents.require_not_deleted(conn, run.tenant_id, DocumentType.CAMPAIGN, run.campaign_id)
    conn.execute(
        runs.insert().values(
            run_id=run.run_id,
            tenant_id=run.tenant_id,
            campaign_id=run.campaign_id,
            status=run.status,
            campaign=to_json(run.campaign),
            workflows=to_json(run.workflows),
            dispositions=to_json(run.dispositions),
            options=to_json(run.options),
            contact_list_id=run.contact_list_id,
            enrolled=run.enrolled,
            created_at=millis(run.created_at),
            finished_at=millis_or_none(run.finished_at),
        )
    )


def _refuse_a_second(conn: Connection, run: Run) -> None:
    dialect.serialize(conn, f"launch:{run.tenant_id}:{run.campaign_id}:{run.contact_list_id}")
    for other in find(conn, run.tenant_id, run.campaign_id, UNDER_WAY):
        if other.contact_list_id == run.contact_list_id:
            raise AlreadyRunning(other.run_id, other.status)


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


def change_status(conn: Connection, tenant_id: str, run_id: str, to: RunStatus, now: datetime) -> Run:
    """Pause, resume, cancel or fail a run; to the status it has already changes nothing.

    When this has been committed after a pause or a cancel, nothing more is claimed; `in_flight` tells what was before.
    Raises NotFound, IllegalTransition.
    """
    row = _lock(conn, tenant_id, run_id)
    if row is None:
        raise NotFound("run", run_id)
    status = RunStatus(row.status)
    if status is to:
        return _run(row)
    if to not in TRANSITIONS[status]:
        raise IllegalTransition(run_id, status, to)
    finished_at = millis(now) if to is RunStatus.COMPLETED else None  # the others have work to settle first
    change = update(runs).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)
    conn.execute(change.values(status=to, finished_at=finished_at))
    return get(conn, tenant_id, run_id)


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


def enroll_chunk(conn: Connection, tenant_id: str, run_id: str, size: int, now: datetime) -> int:
    """Enroll the next people of the run's list, by contact id. Returns how many; at the end the run is `enrolled`.

    Does nothing for a run that is not running or has its audience.
    """
    row = _lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.RUNNING or row.enrolled:
        return 0
    member = contact_list_members.c
    query = (
        select(member.contact_id)
        .where(
            member.tenant_id == tenant_id,
            member.contact_list_id == row.contact_list_id,
            member.contact_id > row.enroll_cursor,
        )
        .order_by(member.contact_id)
        .limit(size)
    )
    contact_ids = conn.execute(query).scalars().all()
    at = millis(now)
    chunk = [
        (dialect.new_id(conn), tenant_id, run_id, contact_id, EnrollmentStatus.READY.value, BULK, at, at)
        for contact_id in contact_ids
    ]
    dialect.bulk_insert(conn, enrollments, _ENROLLED, chunk)
    conn.execute(
        update(runs)
        .where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)
        .values(
            enrolled=len(contact_ids) < size,
            enroll_cursor=contact_ids[-1] if contact_ids else row.enroll_cursor,
            audience=runs.c.audience + len(contact_ids),
        )
    )
    return len(contact_ids)


def finish_if_done(conn: Connection, tenant_id: str, run_id: str, now: datetime) -> bool:
    """Complete a running run that has its audience and nothing left to do or to learn. True if it is complete now."""
    row = _lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.RUNNING or not row.enrolled or has_open_work(conn, tenant_id, run_id):
        return False
    change_status(conn, tenant_id, run_id, RunStatus.COMPLETED, now)
    return True


def close_if_settled(conn: Connection, tenant_id: str, run_id: str, now: datetime) -> bool:
    """Note the end of a cancelled or failed run once nothing of it is open. True if it has ended."""
    row = _lock(conn, tenant_id, run_id)
    if row is None or RunStatus(row.status) not in FINAL_RUN or has_open_work(conn, tenant_id, run_id):
        return False
    change = update(runs).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id, runs.c.finished_at.is_(None))
    conn.execute(change.values(finished_at=millis(now)))
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


def _lock(conn: Connection, tenant_id: str, run_id: str) -> Row[Any] | None:
    query = select(runs).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)
    return conn.execute(query.with_for_update()).first()


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
        created_at=moment(row.created_at),
        finished_at=moment_or_none(row.finished_at),
    )
