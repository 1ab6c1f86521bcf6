"""Queue events, kept the moment they are accepted and applied once later.

1. The unique key makes the second copy of an event nothing, for as long as keys are remembered.
2. A claim is a lease, held from the beginning by whoever accepted the event: when they die, another one takes it.
   Applying it marks it in the same transaction (`event_effects`), so it has its effect once.
3. What came to nothing is dead: kept as it came, with the reason, until somebody replays it. Of what was applied only
   the key stays: what it said of a person is where it was used; of what takes people out there is a trace.
4. An event that ends whoever applies it is soon claimed by itself, takes no other with it, and ends dead.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    update,
)

from worker.domain.queue_event import DIGEST, MALFORMED
from worker.store import dialect, event_traces
from worker.store.codec import from_json, millis, moment, to_json
from worker.store.dialect import fixed
from worker.store.event_people import KINDS
from worker.store.event_rows import EventEntry, EventFacts, EventRow, EventStatus
from worker.store.kept import clock, clock_ms, kept
from worker.store.queue_tables import events

MOST_TRIES: Final = 8
"""After so many claims an event that cannot be applied is dead."""
_SUSPECT: Final = 3
"""An event that was claimed so often and is not done with may end whoever applies it: it is claimed by itself."""
_CUT_SHORT: Final = f"whoever applied it was cut short, {MOST_TRIES} times; see the logs, and events replay KEY"
_LONGEST_WAIT_MS: Final = 5 * 60 * 1000
_COLUMNS: Final = (
    *("tenant_id", "event_key", "type", "status", "payload", "note"),
    *("occurred_at", "received_at", "due_at", "tries"),
)


def accept(
    conn: Connection, tenant_id: str, entries: Sequence[EventEntry], now: datetime, *, lease: timedelta
) -> list[EventRow]:
    """Keep these. Returns those that are new and to be applied, as a claim of ours; a key that is known is nothing."""
    by_key: dict[str, EventEntry] = {}
    for entry in entries:
        by_key.setdefault(entry.key, entry)
    if not by_key:
        return []
    rows = [_new(tenant_id, entry, millis(now)) for entry in by_key.values()]
    given = dialect.table_records(conn, events, _COLUMNS, rows)
    until = dialect.now_ms(conn) + round(lease.total_seconds() * 1000)
    columns = [until.label("due_at") if name == "due_at" else given.c[name] for name in _COLUMNS]
    insert = dialect.upsert(conn, events).from_select(_COLUMNS, select(*columns).where(true()))
    added = insert.on_conflict_do_nothing().returning(events.c.event_id, events.c.event_key)
    return [
        _accepted(event_id, by_key[key])
        for event_id, key in sorted(tuple(row) for row in conn.execute(added).all())
        if not by_key[key].note
    ]


def _new(tenant_id: str, entry: EventEntry, at: int) -> tuple[Any, ...]:
    status = EventStatus.DEAD if entry.note else EventStatus.WAITING
    payload = to_json(entry.payload)
    return (tenant_id, entry.key, entry.type, status, payload, entry.note, millis(entry.occurred_at), at, None, 1)


def _accepted(event_id: int, entry: EventEntry) -> EventRow:
    return EventRow(
        event_id=event_id,
        key=entry.key,
        type=entry.type,
        occurred_at=entry.occurred_at,
        payload=entry.payload,
        tries=1,
    )


def known_keys(conn: Connection, tenant_id: str, keys: Sequence[str]) -> set[str]:
    """Those of these keys that are remembered."""
    given = dialect.table_records(conn, events, ("event_key",), [(key,) for key in keys])
    query = select(events.c.event_key).where(
        events.c.tenant_id == tenant_id, events.c.event_key.in_(select(given.c.event_key))
    )
    return set(conn.execute(query).scalars())


def is_waiting(conn: Connection, tenant_id: str) -> bool:
    """Whether there is anything to claim: a look that waits for nobody."""
    return bool(conn.execute(_anything_due(conn), {"of_tenant": tenant_id} | clock(conn)).scalar_one())


@kept
def _anything_due(conn: Connection) -> Select[bool]:
    return select(exists().where(_is_due(bindparam("of_tenant", type_=Text), clock_ms(conn))))


def claim(conn: Connection, tenant_id: str, *, limit: int, lease: timedelta) -> list[EventRow]:
    """Lease the tenant's next events that are due, the oldest first.

    Those that others were cut short over come last and one at a time, and end dead after MOST_TRIES.
    """
    tries = events.c.tries
    if rows := _lease(conn, tenant_id, tries < _SUSPECT, limit=limit, lease=lease):
        return rows
    given_up = _picked(conn, tenant_id, tries >= MOST_TRIES, limit=limit)
    dead = update(events).where(events.c.event_id == given_up.c.event_id)
    conn.execute(dead.values(status=EventStatus.DEAD, note=_CUT_SHORT, due_at=None))
    return _lease(conn, tenant_id, tries >= _SUSPECT, limit=1, lease=lease)


def _picked(conn: Connection, tenant_id: str, which: ColumnElement[bool], *, limit: int) -> CTE:
    """The ids of the next events that are due and that nobody else is at."""
    return (
        select(events.c.event_id)
        .where(_is_due(tenant_id, dialect.now_ms(conn)), which)
        .order_by(events.c.due_at, events.c.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("picked")
        .prefix_with("MATERIALIZED")
    )


def _lease(
    conn: Connection, tenant_id: str, which: ColumnElement[bool], *, limit: int, lease: timedelta
) -> list[EventRow]:
    row, picked = events.c, _picked(conn, tenant_id, which, limit=limit)
    statement = (
        update(events)
        .where(row.event_id == picked.c.event_id)
        .values(due_at=dialect.now_ms(conn) + round(lease.total_seconds() * 1000), tries=row.tries + 1)
        .returning(row.event_id, row.event_key, row.type, row.occurred_at, row.payload, row.tries)
    )
    claimed = [
        EventRow(
            event_id=found.event_id,
            key=found.event_key,
            type=found.type,
            occurred_at=moment(found.occurred_at),
            payload=from_json(found.payload),
            tries=found.tries,
        )
        for found in conn.execute(statement).all()
    ]
    return sorted(claimed, key=lambda event: event.event_id)


def is_work(tenant_id: BindParameter[str], now: ColumnElement[int], before: BindParameter[int]) -> ColumnElement[bool]:
    """Whether there is anything to claim, or to forget because it is from before then."""
    row = events.c
    forgettable = and_(row.tenant_id == tenant_id, row.received_at < before, row.status != fixed(EventStatus.WAITING))
    return or_(
        exists().where(_is_due(tenant_id, now)),
        exists().where(forgettable),
        event_traces.any_old(tenant_id, before),
    )


def _is_due(tenant_id: str | BindParameter[str], now: ColumnElement[int]) -> ColumnElement[bool]:
    row = events.c
    return and_(row.tenant_id == tenant_id, row.status == fixed(EventStatus.WAITING), row.due_at <= now)


def lock(conn: Connection, rows: Sequence[EventRow]) -> list[EventRow]:
    """Those of these that nobody else has applied; they are ours until the end of this transaction."""
    given = dialect.records(conn, {"event_id": BigInteger()}, [(row.event_id,) for row in rows])
    query = (
        select(events.c.event_id)
        .where(events.c.event_id.in_(select(given.c.event_id)), events.c.status == fixed(EventStatus.WAITING))
        .with_for_update(skip_locked=True)
    )
    free = set(conn.execute(query).scalars())
    return [row for row in rows if row.event_id in free]


def finish(conn: Connection, notes: Mapping[int, tuple[EventStatus, str]]) -> None:
    """Mark locked events as applied or dead, each with a note. Of the applied ones the payload is forgotten."""
    if not notes:
        return
    columns: dialect.Columns = {"event_id": BigInteger(), "status": Text(), "note": Text()}
    given = dialect.records(conn, columns, [(event_id, *note) for event_id, note in sorted(notes.items())])
    applied = given.c.status == EventStatus.APPLIED
    conn.execute(
        update(events)
        .where(events.c.event_id == given.c.event_id)
        .values(
            status=given.c.status,
            note=given.c.note,
            due_at=None,
            payload=case((applied, "{}"), else_=events.c.payload),
        )
    )


def defer(conn: Connection, event_id: int, note: str) -> None:
    """Look again at an event that could not be applied, after 2, 4, 8 … seconds; after MOST_TRIES it is dead."""
    row = events.c
    waits = {tries: 1000 * 2**tries for tries in range(1, MOST_TRIES)}
    ends = row.tries >= MOST_TRIES
    conn.execute(
        update(events)
        .where(row.event_id == event_id, row.status == fixed(EventStatus.WAITING))
        .values(
            due_at=dialect.now_ms(conn) + case(waits, value=row.tries, else_=_LONGEST_WAIT_MS),
            status=case((ends, EventStatus.DEAD), else_=row.status),
            note=note,
        )
    )


def of_tenant(conn: Connection, tenant_id: str, *, dead: bool, limit: int) -> list[EventFacts]:
    """What is known of the newest events, or of those that are dead; without what they said."""
    query = select(events).where(events.c.tenant_id == tenant_id)
    if dead:
        query = query.where(events.c.status == fixed(EventStatus.DEAD))
    return [_facts(row) for row in conn.execute(query.order_by(events.c.event_id.desc()).limit(limit)).all()]


def get(conn: Connection, tenant_id: str, key: str) -> EventFacts | None:
    """All of one event, by its key, or by the one its sender gave it where it could not be read: the newest of them."""
    ours = select(events).where(events.c.tenant_id == tenant_id)
    row = conn.execute(ours.where(events.c.event_key == key)).first()
    if row is None:
        unread = and_(events.c.status == fixed(EventStatus.DEAD), events.c.event_key.startswith(MALFORMED))
        sent = func.substr(events.c.event_key, len(MALFORMED) + DIGEST + 2) == key
        row = conn.execute(ours.where(unread, sent).order_by(events.c.event_id.desc()).limit(1)).first()
    return _facts(row, from_json(row.payload)) if row else None


def _facts(row: Row[Any], payload: Mapping[str, Any] | None = None) -> EventFacts:
    return EventFacts(
        key=row.event_key,
        type=row.type,
        status=EventStatus(row.status),
        note=row.note,
        occurred_at=moment(row.occurred_at),
        received_at=moment(row.received_at),
        tries=row.tries,
        payload=payload or {},
    )


def replay(conn: Connection, tenant_id: str, key: str = "") -> int:
    """Let a dead event, or all of them, be applied anew. Returns how many. What could not be read stays dead."""
    row = events.c
    again = update(events).where(
        row.tenant_id == tenant_id, row.status == fixed(EventStatus.DEAD), ~row.event_key.startswith(MALFORMED)
    )
    if key:
        again = again.where(row.event_key == key)
    due = dialect.now_ms(conn)
    return conn.execute(again.values(status=EventStatus.WAITING, due_at=due, tries=0, note="")).rowcount


def count_unread(conn: Connection, tenant_id: str) -> int:
    """How many could not be read, which nothing but its sender can mend."""
    row = events.c
    unread = and_(row.status == fixed(EventStatus.DEAD), row.event_key.startswith(MALFORMED))
    return conn.execute(select(func.count()).where(row.tenant_id == tenant_id, unread)).scalar_one()


def purge(conn: Connection, tenant_id: str, before: datetime, *, limit: int) -> int:
    """Forget up to `limit` events that were received before then and wait for nothing. Returns how many.

    With them go as many traces as that many events may leave.
    """
    event_traces.forget(conn, tenant_id, before, limit=len(KINDS) * limit)
    row = events.c
    old = (
        select(row.event_id)
        .where(row.tenant_id == tenant_id, row.received_at < millis(before), row.status != EventStatus.WAITING)
        .order_by(row.received_at)
        .limit(limit)
    )
    return conn.execute(delete(events).where(row.event_id.in_(old))).rowcount
