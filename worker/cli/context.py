"""What a command needs of the system: settings, a database that is ready, and hints sent as well as can be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.cli.access import act
from worker.runtime.bootstrap import Runtime
from worker.runtime.logs import configure_logging
from worker.runtime.settings import Settings, load_settings
from worker.runtime.stack import require_writable
from worker.store.facade import Store


@contextmanager
def open_runtime() -> Iterator[Runtime]:
    """A runtime for one command. A database file is migrated; a server's must have been, by `campaigns migrate`."""
    from worker.tasks.process import send_hint  # the Celery application reads the settings when it is imported

    settings = load_settings()
    configure_logging(settings)
    with open_store(settings) as store:
        if settings.database_url.startswith("sqlite"):
            store.migrate()
        store.check_schema()
        rt = Runtime(settings, store, send_hint)
        try:
            if settings.database_url.startswith("sqlite"):
                rt.schema.reindex()
            act(rt)
            yield rt
        finally:
            rt.close()


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The database, migrated or not. The folder of a database file is made."""
    store = Store(settings.database_url)
    try:
        url = store.engine.url
        if url.get_backend_name() == "sqlite" and url.database:
            require_writable(Path(url.database).parent, "DATABASE_URL or DATA_DIR")
        yield store
    finally:
        store.close()
