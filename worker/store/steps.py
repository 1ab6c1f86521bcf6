"""What a step is told of an enrollment, and what it leaves behind: its state, the messages it owes, its outcomes.

1. A state is written only where the epoch is the one the step began with, and the epoch is counted up.
2. News that came during the step leaves the enrollment due.
3. An enrollment this version cannot read is left alone; the others go on.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

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
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from worker.domain.attempt import MessageStatus
from worker.domain.effects import Dispatch
from worker.domain.enrollment import FINAL, Enrollment, EnrollmentStatus, Recipient
from worker.domain.events import Event, event_from_json
from worker.store import dialect, kept, outcomes, signals
from worker.store.codec import from_json, millis, millis_or_none, moment, to_json
from worker.store.document_tables import contacts
from worker.store.rows import EnrollmentClaim, StepCommit
from worker.store.signals import BULK, priority_of
from worker.store.tables import enrollments, messages
from worker.store.tables import signals as signals_table

log = structlog.get_logger()

News = Mapping[str, Sequence[tuple[int, Event | str]]]
"""By enrollment: signal id and event, or its text as it lies in the database."""


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


class Owed(NamedTuple):
    """A message that a step owes and nobody has written yet; a claim reads it as it reads a row."""

    message_id: str
    tenant_id: str
    run_id: str
    enrollment_id: str
    contact_id: str
    state: str
    action: str
    visit: int
    channel: str
    priority: int
    due_at: int | None
    address: str
    sender: str
    content: str
    created_at: int
    status: str = MessageStatus.QUEUED
    attempts: int = 0
    counted: int = 0
    disposition: str = ""
    counted_elsewhere: int = 0
    blocked: bool = False
    opted_out: bool = False


_WRITTEN: Final = tuple(name for name in Owed._fields if name in messages.c)


OF_ENROLLMENT: Final = ("enrollment_id", "run_id", "contact_id", "status", "state", "epoch", "wake", "due_at")
OF_CONTACT: Final = ("phone", "email", "timezone", "fields")
"""What a step is told: the first columns of the rows that `readable` takes, in this order."""


def stepped_query(given: FromClause) -> Select[Any]:
    """What a step is told of these enrollments and their contacts."""
    row, contact = enrollments.c, contacts.c
    columns = (*(row[name] for name in OF_ENROLLMENT), *(contact[name] for name in OF_CONTACT))
    owner = (contact.tenant_id == row.tenant_id) & (contact.contact_id == row.contact_id)
    return select(*columns).join(given, row.enrollment_id == given.c.enrollment_id).outerjoin(contacts, owner)


def readable(tenant_id: str, rows: Sequence[Any], news: News, now: datetime) -> Iterator[EnrollmentClaim]:
    """The claims this version can read. The others keep their lease, and are failed when that has happened often."""
    for row in rows:
        try:
            yield _claimed(tenant_id, row, news, now)
        except (KeyError, TypeError, ValueError):
            log.exception("enrollment cannot be read", enrollment=row.enrollment_id)


def news_of(conn: Connection, tenant_id: str, enrollment_ids: Sequence[str]) -> News:
    """What these enrollments have not been told yet, in order."""
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


def _claimed(tenant_id: str, row: Any, news: News, now: datetime) -> EnrollmentClaim:
    enrollment_id, run_id, contact_id, status, state, epoch, wake, due_at, phone, email, zone, fields, *_ = row
    recipient = Recipient(
        contact_id=contact_id,
        phone=phone or "",
        email=email or "",
        timezone=zone or "",
        fields=from_json(fields or "{}"),
    )
    return EnrollmentClaim(
        tenant_id=tenant_id,
        run_id=run_id,
        enrollment=Enrollment.from_json(
            enrollment_id, EnrollmentStatus(status), recipient, from_json(state) if state else {}
        ),
        epoch=epoch,
        wake=wake,
        due_at=moment(due_at) if due_at is not None else now,
        events=tuple((i, _event(event)) for i, event in news.get(enrollment_id, ())),
    )


def _event(event: Event | str) -> Event:
    return event_from_json(from_json(event)) if isinstance(event, str) else event


def write_state(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> list[StepCommit]:
    """Write the states of enrollments whose claim still holds. Returns the steps that were written."""
    if not commits:
        return []
    at = millis(now)
    given = kept.rows([stepped(commit, at) for commit in commits]) | {"now_ms": at}
    written = set(conn.execute(_as_stepped(conn), given).scalars().all())
    return [c for c in commits if c.claim.enrollment.enrollment_id in written]


@kept.kept
def _as_stepped(conn: Connection) -> ReturningUpdate[str]:
    row, step = enrollments.c, dialect.records_of(conn, STEPPED, kept.BATCH).c
    at = bindparam("now_ms", type_=BigInteger)
    return (
        update(enrollments)
        .where(
            row.enrollment_id == step.enrollment_id,
            row.tenant_id == step.tenant_id,
            row.epoch == step.epoch,
            dialect.absent(row.finished_at),
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


def owed_by(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> list[Owed]:
    """The messages these steps owe, due at once."""
    at = millis(now)
    owed = [(c, effect) for c in commits for effect in c.transition.effects if isinstance(effect, Dispatch)]
    ids = dialect.new_ids(conn, len(owed))
    return [_owed(message_id, *one, at) for message_id, one in zip(ids, owed, strict=True)]


def _owed(message_id: str, commit: StepCommit, effect: Dispatch, at: int) -> Owed:
    claim = commit.claim
    return Owed(
        message_id,
        claim.tenant_id,
        claim.run_id,
        claim.enrollment.enrollment_id,
        claim.enrollment.recipient.contact_id,
        *effect.key,
        effect.channel,
        min((priority_of(event) for _, event in claim.events), default=BULK),
        at,
        effect.to,
        effect.sender,
        to_json(effect.content),
        at,
    )


def owe(conn: Connection, owed: Sequence[Owed]) -> None:
    """Write these messages, but for those that have been owed before."""
    if owed:
        conn.execute(_insert_unless_owed(conn), _rows(owed))


def owe_new(conn: Connection, owed: Sequence[Owed]) -> None:
    """Write messages none of which has been owed before; one that has is an error, and nothing is written."""
    if owed:
        conn.execute(_insert(conn), _rows(owed))


def _rows(owed: Sequence[Owed]) -> dict[str, str]:
    return kept.rows([one[: len(_WRITTEN)] for one in owed])


@kept.kept
def _insert_unless_owed(conn: Connection) -> dialect.Upsert:
    return _insert(conn).on_conflict_do_nothing()


@kept.kept
def _insert(conn: Connection) -> dialect.Upsert:
    given = dialect.records_of(conn, {name: messages.c[name].type for name in _WRITTEN}, kept.BATCH)
    return dialect.upsert(conn, messages).from_select(_WRITTEN, select(given).where(true()))


def carry_out(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> None:
    """Write what steps owe: messages and outcomes. Their enrollments are as the steps left them."""
    owe(conn, owed_by(conn, commits, now))
    outcomes.file_steps(conn, commits, now)


def forget_news(conn: Connection, commits: Sequence[StepCommit]) -> None:
    """Those that were consumed, and all of the enrollments that have ended."""
    consumed = [(signal_id,) for commit in commits for signal_id, _ in commit.claim.events]
    if consumed:
        given = dialect.records(conn, {"signal_id": BigInteger()}, consumed)
        conn.execute(delete(signals_table).where(signals_table.c.signal_id.in_(select(given.c.signal_id))))
    signals.forget(conn, [c.claim.enrollment.enrollment_id for c in commits if c.transition.enrollment.status in FINAL])
