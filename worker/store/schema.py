"""Brings a database to the schema of this version, and refuses to work on another.

1. Migrating is one transaction under one lock: processes that start at once take turns, a crash leaves the old schema.
2. The migrations are packaged; `alembic.ini` in the repository is only for writing new ones.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from worker.store import dialect
from worker.store.errors import NotMigrated

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def migrate(conn: Connection) -> None:
    """Upgrade to the newest revision. The caller commits."""
    dialect.serialize(conn, "schema")
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def check(conn: Connection) -> None:
    """Raises NotMigrated unless the database is at exactly the revision this version needs."""
    needed = ScriptDirectory.from_config(_config()).get_current_head() or ""
    found = MigrationContext.configure(conn).get_current_revision() or ""
    if found != needed:
        raise NotMigrated(found, needed)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
