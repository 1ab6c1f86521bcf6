"""Brings a database to the schema of this version, and refuses to work on another.

1. Migrating is one transaction under one lock: processes that start at once take turns, a crash leaves the old schema.
2. Every process asks which revision a database is at, and hardly any has to change it: only that one loads Alembic.
3. The file of a migration begins with its revision.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, column, inspect, select, table

from worker.store import dialect
from worker.store.errors import NotMigrated

MIGRATIONS: Final = Path(__file__).with_name("migrations")

_VERSION: Final = table("alembic_version", column("version_num"))


def migrate(conn: Connection) -> None:
    """Upgrade to the newest revision. The caller commits."""
    dialect.serialize(conn, "schema")
    if _revision(conn) != newest():
        from worker.store.upgrade import upgrade  # noqa: PLC0415 - see 2

        upgrade(conn, MIGRATIONS)


def check(conn: Connection) -> None:
    """Raises NotMigrated unless the database is at exactly the revision this version needs."""
    needed, found = newest(), _revision(conn)
    if found != needed:
        raise NotMigrated(found, needed)


def newest() -> str:
    """The revision this version needs."""
    return max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(conn: Connection) -> str:
    """The revision a database is at; empty: it has no schema yet."""
    if not inspect(conn).has_table(_VERSION.name):
        return ""
    return conn.execute(select(_VERSION.c.version_num)).scalar() or ""
