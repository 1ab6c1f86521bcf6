"""A schema service on each kind of database, and somebody who may do everything in one tenant."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.web import Port, Web
from tests.loop_thread import LoopThread
from tests.runtime.conftest import beside
from worker.runtime.bootstrap import Runtime
from worker.runtime.settings import Settings
from worker.schema import tokens
from worker.schema.scopes import EVERYTHING, Actor
from worker.schema.service import SchemaService
from worker.schema.types import SCOPES
from worker.store.facade import Store

__all__ = ["beside"]

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MAY_ALL = frozenset({EVERYTHING})


@pytest.fixture
def service(store: Store) -> SchemaService:
    """Each look at its clock is a second after the one before."""
    moments: Iterator[datetime] = (START + timedelta(seconds=n) for n in range(1_000_000))
    return SchemaService(store, lambda: next(moments))


@pytest.fixture
def actor() -> Actor:
    return Actor(tenant_id="acme", user_id="usr_ann", scopes=MAY_ALL)


@pytest.fixture
def stranger() -> Actor:
    """May do everything, in another tenant."""
    return Actor(tenant_id="globex", user_id="usr_eve", scopes=MAY_ALL)


def token_of(store: Store, tenant: str = "acme", scopes: Sequence[str] = tuple(map(str, SCOPES))) -> str:
    """An API token of Ann's."""
    return tokens.create(store, store.now(), tenant_id=tenant, user_id="usr_ann", scopes=scopes, by="cli:test")


@pytest.fixture
def serve(beside: LoopThread) -> Iterator[Callable[[str], str]]:
    """Serves a database over HTTP; the URL."""
    opened: list[Web] = []

    def serve_it(database_url: str) -> str:
        settings = Settings(_env_file=None, database_url=database_url)
        opened.append(Web(beside, Port(), lambda: Runtime(settings, Store(database_url), lambda _: None)))
        return opened[-1].url

    yield serve_it
    for web in opened:
        web.close()


@pytest.fixture(params=["in process", "over HTTP"])
def target(request: pytest.FixtureRequest, serve: Callable[[str], str], database_url: str) -> str:
    """What a client is pointed at."""
    return database_url if request.param == "in process" else serve(database_url)
