"""Connections and transactions: how each database is opened, read, written in turn, and whose clock and ids count."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    ExceptionContext,
    TextClause,
    cast,
    create_engine,
    event,
    extract,
    func,
    literal,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from worker.store import codec, json_values
from worker.store.dialect.kind import first_line_only, is_postgres, place
from worker.store.errors import BadDatabaseUrl

READ_ONLY: Final = "campaigns_read_only"


_CLOCK: Final = "campaigns_clock"


_IDS: Final = "campaigns_ids"


_BUSY_SECONDS: Final = 30
_PATIENCE: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Of libpq, Database Connection Control Functions: a server that vanished silently is noticed in half a minute."""


_PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
)


_SESSION: Final = (
    "SET synchronous_commit = on",
    # The plan of a batch depends on its size and on a table that grows under way; a generic plan may be a full scan.
    "SET plan_cache_mode = force_custom_plan",
    # What is under way lies in memory: a row by its id costs hardly more than the next one of a scan.
    "SET random_page_cost = 1.1",
    # Compiling the condition of a segment to machine code takes longer than judging ten thousand people by it.
    "SET jit = off",
)


def make_engine(
    url: str, *, clock_ns: Callable[[], int] = time.time_ns, new_id: Callable[[], str] = codec.new_id
) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://…`. `sqlite://` is a database in memory, for one thread only.

    `clock_ns`: the host's clock, which SQLite's leases are read on. `new_id`: where new rows have their ids from. Both
    are for whoever wants the same run twice.
    Raises BadDatabaseUrl for any other kind. Not to be shared with a forked child. Its errors repeat neither
    parameters nor rows: those are people, and errors reach logs.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadDatabaseUrl("is not a URL") from None
    sources = {_CLOCK: clock_ns, _IDS: new_id}
    options: dict[str, Any] = {"hide_parameters": True, "execution_options": sources}
    match parsed.get_backend_name():
        case "sqlite":
            parsed = parsed.set(drivername="sqlite+pysqlite")
            in_memory: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
            on_disk: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS}}
            engine = create_engine(parsed, **options, **(on_disk if parsed.database else in_memory))
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        case "postgresql" | "postgres":
            parsed = parsed.set(drivername="postgresql+psycopg")
            unless_given = {name: value for name, value in _PATIENCE.items() if name not in parsed.query}
            engine = create_engine(parsed, **options, pool_pre_ping=True, connect_args=unless_given)
            event.listen(engine, "connect", _prepare_postgres)
            event.listen(engine, "handle_error", _quote_no_rows)
        case other:
            raise BadDatabaseUrl(f"no support for {other!r} databases")
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    connection.create_function("campaigns_place", 1, place, deterministic=True)
    connection.create_function("campaigns_values", 2, json_values.values, deterministic=True)
    connection.create_function("campaigns_kind", 2, json_values.kind, deterministic=True)


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN" if conn.get_execution_options().get(READ_ONLY) else "BEGIN IMMEDIATE")


@contextmanager
def turn(engine: Engine) -> Iterator[None]:
    """Wait for our turn to write. PostgreSQL has its row locks and needs none.

    SQLite lets one writer in and makes the others poll with growing pauses, so that a busy one starves them. A lock on
    a file beside the database is handed over by the kernel the moment it is free. It is an order of service only:
    BEGIN IMMEDIATE still guards the data.
    """
    if engine.dialect.name != "sqlite" or not engine.url.database:
        yield
        return
    with Path(f"{engine.url.database}-turn").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prepare_postgres(connection: Any, _: object) -> None:
    for statement in _SESSION:
        connection.execute(statement)
    connection.commit()


def _quote_no_rows(context: ExceptionContext) -> None:
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            first_line_only(error)


def reading(conn: Connection) -> Connection:
    """Make the next transaction of this connection a read of one snapshot."""
    options: dict[str, Any] = {READ_ONLY: True}
    if is_postgres(conn):
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return conn.execution_options(**options)


def now_ms(conn: Connection) -> ColumnElement[int]:
    """The clock of leases in milliseconds, as an expression; on PostgreSQL the start of the statement."""
    if is_postgres(conn):
        return cast(extract("epoch", func.statement_timestamp()) * 1000, BigInteger)
    return literal(_host_ns(conn) // 1_000_000, BigInteger)


def now_us(conn: Connection) -> ColumnElement[int]:
    """The same in microseconds, for rates."""
    if is_postgres(conn):
        return cast(extract("epoch", func.statement_timestamp()) * 1_000_000, BigInteger)
    return literal(_host_ns(conn) // 1_000, BigInteger)


def _host_ns(conn: Connection) -> int:
    clock_ns: Callable[[], int] = conn.get_execution_options()[_CLOCK]
    return clock_ns()


def new_id(conn: Connection) -> str:
    """An id for a new row."""
    draw: Callable[[], str] = conn.get_execution_options()[_IDS]
    return draw()


def new_ids(conn: Connection, count: int) -> list[str]:
    """Ids for so many rows, in order."""
    draw: Callable[[], str] = conn.get_execution_options()[_IDS]
    return codec.new_ids(count) if draw is codec.new_id else [draw() for _ in range(count)]


def serialize(conn: Connection, name: str) -> None:
    """Wait until no other transaction is in the section of this name; it is left at the end of this one."""
    if is_postgres(conn):
        conn.execute(_ADVISORY_LOCK, {"name": name})


_ADVISORY_LOCK: Final[TextClause] = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def commit_unhurried(conn: Connection) -> None:
    """Let this commit not wait for the disk. It is lost in a crash unless a later one was not; never half of it is."""
    if is_postgres(conn):
        conn.execute(_UNHURRIED)


_UNHURRIED: Final[TextClause] = text("SET LOCAL synchronous_commit = off")
