"""News from providers, kept the moment it is verified and applied once later.

1. The unique key makes the second copy of a piece of news nothing.
2. A claim is a lease: news whose worker died is claimed again, so applying it must be safe to repeat.
3. News that cannot be applied, such as of an attempt nobody knows, is looked at again, less and less often, and given
   up after a day. Its `note` says why.
4. What a person says is not left for later: it takes effect in the commit that keeps it. So a STOP holds, and an answer
   is with its enrollment before any clock, from the moment the provider hears that we have it. So does what a receipt
   changes, where whoever keeps it could say; if that does not hold any more, the receipt waits like any other.
5. What is done with is forgotten after a while, a few rows at a time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    select,
    true,
    tuple_,
    update,
)

from worker.store import archived, dialect, kept, reports, signals, suppressions
from worker.store.codec import from_json, millis, moment, to_json
from worker.store.inbox_rows import Added, InboxEntry, InboxRow
from worker.store.kept import clock, clock_ms
from worker.store.rows import Suppression
from worker.store.tables import inbox

KEEP_UNMATCHED: Final = timedelta(hours=24)
UNMATCHED: Final = "nobody knows its attempt"
_FIRST_WAIT_MS: Final = 1000
_LONGEST_WAIT_MS: Final = 15 * 60 * 1000
Key = tuple[str, str, str]
"""Tenant, provider, the provider's key for it."""
_COLUMNS: Final[dialect.Columns] = {
    **{name: Text() for name in ("tenant_id", "provider", "event_key", "payload", "raw")},
    **{name: BigInteger() for name in ("received_at", "due_at", "processed_at")},
}


def add(conn: Connection, entries: Sequence[InboxEntry], now: datetime) -> Added:
    """Keep these. What people said takes effect at once, if it is new, and so does what receipts change."""
    if not entries:
        return Added()
    by_key: dict[Key, InboxEntry] = {}
    for entry in entries:
        by_key.setdefault((entry.tenant_id, entry.provider, entry.event_key), entry)
    rows = [_row(key, entry, millis(now)) for key, entry in by_key.items()]
    keys = {tuple(row) for row in conn.execute(_added(conn), kept.rows(rows)).all()}
    new = {key: entry for key, entry in by_key.items() if key in keys}
    runs = {run for entry in new.values() for run in _hear(conn, entry, now)}
    held, told = _settle(conn, new, now)
    waiting = sum(map(_waits, new.values())) + held
    return Added(new=len(new), waiting=waiting, runs=frozenset(runs | told))


@kept.kept
def _added(conn: Connection) -> Any:
    given = dialect.records_of(conn, _COLUMNS, kept.BATCH)
    insert = dialect.upsert(conn, inbox).from_select(list(_COLUMNS), select(given).where(true()))
    return insert.on_conflict_do_nothing().returning(inbox.c.tenant_id, inbox.c.provider, inbox.c.event_key)


def _row(key: Key, entry: InboxEntry, at: int) -> tuple[Any, ...]:
    reading = entry.payload if entry.once_done is None else entry.once_done
    return (*key, to_json(reading), entry.raw, at, 0, None if _waits(entry) else at)  # due at once, or done with


def _waits(entry: InboxEntry) -> bool:
    return entry.heard is None and entry.once_done is None


def _settle(
    conn: Connection, entries: Mapping[Key, InboxEntry], now: datetime
) -> tuple[int, frozenset[tuple[str, str]]]:
    """Apply what receipts change: how many of them wait after all, and the runs of those whose people are told."""
    by_attempt = {one.settlement.facts.attempt_id: key for key, one in entries.items() if one.settlement}
    news = [one.settlement for one in entries.values() if one.settlement]
    settled = archived.settle(conn, news, now)
    missed = (*(one.facts.attempt_id for one in settled.lost), *settled.refused)
    for key in (by_attempt[attempt_id] for attempt_id in missed):
        conn.execute(update(inbox).where(_has(key)).values(processed_at=None, payload=to_json(entries[key].payload)))
    told = {(one.facts.tenant_id, one.facts.run_id) for one in news if one.signals}
    return len(missed), frozenset(told)


def _has(key: Key) -> ColumnElement[bool]:
    return tuple_(inbox.c.tenant_id, inbox.c.provider, inbox.c.event_key) == tuple_(*key)


