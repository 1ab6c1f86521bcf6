"""People by a date of their own: read in windows, enrolled for their moment.

1. Somebody is enrolled once for each date: a second look finds the entry taken, in whichever run of the campaign. Who
   was taken out because the date had moved is enrolled again when it moves back.
2. Where a look stands is committed, so that it goes on after a budget or a crash; begun anew it does no harm either.
3. Who was enrolled for a date that has moved before its moment came is taken out again in the commit that sees it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Update, and_, exists, or_, select, update

from worker.domain.audience import Selection
from worker.domain.dispositions import SYSTEM
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.run import Run, RunStatus
from worker.store import audiences, dialect, run_changes, runs
from worker.store.codec import from_json, millis, moment
from worker.store.dialect import fixed
from worker.store.document_tables import contacts
from worker.store.segments import paths_of
from worker.store.signals import BULK
from worker.store.tables import enrollments
from worker.store.tables import runs as table

_MOVED: Final = SYSTEM["CAMPAIGN_CANCELLED"]
_COLUMNS: Final = (
    *("enrollment_id", "tenant_id", "run_id", "contact_id", "entry", "status", "priority", "due_at", "created_at"),
)


class Dated(NamedTuple):
    """Somebody with what stands in their field, None for nothing."""

    contact_id: str
    timezone: str
    value: Any


class Window(NamedTuple):
    """Some of the people of a run. `last` is the cursor after them; `over`: there are no more.

    `waiting`: the entries of theirs whose moment is still to come.
    """

    people: list[Dated]
    last: str
    over: bool
    waiting: set[tuple[str, str]]


class Entry(NamedTuple):
    """Somebody to enroll, for which date and when."""

    contact_id: str
    entry: str
    due_at: datetime


class Look(NamedTuple):
    """An open run whose dates are to be looked at: since when, and after which contact it goes on."""

    since: datetime
    cursor: str


def looking(conn: Connection, tenant_id: str, run_id: str) -> Look | None:
    """Where the look of an open run stands; None if it has none to do."""
    row = runs.lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.RUNNING or row.enrolled or not row.open_ended or row.next_at is None:
        return None
    return Look(moment(row.next_at), row.enroll_cursor)


def window(
    conn: Connection, run: Run, selection: Selection, field: str, now: datetime, *, after: str, size: int
) -> Window:
    """Who belongs of the next `size` candidates for a run, with the value of a field."""
    tenant_id = run.tenant_id
    last, candidates = audiences.bound(conn, tenant_id, selection, after, size)
    if not candidates:
        return Window([], after, over=True, waiting=set())
    row = contacts.c
    query = select(row.contact_id, row.timezone, row.fields).where(
        row.tenant_id == tenant_id,
        row.contact_id > after,
        row.contact_id <= last,
        *audiences.conditions(conn, tenant_id, selection),
    )
    paths = paths_of(field)
    people = [Dated(r.contact_id, r.timezone, _at(from_json(r.fields), paths)) for r in conn.execute(query).all()]
    return Window(people, last, over=candidates < size, waiting=_waiting(conn, run, now, after=after, last=last))


def enroll(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    entries: Sequence[Entry],
    now: datetime,
    *,
    moved: Collection[tuple[str, str]] = (),
    look: Look,
    cursor: str,
) -> int | None:
    """Enroll these for their dates and move the cursor on. Returns how many are new; None if the look is not ours.

    `moved`: the entries, by contact, that are no longer true.
    """
    row = runs.lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.RUNNING or row.enrolled:
        return None
    if row.next_at != millis(look.since) or row.enroll_cursor != look.cursor:
        return None
    if moved:
        _take_out(conn, row, moved, now)
    new = _insert(conn, row, entries, now) if entries else 0
    conn.execute(_this(row).values(enroll_cursor=cursor, audience=table.c.audience + new))
    return new


def finish_look(
    conn: Connection, tenant_id: str, run_id: str, since: datetime, now: datetime, *, next_at: datetime, note: str
) -> bool:
    """End the look that was due at `since`. `note`, where there is one, is kept with the run. False: it is not due."""
    row = runs.lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.RUNNING or row.enrolled or row.next_at != millis(since):
        return False
    conn.execute(_this(row).values(enroll_cursor="", next_at=millis(next_at)))
    if note:
        run_changes.add(conn, tenant_id, run_id, now, by="", before=row.status, after=row.status, reason=note)
    return True


def _waiting(conn: Connection, run: Run, now: datetime, *, after: str, last: str) -> set[tuple[str, str]]:
    row = enrollments.c
    query = select(row.contact_id, row.entry).where(
        row.run_id == run.run_id,
        row.finished_at.is_(None),
        row.due_at > millis(now),
        row.status == fixed(EnrollmentStatus.READY),
        row.contact_id > after,
        row.contact_id <= last,
    )
    return {(found.contact_id, found.entry) for found in conn.execute(query).all()}


def _take_out(conn: Connection, run: Row[Any], moved: Collection[tuple[str, str]], now: datetime) -> None:
    """End these enrollments, unless they have begun."""
    row, at = enrollments.c, millis(now)
    given = dialect.table_records(conn, enrollments, ("contact_id", "entry"), sorted(moved))
    theirs = exists().where(given.c.contact_id == row.contact_id, given.c.entry == row.entry)
    conn.execute(
        update(enrollments)
        .where(row.run_id == run.run_id, row.status == fixed(EnrollmentStatus.READY), row.due_at > at, theirs)
        .values(
            status=EnrollmentStatus.CANCELLED,
            disposition=_MOVED.code,
            reason="the date it was for has moved, or the person has left the audience",
            due_at=None,
            finished_at=at,
        )
    )


def _insert(conn: Connection, run: Row[Any], entries: Sequence[Entry], now: datetime) -> int:
    own = (run.tenant_id, run.run_id)
    ready, at = EnrollmentStatus.READY.value, millis(now)
    rows = [
        (dialect.new_id(conn), *own, one.contact_id, one.entry, ready, BULK, millis(one.due_at), at) for one in entries
    ]
    given = dialect.table_records(conn, enrollments, _COLUMNS, rows)
    new = select(given).where(~_elsewhere(conn, run, given))
    insert = dialect.upsert(conn, enrollments).from_select(_COLUMNS, new)
    row = enrollments.c
    revived = insert.on_conflict_do_update(
        index_elements=["run_id", "contact_id", "entry"],
        set_={"status": ready, "due_at": insert.excluded.due_at, "disposition": "", "reason": "", "finished_at": None},
        where=and_(row.status == EnrollmentStatus.CANCELLED, row.state == "", row.disposition == _MOVED.code),
    )
    return len(conn.execute(revived.returning(row.enrollment_id)).all())


def _elsewhere(conn: Connection, run: Row[Any], given: FromClause) -> ColumnElement[bool]:
    """Whether another run of the campaign has enrolled them for the same date: once is once."""
    others = select(table.c.run_id).where(
        table.c.tenant_id == run.tenant_id,
        table.c.campaign_id == run.campaign_id,
        table.c.open_ended,
        table.c.run_id != run.run_id,
    )
    row = enrollments.alias("elsewhere").c
    begun_or_waiting = or_(row.state != "", row.finished_at.is_(None))
    return exists().where(
        row.run_id.in_(conn.execute(others).scalars().all()),
        row.contact_id == given.c.contact_id,
        row.entry == given.c.entry,
        begun_or_waiting,
    )


def _at(document: Any, paths: Sequence[Sequence[str]]) -> Any:
    """What stands at the first of these paths that leads anywhere."""
    for path in paths:
        value = document
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def _this(row: Row[Any]) -> Update:
    return update(table).where(table.c.tenant_id == row.tenant_id, table.c.run_id == row.run_id)
