"""News from providers, kept the moment it is verified and applied once later.

1. The unique key makes the second copy of a piece of news nothing.
2. A claim is a lease: news whose worker died is claimed again, so applying it must be safe to repeat.
3. News that cannot be applied, such as of an attempt nobody knows, is looked at again, less and less often, and given
   up after a day. Its `note` says why.
4. What a person says is not left for later: it takes effect in the commit that keeps it. So a STOP holds, and an answer
   is with its enrollment before any clock, from the moment the provider hears that we have it.
"""

from collections.abc import Sequence
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
    exists,
    select,
    true,
    update,
)

from worker.store import dialect, reports, signals, suppressions
from worker.store.codec import from_json, millis, moment, to_json
from worker.store.kept import clock, clock_ms, kept
from worker.store.rows import Added, InboxEntry, InboxRow, Suppression
from worker.store.tables import inbox

KEEP_UNMATCHED: Final = timedelta(hours=24)
UNMATCHED: Final = "nobody knows its attempt"
_FIRST_WAIT_MS: Final = 1000
_LONGEST_WAIT_MS: Final = 15 * 60 * 1000
_COLUMNS: Final = ("tenant_id", "provider", "event_key", "payload", "raw", "received_at", "due_at", "processed_at")


def add(conn: Connection, entries: Sequence[InboxEntry], now: datetime) -> Added:
    """Keep these. What people said takes effect at once, if it is new."""
    if not entries:
        return Added()
    by_key: dict[tuple[str, str, str], InboxEntry] = {}
    for entry in entries:
        by_key.setdefault((entry.tenant_id, entry.provider, entry.event_key), entry)
    rows = [_row(key, entry, millis(now)) for key, entry in by_key.items()]
    given = dialect.table_records(conn, inbox, _COLUMNS, rows)
    insert = dialect.upsert(conn, inbox).from_select(_COLUMNS, select(given).where(true()))
    added = insert.on_conflict_do_nothing().returning(inbox.c.tenant_id, inbox.c.provider, inbox.c.event_key)
    new = {tuple(row) for row in conn.execute(added).all()}
    runs = [run for key, entry in by_key.items() if key in new for run in _hear(conn, entry, now)]
    return Added(new=len(new), runs=frozenset(runs))


def _row(key: tuple[str, str, str], entry: InboxEntry, at: int) -> tuple[Any, ...]:
    return (*key, to_json(entry.payload), entry.raw, at, 0, at if entry.heard else None)  # due at once, or done with


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


@kept
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
