"""Speed limits shared by all workers: one GCRA bucket per sender, on the clock of the database.

GCRA keeps one number: when the bucket would be empty again. Each message moves it by one interval; a message may go
as long as that moment is less than a burst away.
"""

import math
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, Select, select, update

from worker.store import dialect
from worker.store.rows import Rate
from worker.store.tables import rates

_SECOND: Final = 1_000_000


def has_room(conn: Connection, tenant_id: str, bucket: str, rate: Rate, wanted: int) -> bool:
    """Whether as many could go now. Nobody is waited for, so it may be different in a moment."""
    found = conn.execute(_bucket(conn, tenant_id, bucket)).first()
    return found is None or _allowed(found[0], found[1], rate, wanted) == wanted


def take(conn: Connection, tenant_id: str, bucket: str, rate: Rate, wanted: int) -> tuple[int, datetime | None]:
    """Take up to `wanted` from the bucket, which stays locked until the end of the transaction.

    Returns how many may go now, and when the next may if those are fewer.
    """
    free_at, now = _locked(conn, tenant_id, bucket)
    start, interval = max(free_at, now), _interval(rate)
    allowed = _allowed(free_at, now, rate, wanted)
    if allowed:
        change = update(rates).where(rates.c.tenant_id == tenant_id, rates.c.bucket == bucket)
        conn.execute(change.values(free_at=start + allowed * interval))
    if allowed == wanted:
        return allowed, None
    next_at = start + (allowed + 1 - _burst(rate)) * interval
    return allowed, datetime.fromtimestamp(next_at / _SECOND, UTC)


def _allowed(free_at: int, now: int, rate: Rate, wanted: int) -> int:
    """How many may go, all times in microseconds."""
    interval = _interval(rate)
    return max(0, min(wanted, (now + _burst(rate) * interval - max(free_at, now)) // interval))


def _interval(rate: Rate) -> int:
    return max(1, round(_SECOND / rate.per_second))


def _burst(rate: Rate) -> int:
    return rate.burst or max(1, math.ceil(rate.per_second))


def _bucket(conn: Connection, tenant_id: str, bucket: str) -> Select[int, int]:
    return select(rates.c.free_at, dialect.now_us(conn)).where(rates.c.tenant_id == tenant_id, rates.c.bucket == bucket)


def _locked(conn: Connection, tenant_id: str, bucket: str) -> tuple[int, int]:
    query = _bucket(conn, tenant_id, bucket)
    found = conn.execute(query.with_for_update()).first()
    if found is None:
        new = dialect.upsert(conn, rates).values(tenant_id=tenant_id, bucket=bucket, free_at=0)
        conn.execute(new.on_conflict_do_nothing())
        found = conn.execute(query.with_for_update()).one()
    return found[0], found[1]
