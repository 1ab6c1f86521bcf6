"""Takes the rate for messages that are claimed, in the transaction that claims them: no more leave than it allows.

1. Whoever has taken from a bucket holds it until the commit, and others of the same sender wait. So it is taken last
   where there is room for all: they wait for a commit, not for a claim.
2. Where there is not, it is taken first, and what it does not allow is left as it is.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row

from worker.store import rates
from worker.store.rows import Rate
from worker.store.steps import Owed

Queued = Row[Any] | Owed
"""A row of a message, or one that is to be written."""
Written = TypeVar("Written")
Buckets = Mapping[str, Sequence[Queued]]
"""The messages that take from each."""


def paced(
    conn: Connection,
    tenant_id: str,
    account: str,
    go: Sequence[Queued],
    *,
    rate: Rate | None,
    write: Callable[[Sequence[Queued]], Written],
) -> tuple[Written, int, datetime | None]:
    """`write` those that may go now. Returns what it returns, how many they were, and when the next may go."""
    if rate is None or not go:
        return write(go), len(go), None
    buckets = by_bucket(account, go, rate)
    if all(rates.has_room(conn, tenant_id, bucket, rate, len(rows)) for bucket, rows in buckets.items()):
        with conn.begin_nested() as savepoint:
            written = write(go)
            if within_rate(conn, tenant_id, buckets, rate)[1] is None:
                return written, len(go), None
            savepoint.rollback()  # somebody else was faster
    granted, retry_at = within_rate(conn, tenant_id, buckets, rate)
    return write(granted), len(granted), retry_at


def by_bucket(account: str, go: Sequence[Queued], rate: Rate) -> Buckets:
    """Whose rate each message is under: its sender's, or the account's."""
    buckets = defaultdict(list)
    for row in go:
        buckets[account + ("" if rate.per_account else f"/{rate.sender or row.sender}")].append(row)
    return buckets


def within_rate(conn: Connection, tenant_id: str, buckets: Buckets, rate: Rate) -> tuple[list[Queued], datetime | None]:
    """Those that may go now, taken from the rate, and when the next may. Buckets are locked in order of their names."""
    granted: list[Queued] = []
    retry_at = None
    for bucket, rows in sorted(buckets.items()):
        allowed, next_at = rates.take(conn, tenant_id, bucket, rate, len(rows))
        granted += rows[:allowed]
        retry_at = min(filter(None, (retry_at, next_at)), default=None)
    return granted, retry_at
