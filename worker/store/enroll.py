"""Enrolls the audience of a run in chunks: one statement each, however many people.

1. Enrolling may stop anywhere: the cursor is committed together with the chunk it stands for.
2. A chunk is a window of so many candidates (members of the lists, or contacts) in the order of their ids; who of them
   belongs is judged in the database. So a segment that hardly anybody matches costs no more than one that all do.
3. The canary goes first: those whose hash is below its share. The rest follows from the beginning once it has passed.
4. Whom an event has taken out since the run began is enrolled and ended at once. Whoever applies such an event holds
   the run, so of it and a chunk one comes after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Text,
    Update,
    case,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from worker.domain.audience import Selection
from worker.domain.dispositions import SYSTEM
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.run import Canary, RunStatus
from worker.engine.triggers import Listening
from worker.store import audiences, canaries, dialect, event_traces, runs
from worker.store.codec import from_json, millis, millis_or_none, moment, to_json
from worker.store.document_tables import contacts
from worker.store.signals import BULK
from worker.store.tables import enrollments
from worker.store.tables import runs as runs_table

DueOf = Callable[[str], datetime | None]
"""When whoever is in this time zone ("": unknown) is due; None: the moment is past, and too long ago."""

_CANCELLED: Final = SYSTEM["CAMPAIGN_CANCELLED"]
_MISSED: Final = SYSTEM["SCHEDULE_MISSED"]
_MISSED_REASON: Final = "its moment had passed in the person's time zone by more than the grace"
_COLUMNS: Final = (
    *("enrollment_id", "tenant_id", "run_id", "contact_id", "status", "priority", "due_at", "created_at"),
    *("disposition", "reason", "finished_at"),
)


class Enrolled(NamedTuple):
    """What a chunk came to. `more`: there is more to enroll now."""

    people: int
    more: bool


def enroll_chunk(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    size: int,
    now: datetime,
    *,
    selection: Selection | None = None,
    due_of: DueOf | None = None,
    hears: Listening | None = None,
) -> Enrolled:
    """Enroll whoever belongs of the next `size` candidates. At the end the run is `enrolled`.

    Without a `selection` it is the run's list. `due_of` None: everybody is due now. `hears`: what takes people out.
    Does nothing for a run that is not running, has its audience, is open, or waits for its canary.
    """
    row = runs.lock(conn, tenant_id, run_id, to_enroll=True)
    if row is None or row.status != RunStatus.RUNNING or row.enrolled or row.open_ended:
        return Enrolled(0, more=False)
    if row.canary == Canary.WATCHED:
        return Enrolled(0, more=False)
    chosen = selection or Selection(as_of=moment(row.started_at or row.created_at), lists=(row.contact_list_id,))
    last, candidates = audiences.bound(conn, tenant_id, chosen, row.enroll_cursor, size)
    window = (row.enroll_cursor, last)
    belongs = [
        *audiences.within(contacts.c.contact_id, window),
        *audiences.conditions(conn, tenant_id, chosen, window),
        *_of_phase(conn, row),
    ]
    cut = _cut(conn, row, belongs, candidates)
    if cut is not None:
        belongs.append(contacts.c.contact_id <= cut)
    left: dict[str, str] = {}
    if hears is not None and hears.cancel_on:
        left = event_traces.taken_out(conn, tenant_id, hears, belongs, window=window, since=chosen.as_of, now=now)
    people = _insert(conn, row, belongs, now, due_of=due_of, left=left) if candidates else 0
    over = candidates < size
    full = cut is not None
    again = over and not full and _without_canary(row, people)
    _note(conn, row, people, cursor="" if again else last or row.enroll_cursor, over=over and not again, full=full)
    return Enrolled(people, more=again or not (over or full))


def _without_canary(row: Row[Any], people: int) -> bool:
    """Whether of a small audience nobody has fallen into the share: a canary of nobody would show nothing."""
    return row.canary == Canary.ENROLLING and not (row.audience + people) and _share(row) < 1


def pass_canary(conn: Connection, tenant_id: str, run_id: str) -> bool:
    """Let the rest of the audience be enrolled. False unless the canary is what it waits for."""
    row = runs.lock(conn, tenant_id, run_id)
    if row is None or row.canary != Canary.WATCHED:
        return False
    canaries.let_follow(conn, row)
    return True


def _of_phase(conn: Connection, row: Row[Any]) -> list[ColumnElement[bool]]:
    """Whether a person is of the canary, or of the rest."""
    if row.canary == Canary.NONE:
        return []
    share = _share(row)
    place = dialect.place_of(conn, contacts.c.contact_id)
    return [place < share if row.canary == Canary.ENROLLING else place >= share]


def _cut(conn: Connection, row: Row[Any], belongs: list[ColumnElement[bool]], candidates: int) -> str | None:
    """The last person that still goes under the run's limit; None where the limit is not reached in this chunk."""
    limit = int(from_json(row.options).get("limit", 0))
    room = limit - row.audience
    if not limit or room > candidates:
        return None
    if room <= 0:
        return str(row.enroll_cursor)
    query = select(contacts.c.contact_id).where(contacts.c.tenant_id == row.tenant_id, *belongs)
    return conn.execute(query.order_by(contacts.c.contact_id).offset(room - 1).limit(1)).scalar()


