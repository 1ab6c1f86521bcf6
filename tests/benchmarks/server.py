"""A PostgreSQL server for as long as a benchmark runs: with its defaults, so that every commit is on the disk."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from worker.runtime.supervisor import Program, Supervisor, wait_until

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT))  # a benchmark is a script; the tests are no installed package

from tests.postgres import binaries, make_cluster, server_user  # noqa: E402 - needs the path

_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def postgres(data_dir: Path, address: str = "", subnet: str = "") -> Iterator[str]:
    """The URL of a new server's own database, on a socket. Its log goes to `data_dir`.

    `address`: where it also listens, for those who connect from `subnet`.
    """
    user = server_user()
    with (
        tempfile.TemporaryDirectory(prefix="campaigns-pg-", dir="/tmp") as name,  # a socket's path is short
        Supervisor(data_dir) as supervisor,
    ):
        data = make_cluster(Path(name), user)
        become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--pdeathsig=INT") if user else ()
        if subnet:
            with (data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {subnet} trust\n")
        options = ("-c", f"listen_addresses={address}", "-c", f"unix_socket_directories={name}")
        words = (*become, str(binaries() / "postgres"), "-D", str(data), *options)
        supervisor.start(Program(name="postgres", command=words))
        url = f"postgresql://postgres@/postgres?host={name}"
        wait_until(lambda: _is_up(supervisor, url), seconds=30, what="PostgreSQL to answer")
        _require_durable(url)
        yield url


def new_database(admin: str, name: str) -> str:
    """Make a database on the server whose own one has this URL. Returns the URL of the new one."""
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return admin.replace("/postgres?", f"/{name}?")


def postmaster(url: str) -> dict[str, int]:
    """The server's process, if its folder is on this machine and may be read."""
    with psycopg.connect(url) as connection:
        [folder] = connection.execute("SHOW data_directory").fetchone() or [""]
    try:
        return {"postgres": int((Path(folder) / "postmaster.pid").read_text().split()[0])}
    except OSError:
        return {}


def _is_up(supervisor: Supervisor, url: str) -> bool:
    supervisor.running["postgres"].require_alive()
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _require_durable(url: str) -> None:
    with psycopg.connect(url) as connection:
        for setting in _DURABLE:
            [value] = connection.execute(f"SHOW {setting}").fetchone() or [""]
            assert value == "on", f"{setting} is {value}: a commit would be cheaper than it is"
