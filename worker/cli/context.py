"""What a command needs of the system: settings, a database that is ready, and hints sent as well as can be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.cli.access import needed
from worker.cli.errors import Exit, Stop
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint
from worker.runtime.logs import configure_logging
from worker.runtime.machine import require_writable
from worker.runtime.settings import load_settings
from worker.schema import tokens
from worker.schema.scopes import scope_of
from worker.store.facade import Store


@contextmanager
def open_runtime() -> Iterator[Runtime]:
    """A runtime for one command. A database file is migrated; a server's must have been, by `campaigns migrate`."""
    settings = load_settings()
    configure_logging(settings)
    with open_store(settings.database_url) as store:
        if settings.database_url.startswith("sqlite"):
            store.migrate()
        store.check_schema()
        rt = Runtime(settings, store, _hint)
        try:
            if settings.database_url.startswith("sqlite"):
                rt.schema.reindex()
            _act(rt)
            yield rt
        finally:
            rt.close()


@contextmanager
def open_store(database_url: str) -> Iterator[Store]:
    """The database, migrated or not. The folder of a database file is made."""
    store = Store(database_url)
    try:
        url = store.engine.url
        if url.get_backend_name() == "sqlite" and url.database:
            require_writable(Path(url.database).parent, "DATABASE_URL or DATA_DIR")
        yield store
    finally:
        store.close()


def _act(rt: Runtime) -> None:
    """Let the runtime act for whoever gives the command. Raises Unauthorized, Forbidden."""
    if presented := rt.settings.campaigns_token.get_secret_value():
        rt.actor = tokens.verify(rt.store, rt.now(), presented)
        if rt.actor.tenant_id != rt.settings.tenant_id:
            raise Stop("CAMPAIGNS_TOKEN is of another tenant than TENANT_ID names; set both alike", Exit.BAD_INPUT)
    for word in needed.get():
        rt.actor.require(scope_of(word))


def _hint(hint: Hint) -> None:
    # Most commands have no work to hint at, and Celery reads its settings, which `demo` makes, when it is imported.
    from worker.tasks.process import send_hint  # noqa: PLC0415 - see above

    send_hint(hint)
