"""Addresses never to be contacted again. Nothing is woken: the gate stops what is queued when it is claimed.

1. The first reason stands; suppressing again changes nothing.
2. Addresses are kept in the one spelling of the domain: E.164, or lower case.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, Text, delete, select, true

from channels.messages import ChannelKind
from worker.store import dialect
from worker.store.codec import millis
from worker.store.document_tables import suppressions
from worker.store.rows import Suppression

EVERY_CHANNEL = "*"
_COLUMNS = ("tenant_id", "channel", "address", "reason", "at")


def add(conn: Connection, tenant_id: str, entries: Sequence[Suppression], now: datetime) -> int:
    """Suppress these addresses. Returns how many were not suppressed before."""
    rows = [
        (tenant_id, entry.channel or EVERY_CHANNEL, normal(entry.address), entry.reason, millis(entry.at or now))
        for entry in entries
        if entry.address
    ]
    if not rows:
        return 0
    given = dialect.table_records(conn, suppressions, _COLUMNS, rows)
    insert = dialect.upsert(conn, suppressions).from_select(_COLUMNS, select(given).where(true()))
    return len(conn.execute(insert.on_conflict_do_nothing().returning(suppressions.c.address)).all())


def remove(conn: Connection, tenant_id: str, channel: ChannelKind | None, address: str) -> bool:
    """Take one suppression back: the person asked to be contacted again. False if there was none."""
    gone = delete(suppressions).where(
        suppressions.c.tenant_id == tenant_id,
        suppressions.c.channel == (channel or EVERY_CHANNEL),
        suppressions.c.address == normal(address),
    )
    return conn.execute(gone).rowcount > 0


def reasons(conn: Connection, tenant_id: str, channel: ChannelKind, addresses: Collection[str]) -> dict[str, str]:
    """Which of these addresses are suppressed on this channel or on all, and why. Keys are as `normal` writes them."""
    wanted = dialect.records(conn, {"address": Text()}, [(normal(address),) for address in addresses])
    query = select(suppressions.c.address, suppressions.c.reason).where(
        suppressions.c.tenant_id == tenant_id,
        suppressions.c.address.in_(select(wanted.c.address)),
        suppressions.c.channel.in_([channel, EVERY_CHANNEL]),
    )
    return {row.address: row.reason for row in conn.execute(query).all()}


def normal(address: str) -> str:
    """The spelling in which addresses are compared."""
    return address.strip().lower()
