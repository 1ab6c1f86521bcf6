"""Claims enrollments that are due and commits what their step came to.

1. A claim is a lease: it counts the epoch up, and every later write names the epoch. A worker that was thought dead
   writes nothing.
2. One commit holds the new state, the messages it owes, the outcomes it files and the news it has consumed.
3. News that came during the step leaves the enrollment due.
4. A row that is claimed again and again and never committed breaks its worker: it is failed, with the reason.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import (
    BigInteger,
    Connection,
    FromClause,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    delete,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from worker.domain.dispositions import SYSTEM
from worker.domain.effects import Dispatch
from worker.domain.enrollment import FINAL, Enrollment, EnrollmentStatus, Recipient
from worker.domain.events import event_from_json
from worker.store import dialect, outcomes, runs, signals
from worker.store.codec import from_json, millis, millis_or_none, moment, to_json
from worker.store.document_tables import contacts
from worker.store.kept import clock, clock_ms, kept
from worker.store.rows import EnrollmentClaim, StepCommit
from worker.store.signals import BULK, URGENT, priority_of
from worker.store.tables import enrollments, messages
from worker.store.tables import signals as signals_table

log = structlog.get_logger()

_News = Mapping[str, Sequence[tuple[int, str]]]
"""By enrollment: signal id and event, as it lies in the database."""

MAX_CLAIMS: Final = 5
"""Claims without a commit before an enrollment is failed."""
_FAILED: Final = SYSTEM["WORKFLOW_FAILED"]
_POISONED: Final = f"quarantined: {MAX_CLAIMS} workers took it and none could commit its step; see their logs"

STEPPED: Final[dialect.Columns] = {
    "tenant_id": Text(),
    "enrollment_id": Text(),
    "epoch": BigInteger(),
    "wake": Integer(),
    "status": Text(),
    "due_at": BigInteger(),
    "state": Text(),
    "disposition": Text(),
    "reason": Text(),
    "finished_at": BigInteger(),
}
_OWED: Final = (
    *("message_id", "tenant_id", "run_id", "enrollment_id", "contact_id", "state", "action", "visit"),
    *("channel", "status", "priority", "due_at", "address", "sender", "content", "created_at"),
)


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
    _forget_signals(conn, written)
    return len(written)


def write(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> list[StepCommit]:
    """Write what steps came to where it still holds; the news they have consumed is left. Returns what was written."""
    written_ids = _write_state(conn, commits, now)
    written = [c for c in commits if c.claim.enrollment.enrollment_id in written_ids]
    carry_out(conn, written, now)
    return written


def carry_out(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> None:
    """Write what steps owe: messages and outcomes. Their enrollments are as the steps left them."""
    _owe_messages(conn, commits, now)
    outcomes.file_steps(conn, commits, now)


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
        stepped_query(dialect.ids(conn, "enrollment_id", enrollment_ids))
        .where(row.tenant_id == tenant_id)
        .order_by(row.priority, row.due_at, row.enrollment_id)
    )
    return list(readable(tenant_id, conn.execute(query).all(), _news(conn, tenant_id, enrollment_ids), now))


def stepped_query(given: FromClause) -> Select[Any]:
    """What a step is told of these enrollments and their contacts."""
    row, contact = enrollments.c, contacts.c
    columns = (
        *(row.enrollment_id, row.run_id, row.contact_id, row.status, row.state, row.epoch, row.wake, row.due_at),
        *(contact.phone, contact.email, contact.timezone, contact.fields),
    )
    owner = (contact.tenant_id == row.tenant_id) & (contact.contact_id == row.contact_id)
    return select(*columns).join(given, row.enrollment_id == given.c.enrollment_id).outerjoin(contacts, owner)


def readable(tenant_id: str, rows: Sequence[Any], news: _News, now: datetime) -> Iterator[EnrollmentClaim]:
    """The claims this version can read. The others keep their lease, and are failed when that has happened often."""
    for row in rows:
        try:
            yield _claimed(tenant_id, row, news, now)
        except (KeyError, TypeError, ValueError):
            log.exception("enrollment cannot be read", enrollment=row.enrollment_id)


def _news(conn: Connection, tenant_id: str, enrollment_ids: Sequence[str]) -> _News:
    given = dialect.ids(conn, "enrollment_id", enrollment_ids)
    news = signals_table.c
    query = (
        select(news.enrollment_id, news.signal_id, news.event)
        .join(given, news.enrollment_id == given.c.enrollment_id)
        .where(news.tenant_id == tenant_id)
        .order_by(news.signal_id)
    )
    events = defaultdict(list)
    for enrollment_id, signal_id, event in conn.execute(query).all():
        events[enrollment_id].append((signal_id, event))
    return events


def _claimed(tenant_id: str, row: Any, news: _News, now: datetime) -> EnrollmentClaim:
    recipient = Recipient(
        contact_id=row.contact_id,
        phone=row.phone or "",
        email=row.email or "",
        timezone=row.timezone or "",
        fields=from_json(row.fields or "{}"),
    )
    return EnrollmentClaim(
        tenant_id=tenant_id,
        run_id=row.run_id,
        enrollment=Enrollment.from_json(
            row.enrollment_id, EnrollmentStatus(row.status), recipient, from_json(row.state) if row.state else {}
        ),
        epoch=row.epoch,
        wake=row.wake,
        due_at=moment(row.due_at) if row.due_at is not None else now,
        events=tuple((i, event_from_json(from_json(event))) for i, event in news.get(row.enrollment_id, ())),
    )


def _write_state(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> set[str]:
    at = millis(now)
    given = dialect.records(conn, STEPPED, [stepped(c, at) for c in commits])
    row, step = enrollments.c, given.c
    statement = (
        update(enrollments)
        .where(
            row.enrollment_id == step.enrollment_id,
            row.tenant_id == step.tenant_id,
            row.epoch == step.epoch,
            row.finished_at.is_(None),
        )
        .values(
            status=step.status,
            state=step.state,
            disposition=step.disposition,
            reason=step.reason,
            finished_at=step.finished_at,
            due_at=case((step.finished_at.is_not(None), None), (row.wake == step.wake, step.due_at), else_=at),
            priority=case((row.wake == step.wake, BULK), else_=row.priority),
            epoch=row.epoch + 1,
            claims=0,
            lease_until=None,
            lease_owner="",
        )
        .returning(row.enrollment_id)
    )
    return set(conn.execute(statement).scalars().all())


def stepped(commit: StepCommit, at: int) -> tuple[Any, ...]:
    """An enrollment as a step leaves it; the columns of `STEPPED`."""
    claim, enrollment = commit.claim, commit.transition.enrollment
    ended = enrollment.status in FINAL
    return (
        claim.tenant_id,
        enrollment.enrollment_id,
        claim.epoch,
        claim.wake,
        enrollment.status,
        None if ended else millis_or_none(commit.transition.due_at),
        to_json(enrollment.to_json()),
        enrollment.disposition,
        enrollment.reason,
        at if ended else None,
    )


def _owe_messages(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> None:
    at = millis(now)
    owed = ((c, effect) for c in commits for effect in c.transition.effects if isinstance(effect, Dispatch))
    rows = [_owed(dialect.new_id(conn), commit, effect, at) for commit, effect in owed]
    if rows:
        given = dialect.table_records(conn, messages, _OWED, rows)
        insert = dialect.upsert(conn, messages).from_select(_OWED, select(given).where(true()))
        conn.execute(insert.on_conflict_do_nothing())


def _owed(message_id: str, commit: StepCommit, effect: Dispatch, at: int) -> tuple[Any, ...]:
    claim = commit.claim
    return (
        message_id,
        claim.tenant_id,
        claim.run_id,
        claim.enrollment.enrollment_id,
        claim.enrollment.recipient.contact_id,
        *effect.key,
        effect.channel,
        "queued",
        min((priority_of(event) for _, event in claim.events), default=BULK),
        at,
        effect.to,
        effect.sender,
        to_json(effect.content),
        at,
    )


def _forget_signals(conn: Connection, commits: Sequence[StepCommit]) -> None:
    """Those that were consumed, and all of the enrollments that have ended."""
    consumed = [(signal_id,) for commit in commits for signal_id, _ in commit.claim.events]
    if consumed:
        given = dialect.records(conn, {"signal_id": BigInteger()}, consumed)
        conn.execute(delete(signals_table).where(signals_table.c.signal_id.in_(select(given.c.signal_id))))
    signals.forget(conn, [c.claim.enrollment.enrollment_id for c in commits if c.transition.enrollment.status in FINAL])
