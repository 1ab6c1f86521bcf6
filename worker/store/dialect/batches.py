"""Many rows in one statement: as a table to join with, as an upsert, as a bulk insert."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import psycopg
from sqlalchemy import (
    BindParameter,
    Connection,
    FromClause,
    Table,
    Text,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from worker.store import copy_text
from worker.store.codec import to_json
from worker.store.dialect.kind import first_line_only, is_postgres

Columns = Mapping[str, TypeEngine[Any]]
"""The columns of a batch, by name."""


def records(conn: Connection, columns: Columns, rows: Sequence[Sequence[Any]]) -> FromClause:
    """A batch of rows as a table to join with, insert from or update from. One statement, however many rows."""
    return records_of(conn, columns, literal(to_json(rows), Text()))


def records_of(conn: Connection, columns: Columns, batch: BindParameter[str]) -> FromClause:
    """The same for a statement that is kept: the batch, as `to_json` writes it, is one of its parameters."""
    if is_postgres(conn):
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


Upsert = postgresql.Insert | sqlite.Insert


def upsert(conn: Connection, table: Table) -> Upsert:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`.

    From a SELECT, that must have a WHERE (`true()`): else SQLite reads ON CONFLICT as a join condition.
    """
    return postgresql.insert(table) if is_postgres(conn) else sqlite.insert(table)


def bulk_insert(conn: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert many new rows the fastest way there is: COPY, or one statement. A conflict is an error.

    Neither holds Python's lock while the database works, so that another thread goes on.
    """
    if not is_postgres(conn):
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
        first_line_only(error)
        raise DBAPIError(statement, None, error) from error


_ROWS_AT_ONCE: Final = 1000
"""SQLite keeps each page that a statement changes as it was, in memory; of random keys that is a page per key."""
