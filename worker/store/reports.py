"""What a run came to and what happened to one contact: read on one snapshot, so that the numbers add up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, Table, func, literal, select

from channels.messages import ChannelKind
from worker.domain.attempt import MessageStatus
from worker.store import archived, dialect
from worker.store import runs as runs_of
from worker.store.codec import moment
from worker.store.dialect import fixed
from worker.store.document_tables import contacts
from worker.store.errors import NotFound
from worker.store.rows import Awaiting, HistoryEntry, RunProgress, RunReport
from worker.store.tables import attempts, enrollments, messages, outcomes, runs

PROGRESS_CAP: Final = 100_000


def run_report(conn: Connection, tenant_id: str, run_id: str) -> RunReport:
    """All counts of a run; of an archived one those it ended with. Raises NotFound."""
    if archive := _archive(conn, tenant_id, run_id):
        return archived.report(archive)
    enrollment, outcome = enrollments.c, outcomes.c

    def counts(of: Table, *by: ColumnElement[str], found_by: FromClause | None = None) -> dict[Any, int]:
        query = select(*by, func.count()).where(of.c.tenant_id == tenant_id, of.c.run_id == run_id).group_by(*by)
        rows: Sequence[Any] = conn.execute(query if found_by is None else query.select_from(found_by)).all()
        return {tuple(row[:-1]): row[-1] for row in rows}

    # Indexes of messages and attempts by their run would have to be written for each of them; their people have one.
    message = dialect.looked_up(conn, messages, messages.c.enrollment_id == enrollment.enrollment_id)
    sent = enrollments.join(message, message.c.enrollment_id == enrollment.enrollment_id)
    attempt = dialect.looked_up(conn, attempts, attempts.c.message_id == message.c.message_id)
    tried = sent.join(attempt, attempt.c.message_id == message.c.message_id)
    of_message = (message.c[name] for name in ("channel", "status", "disposition", "category"))
    people = counts(enrollments, enrollment.status, enrollment.disposition)
    return RunReport(
        audience=_audience(conn, tenant_id, run_id),
        enrollments=_added_up(people, 0),
        dispositions=_added_up(people, 1),
        messages=counts(enrollments, *of_message, found_by=sent),
        attempts=counts(enrollments, attempt.c.channel, attempt.c.status, found_by=tried),
        outcomes=counts(outcomes, outcome.disposition, outcome.category),
    )


def _added_up(counts: Mapping[tuple[str, ...], int], place: int) -> dict[str, int]:
    """By one part of their keys."""
    sums: Counter[str] = Counter()
    for key, count in counts.items():
        sums[key[place]] += count
    return dict(sums)


def progress(conn: Connection, tenant_id: str, run_id: str) -> RunProgress:
    """How far a run is. Raises NotFound."""
    if archive := _archive(conn, tenant_id, run_id):
        return RunProgress(audience=archived.report(archive).audience, open=0, queued=0, in_flight=0)
    enrollment, message = enrollments.c, messages.c
    still_open = select(func.count()).where(
        enrollment.tenant_id == tenant_id, enrollment.run_id == run_id, enrollment.finished_at.is_(None)
    )
    queued = (
        select(literal(1))
        .where(message.tenant_id == tenant_id, message.run_id == run_id)
        .where(message.status == fixed(MessageStatus.QUEUED))
        .limit(PROGRESS_CAP)
        .subquery()
    )
    return RunProgress(
        audience=_audience(conn, tenant_id, run_id),
        open=conn.execute(still_open).scalar_one(),
        queued=conn.execute(select(func.count()).select_from(queued)).scalar_one(),
        in_flight=runs_of.in_flight(conn, tenant_id, run_id),
    )


def awaiting(
    conn: Connection, tenant_id: str, channel: ChannelKind, address: str, *, sender: str = "", limit: int = 10
) -> list[Awaiting]:
    """The enrollments a person may be answering, latest first: under way, and written to on this channel.

    `address` is the person's. `sender` is our own address they wrote to; empty: any.
    """
    person = contacts.c.email if channel is ChannelKind.EMAIL else contacts.c.phone
    written = select(messages.c.message_id).where(
        messages.c.enrollment_id == enrollments.c.enrollment_id, messages.c.channel == channel
    )
    if sender:
        written = written.where(messages.c.sender == sender)
    query = (
        select(enrollments.c.enrollment_id, enrollments.c.run_id)
        .join_from(
            contacts,
            runs,
            (runs.c.tenant_id == contacts.c.tenant_id) & runs.c.finished_at.is_(None),
        )
        .join(
            enrollments,
            (enrollments.c.run_id == runs.c.run_id) & (enrollments.c.contact_id == contacts.c.contact_id),
        )
        .where(
            contacts.c.tenant_id == tenant_id,
            person == address,
            person != "",
            enrollments.c.finished_at.is_(None),
            written.exists(),
        )
        .order_by(runs.c.created_at.desc(), enrollments.c.enrollment_id.desc())
        .limit(limit)
    )
    return [Awaiting(enrollment_id=e, run_id=r) for e, r in conn.execute(query).all()]


def history(conn: Connection, tenant_id: str, run_id: str, contact_id: str) -> list[HistoryEntry]:
    """What happened to one person in one run, oldest first; the last line says where it stands. Raises NotFound."""
    row = enrollments.c
    query = select(row.enrollment_id, row.status, row.reason, row.disposition, row.due_at, row.finished_at).where(
        row.tenant_id == tenant_id, row.run_id == run_id, row.contact_id == contact_id
    )
    found = conn.execute(query).first()
    if found is None:
        raise NotFound("contact of this run", contact_id)
    entries = sorted(_events(conn, tenant_id, found.enrollment_id), key=lambda entry: entry.at)
    ends = found.finished_at if found.finished_at is not None else found.due_at
    last = HistoryEntry(
        kind="enrollment",
        at=moment(ends) if ends is not None else entries[-1].at if entries else moment(0),
        what=found.status,
        detail=found.reason or found.disposition or ("due" if ends is not None else "waits for news"),
    )
    return [*entries, last]


def _events(conn: Connection, tenant_id: str, enrollment_id: str) -> Sequence[HistoryEntry]:
    message, attempt, outcome = messages.c, attempts.c, outcomes.c
    sent = (
        select(message.message_id, message.created_at, message.channel, message.status, message.disposition)
        .where(message.tenant_id == tenant_id, message.enrollment_id == enrollment_id)
        .order_by(message.created_at)
    )
    tried = (
        select(attempt.message_id, attempt.attempt_id, attempt.dispatched_at, attempt.status, attempt.reason)
        .join_from(messages, attempts, message.message_id == attempt.message_id)
        .where(message.tenant_id == tenant_id, message.enrollment_id == enrollment_id)
    )
    filed = select(outcome.message_id, outcome.attempt_id, outcome.at, outcome.disposition, outcome.detail).where(
        outcome.tenant_id == tenant_id, outcome.enrollment_id == enrollment_id
    )
    return [
        *(
            HistoryEntry(kind="message", at=moment(at), what=f"{channel} {status}", detail=d, message_id=m)
            for m, at, channel, status, d in conn.execute(sent).all()
        ),
        *(
            HistoryEntry(kind="attempt", at=moment(at), what=status, detail=reason, message_id=m, attempt_id=a)
            for m, a, at, status, reason in conn.execute(tried).all()
        ),
        *(
            HistoryEntry(kind="outcome", at=moment(at), what=d, detail=detail, message_id=m or "", attempt_id=a or "")
            for m, a, at, d, detail in conn.execute(filed).all()
        ),
    ]


def _archive(conn: Connection, tenant_id: str, run_id: str) -> str:
    """What is kept of a run whose rows are in files; "": they are here."""
    query = select(runs.c.archive).where(
        runs.c.tenant_id == tenant_id, runs.c.run_id == run_id, runs.c.archived_at.is_not(None)
    )
    return conn.execute(query).scalar() or ""


def _audience(conn: Connection, tenant_id: str, run_id: str) -> int:
    """How many have been enrolled. Into an open run they come one by one: to count them in its row would lock it."""
    query = select(runs.c.audience, runs.c.open_ended).where(runs.c.tenant_id == tenant_id, runs.c.run_id == run_id)
    found = conn.execute(query).first()
    if found is None:
        raise NotFound("run", run_id)
    if not found.open_ended:
        return int(found.audience)
    return conn.execute(select(func.count()).where(enrollments.c.run_id == run_id)).scalar_one()