def _hear(conn: Connection, entry: InboxEntry, now: datetime) -> Sequence[tuple[str, str]]:
    """Suppress or lift, and tell the enrollments the person may be answering; their runs."""
    heard, tenant_id = entry.heard, entry.tenant_id
    if heard is None:
        return ()
    if heard.suppress:
        suppression = Suppression(channel=heard.channel, address=heard.address, reason=heard.suppress)
        suppressions.add(conn, tenant_id, [suppression], now)
    if heard.lift:
        suppressions.remove(conn, tenant_id, heard.channel, heard.address)
    for sender in heard.senders:
        address = suppressions.normal(heard.address)
        if found := reports.awaiting(conn, tenant_id, heard.channel, address, sender=sender):
            signals.post(conn, [(tenant_id, one.enrollment_id, heard.event) for one in found], now)
            return [(tenant_id, one.run_id) for one in found]
    return ()


def is_waiting(conn: Connection, tenant_id: str) -> bool:
    """Whether there is anything to claim: a look that waits for nobody."""
    return bool(conn.execute(_anything_due(conn), {"tenant": tenant_id} | clock(conn)).scalar_one())


@kept.kept
def _anything_due(conn: Connection) -> Select[bool]:
    return select(exists().where(_is_due(bindparam("tenant", type_=Text), clock_ms(conn))))


def claim(conn: Connection, tenant_id: str, *, limit: int, lease: timedelta) -> list[InboxRow]:
    """Lease the tenant's next entries that are due, the oldest first."""
    now = dialect.now_ms(conn)
    picked = (
        select(inbox.c.inbox_id)
        .where(_is_due(tenant_id, now))
        .order_by(inbox.c.due_at, inbox.c.inbox_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("picked")
        .prefix_with("MATERIALIZED")
    )
    statement = (
        update(inbox)
        .where(inbox.c.inbox_id == picked.c.inbox_id)
        .values(due_at=now + round(lease.total_seconds() * 1000), tries=inbox.c.tries + 1)
        .returning(
            *(inbox.c.inbox_id, inbox.c.tenant_id, inbox.c.provider, inbox.c.payload),
            *(inbox.c.received_at, inbox.c.tries),
        )
    )
    rows = [
        InboxRow(
            inbox_id=row.inbox_id,
            tenant_id=row.tenant_id,
            provider=row.provider,
            payload=from_json(row.payload),
            received_at=moment(row.received_at),
            tries=row.tries,
        )
        for row in conn.execute(statement).all()
    ]
    return sorted(rows, key=lambda row: row.inbox_id)


def _is_due(tenant_id: str | BindParameter[str], now: ColumnElement[int]) -> ColumnElement[bool]:
    row = inbox.c
    return and_(row.tenant_id == tenant_id, row.processed_at.is_(None), row.due_at <= now)


def done(conn: Connection, inbox_ids: Sequence[int], now: datetime, note: str = "") -> None:
    """These have been applied. The ids are those of a claim."""
    if inbox_ids:
        _update(conn, inbox_ids, processed_at=millis(now), note=note)


def defer(
    conn: Connection,
    inbox_ids: Sequence[int],
    now: datetime,
    *,
    note: str = UNMATCHED,
    keep: timedelta = KEEP_UNMATCHED,
) -> None:
    """These cannot be applied yet: look again after 1, 2, 4 … seconds up to 15 minutes, and give up after `keep`.

    `note` says why.
    """
    if not inbox_ids:
        return
    waits = {tries: _FIRST_WAIT_MS * 2 ** (tries - 1) for tries in range(1, 11)}
    wait = case(waits, value=inbox.c.tries, else_=_LONGEST_WAIT_MS)
    expired = inbox.c.received_at < millis(now - keep)
    _update(
        conn,
        inbox_ids,
        due_at=dialect.now_ms(conn) + wait,
        processed_at=case((expired, millis(now))),
        note=case((expired, f"given up: {note}"), else_=note),
    )


def _update(conn: Connection, inbox_ids: Sequence[int], **values: object) -> None:
    given = dialect.records(conn, {"inbox_id": BigInteger()}, [(i,) for i in inbox_ids])
    conn.execute(
        update(inbox).where(inbox.c.inbox_id == given.c.inbox_id, inbox.c.processed_at.is_(None)).values(**values)
    )


def purge(conn: Connection, tenant_id: str, before: datetime, *, limit: int) -> int:
    """Forget up to `limit` pieces of news that came in before then and are done with. Returns how many."""
    row = inbox.c
    old = select(row.inbox_id).where(
        row.tenant_id == tenant_id, row.received_at < millis(before), row.processed_at.is_not(None)
    )
    return conn.execute(delete(inbox).where(row.inbox_id.in_(old.limit(limit)))).rowcount
