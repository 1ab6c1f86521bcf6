"""What is remembered of events that take people out, for whoever is brought in after them.

1. Events come in any order, through several doors and processes. Whoever is brought in by what had been over before we
   heard of it is passed over; it is asked where their contact is locked, or the run, so that of two transactions one
   knows of the other.
2. A trace names its person by the contact's id. Somebody whom nobody knew is named by digests of what the event said.
3. Of the event it holds what conditions of `cancelOn` ask for, and nothing else. It is kept as long as keys are.
4. An event that others hold counts from its acceptance: it is found by what it says.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    literal,
    or_,
    select,
    union_all,
)

from worker.domain.queue_event import QueueEvent
from worker.engine.render import Facts
from worker.engine.triggers import Listening
from worker.store import dialect, event_people
from worker.store.codec import from_json, millis, moment, to_json
from worker.store.contacts import contact_of
from worker.store.dialect import fixed
from worker.store.document_tables import contacts
from worker.store.event_people import CONTACT_ID, KINDS, Identity, Person, identities
from worker.store.event_rows import EventStatus
from worker.store.kept import kept
from worker.store.queue_tables import event_traces, events

_COLUMNS: Final = ("tenant_id", "kind", "named", "occurred_at", "event")
_ASKED: Final[dialect.Columns] = {
    **dict.fromkeys(("tenant_id", "contact_id", "kind", "value", "named"), Text()),
    "since": BigInteger(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An event that takes people out, as conditions see it. `at`: when it occurred, in milliseconds."""

    at: int
    event: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """Somebody who may be brought in. `since`: when what brings them in occurred, in milliseconds."""

    person: Person
    since: int


def told(event: QueueEvent) -> dict[str, Any]:
    """An event as conditions and templates see it."""
    occurred_at = event.occurred_at.isoformat(timespec="milliseconds")
    return {"type": event.type, "key": event.key, "data": event.data, "occurredAt": occurred_at}


def trace_of(event: QueueEvent, hearing: Iterable[Listening]) -> Trace:
    """What those who hear it will ask of an event later."""
    asked = {name: value for hears in hearing for name, value in hears.asks(event.type, event.data).items()}
    return Trace(at=millis(event.occurred_at), event={**told(event), "data": asked})


def add(conn: Connection, tenant_id: str, left: Sequence[tuple[Sequence[Identity], Trace]]) -> None:
    """Remember these, each of the person of these names."""
    rows = [
        (tenant_id, kind, _named(kind, value), trace.at, to_json(trace.event))
        for names, trace in left
        for kind, value in names
    ]
    if rows:
        given = dialect.table_records(conn, event_traces, _COLUMNS, rows)
        conn.execute(event_traces.insert().from_select(_COLUMNS, select(given)))


def of_people(
    conn: Connection, tenant_id: str, entering: Collection[Entering], types: Collection[str], ours: Collection[str]
) -> dict[str, list[Trace]]:
    """What events of these types say of them since then, applied or accepted; by contact.

    `ours`: the keys of the events that are being applied here.
    """
    found: dict[str, list[Trace]] = defaultdict(list)
    if not entering:
        return found
    rows = [
        (tenant_id, one.person.row.contact_id, kind, value, _named(kind, value), one.since)
        for one in entering
        for kind, value in identities(one.person.row)
    ]
    asked = {"people": to_json(rows), "of_tenant": tenant_id, "types": sorted(types)}
    waiting = []
    for row in conn.execute(_said_of(conn), {**asked, "since_then": min(one.since for one in entering)}).all():
        if row.contact_id:
            found[row.contact_id].append(Trace(at=row.occurred_at, event=from_json(row.said)))
        elif row.event_key not in ours:
            waiting += _read(row)
    meant = event_people.find(conn, tenant_id, [event.contact for event in waiting])
    for event, person in zip(waiting, meant, strict=True):
        if isinstance(person, Person):
            found[person.row.contact_id].append(Trace(at=millis(event.occurred_at), event=told(event)))
    return found


