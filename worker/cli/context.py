"""What a command needs of the system: a migrated store, and hints sent as well as can be."""

from collections.abc import Iterator
from contextlib import contextmanager

from worker.runtime.bootstrap import Runtime
from worker.runtime.logs import configure_logging
from worker.runtime.settings import load_settings
from worker.store.facade import Store


@contextmanager
def open_runtime() -> Iterator[Runtime]:
    """A runtime for one command. A database file of our own is migrated; a server's must have been (`migrate`)."""
    from worker.tasks.process import send_hint

    settings = load_settings()
    configure_logging(settings)
    store = Store(settings.database_url)
    if settings.database_url.startswith("sqlite"):
        store.migrate()
    store.check_schema()
    rt = Runtime(settings, store, send_hint)
    try:
        yield rt
    finally:
        rt.close()
