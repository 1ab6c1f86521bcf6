"""Everything in which SQLite and PostgreSQL differ; the rest of the store is written once.

1. SQLite has one writer: every write transaction is BEGIN IMMEDIATE, so that it waits at its start and never fails
   half-way. WAL with synchronous=FULL, since a forgotten intent is a second text.
2. PostgreSQL has many: READ COMMITTED, row locks, SKIP LOCKED. SQLAlchemy leaves the lock clauses out on SQLite.
3. A batch is one parameter, a JSON text, and `records` makes a table of it on both: arrays cost the client of
   PostgreSQL thirty times as much. Where an index begins with a column that is a constant of the query (the tenant),
   SQLite would rather scan the table than the batch: such a query says IN, or takes the constant from the batch.
4. Leases are read on one clock: the database's on PostgreSQL, the host's on SQLite, which serves one host.
"""

import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from hashlib import md5
from itertools import islice
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import (
    DOUBLE_PRECISION,
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Engine,
    ExceptionContext,
    Float,
    FromClause,
    Table,
    Text,
    TextClause,
    and_,
    bindparam,
    case,
    cast,
    collate,
    create_engine,
    event,
    extract,
    func,
    insert,
    literal,
    literal_column,
    make_url,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeEngine

from worker.domain.search import TERM_LENGTH
from worker.store import codec, copy_text, json_values
from worker.store.codec import to_json
from worker.store.errors import BadDatabaseUrl, TooCostly
from worker.store.folding import folded

Columns = Mapping[str, TypeEngine[Any]]
"""The columns of a batch, by name."""

READ_ONLY: Final = "campaigns_read_only"
_CLOCK: Final = "campaigns_clock"
_IDS: Final = "campaigns_ids"

_BUSY_SECONDS: Final = 30
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
    # Compiling the condition of a segment to machine code takes longer than judging ten thousand people by it.
    "SET jit = off",
)
_RETRYABLE_STATES: Final = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})
_ROLLED_BACK_STATES: Final = frozenset({"40001", "40P01"})
_SQLITE_BUSY: Final = frozenset({5, 6})


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
            engine = create_engine(parsed, **options, pool_pre_ping=True)
            event.listen(engine, "connect", _prepare_postgres)
            event.listen(engine, "handle_error", _quote_no_rows)
        case other:
            raise BadDatabaseUrl(f"no support for {other!r} databases")
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    connection.create_function("campaigns_place", 1, _place, deterministic=True)
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
            _first_line_only(error)


def _first_line_only(error: BaseException) -> None:
    """What the server says after it (DETAIL, CONTEXT) quotes rows and parameters."""
    error.args = tuple(str(part).partition("\n")[0] for part in error.args)


def reading(conn: Connection) -> Connection:
    """Make the next transaction of this connection a read of one snapshot."""
    options: dict[str, Any] = {READ_ONLY: True}
    if _is_postgres(conn):
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return conn.execution_options(**options)