def _insert(
    conn: Connection,
    row: Row[Any],
    belongs: list[ColumnElement[bool]],
    now: datetime,
    *,
    due_of: DueOf | None,
    left: Mapping[str, str],
) -> int:
    """Enroll everybody for whom these conditions hold. Ids count up under one drawn for the chunk.

    `left`: who is out of it again by an event, and of which type.
    """
    belonging = (contacts.c.tenant_id == row.tenant_id, *belongs)
    at = literal(millis(now), BigInteger)
    due: ColumnElement[Any] = at
    people = select(contacts.c.contact_id).where(*belonging)
    if due_of is not None:
        moments = _moments(conn, belonging, due_of)
        due = moments.c.due_at
        elsewhere = millis_or_none(due_of(""))  # a zone that came in between the two statements
        due = case((moments.c.timezone.is_(None), elsewhere), else_=due).label("due_at")
        people = people.add_columns(due).outerjoin(moments, moments.c.timezone == contacts.c.timezone)
    if left:
        reasons = [(contact_id, f"taken out by the event {event_type}") for contact_id, event_type in left.items()]
        out = dialect.records(conn, {"contact_id": Text(), "taken_out": Text()}, reasons).alias("left")
        people = people.add_columns(out.c.taken_out).outerjoin(out, out.c.contact_id == contacts.c.contact_id)
    chunk = people.subquery("chunk")
    due = at if due_of is None else chunk.c.due_at
    number = func.row_number().over(order_by=chunk.c.contact_id)
    ends: list[tuple[ColumnElement[bool], str, Any]] = [(due.is_(None), _MISSED.code, _MISSED_REASON)]
    if left:
        ends.insert(0, (chunk.c.taken_out.is_not(None), _CANCELLED.code, chunk.c.taken_out))
    ended = or_(*(holds for holds, _, _ in ends))
    rows = select(
        literal(f"{dialect.new_id(conn)}-", Text) + dialect.padded(conn, number),
        *(literal(row.tenant_id, Text), literal(row.run_id, Text), chunk.c.contact_id),
        case((ended, EnrollmentStatus.CANCELLED.value), else_=EnrollmentStatus.READY.value),
        *(literal(BULK), case((ended, null()), else_=due), at),
        case(*((holds, code) for holds, code, _ in ends), else_=""),
        case(*((holds, why) for holds, _, why in ends), else_=""),
        case((ended, at), else_=null()),
    )
    insert = enrollments.insert().from_select(_COLUMNS, rows)
    return conn.execute(insert, execution_options={"preserve_rowcount": True}).rowcount


def _moments(conn: Connection, belonging: Sequence[ColumnElement[bool]], due_of: DueOf) -> FromClause:
    """When each time zone of a chunk is due, as a table."""
    zones = conn.execute(select(contacts.c.timezone).where(*belonging).distinct()).scalars().all()
    rows = [(zone, millis_or_none(due_of(zone))) for zone in zones]
    return dialect.records(conn, {"timezone": Text(), "due_at": BigInteger()}, rows).alias("moments")


def _note(conn: Connection, row: Row[Any], people: int, *, cursor: str, over: bool, full: bool) -> None:
    """Where the next chunk begins, or that there is none."""
    written: dict[str, Any] = {"audience": runs_table.c.audience + people, "enroll_cursor": cursor}
    if not (over or full or cursor):
        written["guarding"] = to_json({**from_json(row.guarding), "canary": {"share": min(1.0, 2 * _share(row))}})
    elif row.canary == Canary.ENROLLING and over and not full:
        written["canary"] = Canary.WATCHED
    elif over or full:
        written["enrolled"] = True
    conn.execute(_this(row).values(**written))


def _share(row: Row[Any]) -> float:
    """How large the canary is, of 1."""
    return float(from_json(row.guarding)["canary"]["share"])


def _this(row: Row[Any]) -> Update:
    return update(runs_table).where(runs_table.c.tenant_id == row.tenant_id, runs_table.c.run_id == row.run_id)
