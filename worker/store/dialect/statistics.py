"""Statistics of tables that have none yet.

PostgreSQL without them takes any tenant for one row in two hundred: the members of a list are then read once for each
of them. Autovacuum gathers them within a minute or two; a launch follows its import in a second. SQLite plans without.
"""

from typing import Final

from sqlalchemy import Connection, Engine, text

from worker.store.columns import metadata
from worker.store.dialect.kind import is_postgres

_LARGE_BYTES: Final = 256 * 1024
"""Below this size a plan makes no difference worth the look."""
_LACKING: Final = text(
    "SELECT relname FROM pg_class WHERE relname = ANY(:names) AND relnamespace = current_schema()::regnamespace"
    " AND reltuples < 0 AND pg_relation_size(oid) > :large AND pg_has_role(relowner, 'USAGE')"
)


def plans_by_statistics(engine: Engine) -> bool:
    """Whether its plans are any worse without statistics."""
    return is_postgres(engine)


def gather_statistics(conn: Connection) -> tuple[str, ...]:
    """Have them gathered for each large table of ours that was never looked at. Returns the names of those tables."""
    given = {"names": sorted(metadata.tables), "large": _LARGE_BYTES}
    lacking = tuple(conn.execute(_LACKING, given).scalars())
    for name in lacking:
        conn.exec_driver_sql(f"ANALYZE {conn.dialect.identifier_preparer.quote(name)}")
    return lacking