def now_ms(conn: Connection) -> ColumnElement[int]:
    """The clock of leases in milliseconds, as an expression; on PostgreSQL the start of the statement."""
    if _is_postgres(conn):
        return cast(extract("epoch", func.statement_timestamp()) * 1000, BigInteger)
    return literal(_host_ns(conn) // 1_000_000, BigInteger)


def now_us(conn: Connection) -> ColumnElement[int]:
    """The same in microseconds, for rates."""
    if _is_postgres(conn):
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


def fixed(value: str) -> ColumnElement[str]:
    """A value written into the statement, so that the planner sees that a partial index holds what is asked for."""
    return bindparam(None, str(value), literal_execute=True)


def fixed_list(values: Iterable[str]) -> BindParameter[list[str]]:
    """The same for IN."""
    return bindparam(None, [str(value) for value in values], expanding=True, literal_execute=True)


def records(conn: Connection, columns: Columns, rows: Sequence[Sequence[Any]]) -> FromClause:
    """A batch of rows as a table to join with, insert from or update from. One statement, however many rows."""
    batch = literal(to_json(rows), Text())
    if _is_postgres(conn):
        item = func.jsonb_array_elements(cast(batch, postgresql.JSONB)).table_valued("value", name="item")
        fields = [
            cast(item.c.value.op("->>")(literal_column(str(place))), kind).label(name)
            for place, (name, kind) in enumerate(columns.items())
        ]
    else:
        item = func.json_each(batch).table_valued("value", name="item")
        fields = [
            func.json_extract(item.c.value, literal_column(f"'$[{place}]'"), type_=kind).label(name)
            for place, (name, kind) in enumerate(columns.items())
        ]
    return select(*fields).subquery("batch")


def ids(conn: Connection, name: str, values: Iterable[str]) -> FromClause:
    """The same for one column of ids."""
    return records(conn, {name: Text()}, [(value,) for value in values])


def table_records(conn: Connection, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> FromClause:
    """The same with the types of a table's columns."""
    return records(conn, {name: table.c[name].type for name in names}, rows)


def values_at(conn: Connection, document: ColumnElement[str], paths: Sequence[Sequence[str]]) -> FromClause:
    """The values in a JSON document at the first of these paths that is there, as a table; of a list, its items.

    `kind` as JSON calls it, never null; `text`: folded, cut like a term, of strings and booleans; `number`: of numbers,
    and of strings that are written like one.
    """
    if not _is_postgres(conn):
        item = func.json_each(func.campaigns_values(document, to_json(paths))).table_valued("value", name="item")
        kinds = (("kind", Text()), ("text", Text()), ("number", Float()))
        parts = [
            func.json_extract(item.c.value, literal_column(f"'$[{place}]'"), type_=kind).label(name)
            for place, (name, kind) in enumerate(kinds)
        ]
        return select(*parts).subquery("value")
    items = func.jsonb_path_query(_at(document, paths), literal_column("'$[*]'"))
    item = items.table_valued("value", name="item").render_derived()
    kind, raw = func.jsonb_typeof(item.c.value), item.c.value.op("#>>")(literal_column("'{}'"))
    is_number = and_(kind.in_(("number", "string")), func.length(raw) <= json_values.LONGEST)
    return (
        select(
            kind.label("kind"),
            collate(case((kind == "string", func.left(folded(raw), TERM_LENGTH)), (kind == "boolean", raw)), "C").label(
                "text"
            ),
            case((and_(is_number, raw.op("~")(json_values.NUMBER)), cast(raw, DOUBLE_PRECISION))).label("number"),
        )
        .where(kind != "null")
        .subquery("value")
    )


def kind_at(conn: Connection, document: ColumnElement[str], path: Sequence[str]) -> ColumnElement[str | None]:
    """What stands in a JSON document at this path, as JSON calls it; NULL for nothing and for null."""
    if _is_postgres(conn):
        return func.nullif(func.jsonb_typeof(_at(document, [path])), "null")
    return func.campaigns_kind(document, to_json([path]), type_=Text())


def _at(document: ColumnElement[str], paths: Sequence[Sequence[str]]) -> ColumnElement[Any]:
    """What stands at the first of these paths that is there. A key is a parameter, whatever is in it."""
    whole: ColumnElement[Any] = cast(document, postgresql.JSONB)
    return func.coalesce(*(reduce(lambda at, key: at.op("->")(literal(key, Text())), path, whole) for path in paths))


def narrowed(
    conn: Connection, column: ColumnElement[str], window: tuple[str, str] | None
) -> tuple[ColumnElement[bool], ...]:
    """That a column lies after the one value and not after the other, where a subquery asks for its equality, too.

    It changes no answer. PostgreSQL needs it, not to read the rest of the table once it has misjudged how many rows
    there are; SQLite would walk all of the range in place of the one key.
    """
    return (column > window[0], column <= window[1]) if window and _is_postgres(conn) else ()


def bytewise(conn: Connection, column: ColumnElement[str]) -> ColumnElement[str]:
    """A text that is compared by its bytes, as SQLite compares every text."""
    return collate(column, "C") if _is_postgres(conn) else column


Upsert = postgresql.Insert | sqlite.Insert


def upsert(conn: Connection, table: Table) -> Upsert:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`.

    From a SELECT, that must have a WHERE (`true()`): else SQLite reads ON CONFLICT as a join condition.
    """
    return postgresql.insert(table) if _is_postgres(conn) else sqlite.insert(table)


def bulk_insert(conn: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert many new rows the fastest way there is: COPY, or one statement. A conflict is an error.

    Neither holds Python's lock while the database works, so that another thread goes on.
    """
    if not _is_postgres(conn):
        left = iter(rows)
        while given := list(islice(left, _ROWS_AT_ONCE)):
            batch = select(table_records(conn, table, names, given)).where(true())
            conn.execute(insert(table).from_select(names, batch))
        return
    quoted = ", ".join(conn.dialect.identifier_preparer.quote(name) for name in names)
    statement = f"COPY {table.name} ({quoted}) FROM STDIN"
    driver: Any = conn.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            left = iter(rows)
            while given := list(islice(left, _ROWS_AT_ONCE)):
                copy.write(copy_text.block(given))
    except psycopg.Error as error:  # the driver was spoken to directly; callers expect SQLAlchemy's errors
        _first_line_only(error)
        raise DBAPIError(statement, None, error) from error


_ROWS_AT_ONCE: Final = 1000
"""SQLite keeps each page that a statement changes as it was, in memory; of random keys that is a page per key."""


def is_conflict(error: DBAPIError) -> bool:
    """Whether a row was refused because another one has its key already."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code in _SQLITE_NOT_UNIQUE or getattr(error.orig, "sqlstate", None) == _POSTGRES_NOT_UNIQUE


_SQLITE_NOT_UNIQUE: Final = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_POSTGRES_NOT_UNIQUE: Final = "23505"


@contextmanager
def limited(conn: Connection, seconds: float) -> Iterator[None]:
    """Statements in here are broken off after so long. Raises TooCostly; the transaction is of no more use then."""
    driver: Any = conn.connection.driver_connection
    ends = time.monotonic() + seconds
    if _is_postgres(conn):
        conn.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
    else:
        driver.set_progress_handler(lambda: time.monotonic() > ends, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    except DBAPIError as error:
        broken_off = (getattr(error.orig, name, None) for name in ("sqlstate", "sqlite_errorcode"))
        if set(broken_off) & {"57014", sqlite3.SQLITE_INTERRUPT}:
            raise TooCostly(seconds) from error
        raise
    finally:
        if not _is_postgres(conn):
            driver.set_progress_handler(None, 0)


_STEPS_BETWEEN_LOOKS: Final = 10_000


def serialize(conn: Connection, name: str) -> None:
    """Wait until no other transaction is in the section of this name; it is left at the end of this one."""
    if _is_postgres(conn):
        conn.execute(_ADVISORY_LOCK, {"name": name})


_ADVISORY_LOCK: Final[TextClause] = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def commit_unhurried(conn: Connection) -> None:
    """Let this commit not wait for the disk. It is lost in a crash unless a later one was not; never half of it is."""
    if _is_postgres(conn):
        conn.execute(_UNHURRIED)


_UNHURRIED: Final[TextClause] = text("SET LOCAL synchronous_commit = off")


def least(conn: Connection, *values: ColumnElement[int]) -> ColumnElement[int]:
    """The smallest of several values in a row."""
    return func.least(*values) if _is_postgres(conn) else func.min(*values)


def padded(conn: Connection, number: ColumnElement[int]) -> ColumnElement[str]:
    """A number in text, with zeros in front up to six digits."""
    return func.lpad(cast(number, Text), 6, "0") if _is_postgres(conn) else func.printf("%06d", number)


def place_of(conn: Connection, key: ColumnElement[str]) -> ColumnElement[Any]:
    """Where a key falls between 0 and 1 by its hash: the same keys below the same share, every time."""
    if not _is_postgres(conn):
        return func.campaigns_place(key, type_=Float())
    head = func.concat("x", func.substr(func.md5(key), 1, 8))
    return cast(cast(cast(head, postgresql.BIT(32)), BigInteger), Float) / _PLACES


_PLACES: Final = float(2**32)


def _place(key: str) -> float:
    return int(md5(key.encode(), usedforsecurity=False).hexdigest()[:8], 16) / _PLACES


def may_retry(error: DBAPIError) -> bool:
    """Whether the transaction failed before its commit for a reason that may be gone at once."""
    state = getattr(error.orig, "sqlstate", None)
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in _SQLITE_BUSY
    return connection_lost(error) or state in _RETRYABLE_STATES


def was_rolled_back(error: DBAPIError) -> bool:
    """Whether a COMMIT that raised this certainly changed nothing."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code is not None or getattr(error.orig, "sqlstate", None) in _ROLLED_BACK_STATES


def connection_lost(error: DBAPIError) -> bool:
    """Whether the server went away or was not there."""
    state = getattr(error.orig, "sqlstate", None)
    no_answer = isinstance(error.orig, (psycopg.OperationalError, psycopg.InterfaceError)) and state is None
    return error.connection_invalidated or no_answer or str(state or "").startswith("08")


def _is_postgres(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"
