"""How Alembic reaches the database: on the connection it is handed, or for developers on the URL of `DATABASE_URL`."""

import os

from alembic import context
from sqlalchemy import Connection

from worker.store import document_tables, queue_tables, tables
from worker.store.columns import metadata
from worker.store.dialect import make_engine

__all__ = ["document_tables", "queue_tables", "tables"]  # imported, so that `metadata` knows them


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()


handed: Connection | None = context.config.attributes.get("connection")
if handed is not None:
    _run(handed)
else:
    engine = make_engine(os.environ.get("DATABASE_URL", "sqlite:///.campaigns/campaigns.db"))
    with engine.begin() as own:
        _run(own)
    engine.dispose()
