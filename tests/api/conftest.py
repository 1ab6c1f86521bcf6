"""An installation with its HTTP process."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.desk import Desk, Site
from tests.api.web import PUBLIC, Port, Web
from tests.loop_thread import LoopThread
from tests.runtime.conftest import beside, logged, open_house, provider
from tests.runtime.house import House

__all__ = ["beside", "logged", "open_house", "provider"]


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house(public_url=PUBLIC)


@pytest.fixture
def serve(beside: LoopThread) -> Iterator[Callable[..., Web]]:
    """Start the HTTP process of an installation."""
    opened: list[Web] = []

    def serve_one(house: House, port: Port | None = None, **runtime: Any) -> Web:
        opened.append(Web(beside, port or Port(), lambda: house.runtime(**runtime)))
        return opened[-1]

    yield serve_one
    for web in opened:
        web.close()


@pytest.fixture
def web(house: House, serve: Callable[..., Web]) -> Web:
    return serve(house)


@pytest.fixture
def open_desk(beside: LoopThread, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Somebody at an HTTP process of their own, over this database and with these settings."""
    opened: list[Site] = []

    def open_one(database_url: str, **settings: Any) -> Desk:
        opened.append(Site(beside, database_url, tmp_path, **settings))
        return Desk(opened[-1], "default")

    yield open_one
    for site in opened:
        site.close()


@pytest.fixture(scope="module")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An HTTP process that the tests of a file share; each has a tenant of its own."""
    folder, beside = tmp_path_factory.mktemp("site"), LoopThread()
    shutil.copy(sqlite_template, folder / "campaigns.db")
    opened = Site(beside, f"sqlite:///{folder / 'campaigns.db'}", folder, api_requests_per_second=0)
    yield opened
    opened.close()
    beside.close()


@pytest.fixture
def desk(site: Site) -> Desk:
    return Desk(site)
