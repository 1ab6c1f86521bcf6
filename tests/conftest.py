"""Databases for tests: a new, migrated and empty one for each, of both kinds.

PostgreSQL is a real server that the test process starts on a socket in a temporary folder, and stops at its end.
"""

import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from tests.postgres import binaries, make_cluster, run_as, server_user
from worker.store.facade import Store

pytest.register_assert_rewrite("tests.crashes.aftermath")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background that way, and all that we start would ignore Ctrl-C too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_DEADLINE_SECONDS = 30
_NUMBERS = itertools.count(1)
_SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=64MB")
"""No durability: the tests are about what is committed, not about power cuts."""


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
        yield from _database(request.getfixturevalue("postgres_server"), "template1")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    copy = tmp_path / "campaigns.db"
    shutil.copy(sqlite_template, copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    yield from _database(postgres_server, postgres_template)


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
def postgres_template(postgres_server: str) -> str:
    _execute(postgres_server, "CREATE DATABASE migrated")
    _migrate(_url(postgres_server, "migrated"))
    return "migrated"


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
            _execute(str(folder), "SELECT 1")
        except psycopg.OperationalError:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < ends, (folder / "log").read_text()
            time.sleep(0.02)
        else:
            return


def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_NUMBERS)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template} {_strategy(server)}")
    yield _url(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@cache
def _strategy(server: str) -> str:
    """A third of the default's time, where the server knows it; nothing here need outlive a crash."""
    with psycopg.connect(host=server, user="postgres", dbname="postgres") as connection:
        return "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""


def _url(server: str, name: str) -> str:
    return f"postgresql://postgres@/{name}?host={server}"


def _execute(server: str, statement: str) -> None:
    with psycopg.connect(host=server, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)


def _migrate(url: str) -> None:
    store = Store(url)
    store.migrate()
    store.close()
