"""Databases for tests: a migrated and empty one for each, of both kinds.

1. PostgreSQL is a real server that the test process starts on a socket in a temporary folder, and stops at its end.
2. SQLite's file is a new copy each time. A database of PostgreSQL is emptied and lent again, which costs a tenth.
3. Statements are compiled once in a test process, not once for each store.
4. The longest files come first, so that two test processes end at the same time; those that start a whole system
   alternate with those that need one processor.
"""

import gc
import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache

from tests.postgres import Databases, binaries, execute, make_cluster, run_as, server_user, url_of
from worker.store.facade import Store

pytest.register_assert_rewrite("tests.crashes.aftermath")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background that way, and all that we start would ignore Ctrl-C too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_DEADLINE_SECONDS = 30
_NUMBERS = itertools.count(1)
_SETTINGS = (
    *("listen_addresses=", "max_connections=100", "shared_buffers=64MB"),
    *("fsync=off", "full_page_writes=off"),  # the tests are about what is committed, not about power cuts
    "deadlock_timeout=100ms",
)


_FIRST = (
    "chaos/test_short.py",
    "simulation/test_odd_seeds.py",
    "acceptance/test_demo.py",
    "simulation/test_even_seeds.py",
    "acceptance/test_compose.py",
    "crashes/test_crash_points.py",
)


class Statements(LRUCache):
    """Compiled statements of one kind of database. SQLAlchemy's key begins with the engine's own dialect object."""

    def get(self, key, default=None):
        return super().get(key[1:], default)

    def __setitem__(self, key, value):
        super().__setitem__(key[1:], value)


_STATEMENTS = {name: Statements(3000) for name in ("sqlite", "postgresql")}


@event.listens_for(Engine, "engine_connect")
def _compile_once(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_STATEMENTS[connection.dialect.name])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"tests/{file}": place for place, file in enumerate(_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: to look through it for garbage again and again was a fifth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database; the test runs once on each kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["sqlite", "postgres"])
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a schema, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'blank.db'}"
    else:
        server, name = request.getfixturevalue("postgres_server"), f"blank_{next(_NUMBERS)}"
        execute(server, f"CREATE DATABASE {name}")
        yield url_of(server, name)
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    copy = tmp_path / "campaigns.db"
    shutil.copy(sqlite_template, copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def postgres_url(postgres_databases: Databases) -> Iterator[str]:
    with postgres_databases.lend() as url:
        yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on a migrated, empty database of each kind."""
    opened = Store(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: str) -> Databases:
    execute(postgres_server, "CREATE DATABASE migrated")
    _migrate(url_of(postgres_server, "migrated"))
    return Databases(postgres_server, "migrated")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The socket folder of a running PostgreSQL of this test process."""
    user = server_user()
    folder = Path(tempfile.mkdtemp(prefix="campaigns-pg-", dir="/tmp"))  # the path of a socket has 107 bytes at most
    try:
        data = make_cluster(folder, user, "--no-sync")
        settings = [f"-c{setting}" for setting in (*_SETTINGS, f"unix_socket_directories={folder}")]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [*_tied_to_us(), binaries() / "postgres", "-D", data, *settings], **run_as(user), stderr=log
            )
        try:
            _wait_until_up(server, folder)
            yield str(folder)
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: ends sessions, waits for nobody
            server.wait(_DEADLINE_SECONDS)
    finally:
        shutil.rmtree(folder)


def _tied_to_us() -> list[str]:
    """A prefix with which the server also ends when this process is killed, where the system has the means."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


def _wait_until_up(server: subprocess.Popen[bytes], folder: Path) -> None:
    ends = time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            execute(str(folder), "SELECT 1")
        except psycopg.OperationalError:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < ends, (folder / "log").read_text()
            time.sleep(0.02)
        else:
            return


def _migrate(url: str) -> None:
    store = Store(url)
    store.migrate()
    store.close()
