"""Installations to be crashed: one of each kind of database for all the points."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from channels.sandbox.faults import Faults
from tests.api.conftest import serve
from tests.crashes.process import Doomed
from tests.crashes.seams import HastyStore
from tests.crashes.site import Site
from tests.loop_thread import LoopThread
from tests.runtime.conftest import beside, open_house

__all__ = ["beside", "open_house", "serve"]

PATIENCE = {"quiet_seconds": 120, "second_look_seconds": 60, "outcome_deadline_seconds": 900, "lanes": 1}
QUICK_AND_SILENT = {"speed": 1000, "faults": Faults(callback_missing=1.0)}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def lasting_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database for a whole module, of each kind."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("crashes") / "campaigns.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    else:
        with request.getfixturevalue("postgres_databases").lend() as url:
            yield url


@pytest.fixture(scope="module")
def lasting_site(lasting_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    loop = LoopThread()
    folder = tmp_path_factory.mktemp("sandbox")
    opened = Site(lasting_url, loop, folder, sandbox=QUICK_AND_SILENT, store_class=HastyStore, **PATIENCE)
    yield opened
    opened.close()
    loop.close()


@pytest.fixture
def site(lasting_site: Site) -> Site:
    """An empty installation."""
    lasting_site.empty()
    return lasting_site


@pytest.fixture
def doomed() -> Iterator[Callable[..., Doomed]]:
    """Start a process that ends at a point."""
    started: list[Doomed] = []

    def start(*args: Any) -> Doomed:
        started.append(Doomed(*args))
        return started[-1]

    yield start
    for process in started:
        process.end()