def _read(row: Row[Any]) -> list[QueueEvent]:
    """An event that waits; nothing, if this version cannot read it: that is for whoever applies it to find out."""
    try:
        return [QueueEvent.from_json(row.type, row.event_key, moment(row.occurred_at), from_json(row.said))]
    except (KeyError, TypeError, ValueError):
        return []


@kept
def _said_of(conn: Connection) -> CompoundSelect[Any]:
    people = select(dialect.records_of(conn, _ASKED, bindparam("people", type_=Text))).cte("asked_of")
    return union_all(_applied(people), _accepted(conn, people))


def _applied(people: FromClause) -> Select[Any]:
    row, one = event_traces.c, people.c
    theirs = and_(
        row.tenant_id == one.tenant_id,
        row.kind == one.kind,
        row.named == one.named,
        row.occurred_at >= one.since,
    )
    nothing = literal("", Text)
    said = (row.event.label("said"), row.occurred_at)
    return select(one.contact_id, nothing.label("type"), nothing.label("event_key"), *said).join_from(
        people, event_traces, theirs
    )


def _accepted(conn: Connection, people: FromClause) -> Select[Any]:
    """Those that wait and say one of these names. Whom they mean is still to be found out."""
    row = events.c
    names = [
        dialect.text_at(conn, row.payload, "contact", place).in_(
            select(people.c.value).where(people.c.kind == kind).scalar_subquery()
        )
        for place, kind in enumerate(KINDS)
    ]
    return select(literal("", Text), row.type, row.event_key, row.payload, row.occurred_at).where(
        row.tenant_id == bindparam("of_tenant", type_=Text),
        row.status == fixed(EventStatus.WAITING),
        row.type.in_(bindparam("types", type_=Text, expanding=True)),
        row.occurred_at >= bindparam("since_then", type_=BigInteger),
        or_(*names),
    )


def taken_out(
    conn: Connection,
    tenant_id: str,
    hears: Listening,
    belongs: Sequence[ColumnElement[bool]],
    *,
    window: tuple[str, str],
    since: datetime,
    now: datetime,
) -> dict[str, str]:
    """Whom of these contacts something has happened to since then that takes them out: contact -> type of the event.

    `window`: after which contact id, up to which one. Conditions that ask for `start` are false: there was none.
    """
    row = event_traces.c
    query = select(contacts, row.event).where(
        row.tenant_id == tenant_id,
        row.kind == fixed(CONTACT_ID),
        row.named == contacts.c.contact_id,
        *dialect.narrowed(conn, row.named, window),
        row.occurred_at >= millis(since),
        contacts.c.tenant_id == tenant_id,
        *belongs,
    )
    out: dict[str, str] = {}
    for found in conn.execute(query.order_by(row.occurred_at)).all():
        event = from_json(found.event)
        facts = Facts(roots={"event": event, "contact": contact_of(found).fields}, now=now)
        if found.contact_id not in out and hears.leaves(facts, event["type"]):
            out[found.contact_id] = event["type"]
    return out


def any_old(tenant_id: BindParameter[str], before: BindParameter[int]) -> ColumnElement[bool]:
    """Whether there are traces of what occurred before then."""
    return exists().where(event_traces.c.tenant_id == tenant_id, event_traces.c.occurred_at < before)


def forget(conn: Connection, tenant_id: str, before: datetime, *, limit: int) -> None:
    """Forget up to `limit` traces of what occurred before then."""
    row = event_traces.c
    old = select(row.trace_id).where(row.tenant_id == tenant_id, row.occurred_at < millis(before))
    conn.execute(delete(event_traces).where(row.trace_id.in_(old.order_by(row.occurred_at).limit(limit))))


def _named(kind: str, value: str) -> str:
    return value if kind == CONTACT_ID else sha256(value.encode()).hexdigest()[:32]
