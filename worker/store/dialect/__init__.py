"""Everything in which SQLite and PostgreSQL differ; the rest of the store is written once.

1. SQLite has one writer: every write transaction is BEGIN IMMEDIATE, so that it waits at its start and never fails
   half-way. WAL with synchronous=FULL, since a forgotten intent is a second text.
2. PostgreSQL has many: READ COMMITTED, row locks, SKIP LOCKED. SQLAlchemy leaves the lock clauses out on SQLite.
3. A batch is one parameter, a JSON text, and `records` makes a table of it on both: arrays cost the client of
   PostgreSQL thirty times as much. Where an index begins with a column that is a constant of the query (the tenant),
   SQLite would rather scan the table than the batch: such a query says IN, or takes the constant from the batch.
4. Leases are read on one clock: the database's on PostgreSQL, the host's on SQLite, which serves one host.
"""

from worker.store.dialect.batches import Columns, Upsert, bulk_insert, ids, records, records_of, table_records, upsert
from worker.store.dialect.engine import (
    READ_ONLY,
    commit_unhurried,
    make_engine,
    new_id,
    new_ids,
    now_ms,
    now_us,
    reading,
    serialize,
    turn,
)
from worker.store.dialect.expressions import (
    absent,
    bytewise,
    fixed,
    fixed_list,
    kind_at,
    least,
    looked_up,
    narrowed,
    padded,
    place_of,
    text_at,
    values_at,
)
from worker.store.dialect.failures import connection_lost, is_conflict, limited, may_retry, was_rolled_back
from worker.store.dialect.statistics import count_changes, gather_statistics, plans_by_statistics

__all__ = [
    "READ_ONLY",
    "Columns",
    "Upsert",
    "absent",
    "bulk_insert",
    "bytewise",
    "commit_unhurried",
    "connection_lost",
    "count_changes",
    "fixed",
    "fixed_list",
    "gather_statistics",
    "ids",
    "is_conflict",
    "kind_at",
    "least",
    "limited",
    "looked_up",
    "make_engine",
    "may_retry",
    "narrowed",
    "new_id",
    "new_ids",
    "now_ms",
    "now_us",
    "padded",
    "place_of",
    "plans_by_statistics",
    "reading",
    "records",
    "records_of",
    "serialize",
    "table_records",
    "text_at",
    "turn",
    "upsert",
    "values_at",
    "was_rolled_back",
]
