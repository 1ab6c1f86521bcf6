"""Runs the migrations, on a connection that is handed to it. `store.schema` says when.

They are packaged; `alembic.ini` in the repository is only for writing new ones.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(conn: Connection, migrations: Path) -> None:
    """Upgrade to the newest of these migrations. The caller commits."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
