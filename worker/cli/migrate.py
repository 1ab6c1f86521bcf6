"""`campaigns migrate`: the database's schema."""

from worker.cli.context import open_store
from worker.cli.output import AsJson, show
from worker.runtime.settings import load_settings
from worker.schema.service import SchemaService


def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database's schema to this version. Safe to repeat, and safe when two do it at once."""
    with open_store(load_settings().database_url) as store:
        store.migrate()
        SchemaService(store, store.now).reindex()
    show({"migrated": True}, as_json=as_json, text="the database is up to date")
