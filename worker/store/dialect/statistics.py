"""Statistics of tables that have none yet, or those of another time.

PostgreSQL without them takes any tenant for one row in two hundred: the members of a list are then read once for each
of them. With those of another time it does so for whoever came since: their ids are beyond all it has seen. Autovacuum
gathers them within a minute or two; a launch follows its import in a second. SQLite plans without.
"""

from typing import Final

from sqlalchemy import Connection, Engine, text

from worker.store.columns import metadata
from worker.store.dialect.kind import is_postgres

_LARGE_BYTES: Final = 256 * 1024
"""Below this size a plan makes no difference worth the look."""
_LACKING: Final = text(
    "SELECT relname FROM pg_class WHERE relname = ANY(:names) AND relnamespace = current_schema()::regnamespace"
    " AND pg_relation_size(oid) > :large AND pg_has_role(relowner, 'USAGE')"
    " AND (reltuples < 0 OR pg_relation_size(oid) > 2 * current_setting('block_size')::bigint * relpages"
    " OR relname = ANY(:exact) AND pg_stat_get_mod_since_analyze(oid) > :many)"
)
_OF_PEOPLE: Final = ("contact_list_members", "contacts")
_MANY: Final = 1000
"""Rows that were written since; fewer are read in a moment whatever the plan."""


def plans_by_statistics(engine: Engine) -> bool:
    """Whether its plans are any worse without statistics."""
    return is_postgres(engine)


def count_changes(conn: Connection) -> None:
    """Have the server count, at the end of this transaction, what this session has written; else it takes a second."""
    if (conn.dialect.server_version_info or ()) >= _COUNTS_WHEN_ASKED:
        conn.exec_driver_sql("SELECT pg_stat_force_next_flush()")


_COUNTS_WHEN_ASKED: Final = (15,)


def gather_statistics(conn: Connection, *, of_people: bool = False) -> tuple[str, ...]:
    """Have them gathered for each large table of ours that was never looked at, or has doubled since.

    `of_people`: of people and lists also where only some have come. Returns the names of those tables.
    """
    exact = [*_OF_PEOPLE] if of_people else []
    given = {"names": sorted(metadata.tables), "large": _LARGE_BYTES, "exact": exact, "many": _MANY}
    lacking = tuple(conn.execute(_LACKING, given).scalars())
    for name in lacking:
        conn.exec_driver_sql(f"ANALYZE {conn.dialect.identifier_preparer.quote(name)}")
    return lacking
