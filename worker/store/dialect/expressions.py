"""Expressions that the two databases write differently: values that a planner sees, JSON, text, hashes."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

from sqlalchemy import (
    DOUBLE_PRECISION,
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Float,
    FromClause,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    collate,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql

from worker.domain.search import TERM_LENGTH
from worker.store import json_values
from worker.store.codec import to_json
from worker.store.dialect.kind import PLACES, is_postgres
from worker.store.folding import folded


def fixed(value: str) -> ColumnElement[str]:
    """A value written into the statement, so that the planner sees that a partial index holds what is asked for."""
    return bindparam(None, str(value), literal_execute=True)


def absent(column: ColumnElement[int]) -> ColumnElement[bool]:
    """That a number which is never negative is NULL, of rows that are named by their ids.

    PostgreSQL, while it has no statistics of a table that fills up, takes IS NULL for rarer than an id, and reads all
    that its index of the open ones holds.
    """
    return func.coalesce(column, -1) == -1


def fixed_list(values: Iterable[str]) -> BindParameter[list[str]]:
    """The same for IN."""
    return bindparam(None, [str(value) for value in values], expanding=True, literal_execute=True)


def values_at(conn: Connection, document: ColumnElement[str], paths: Sequence[Sequence[str]]) -> FromClause:
    """The values in a JSON document at the first of these paths that is there, as a table; of a list, its items.

    `kind` as JSON calls it, never null; `text`: folded, cut like a term, of strings and booleans; `number`: of numbers,
    and of strings that are written like one.
    """
    if not is_postgres(conn):
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
    if is_postgres(conn):
        return func.nullif(func.jsonb_typeof(_at(document, [path])), "null")
    return func.campaigns_kind(document, to_json([path]), type_=Text())


def _at(document: ColumnElement[str], paths: Sequence[Sequence[str]]) -> ColumnElement[Any]:
    """What stands at the first of these paths that is there. A key is a parameter, whatever is in it."""
    whole: ColumnElement[Any] = cast(document, postgresql.JSONB)
    return func.coalesce(*(reduce(lambda at, key: at.op("->")(literal(key, Text())), path, whole) for path in paths))


def text_at(conn: Connection, document: ColumnElement[str], key: str, place: int) -> ColumnElement[str | None]:
    """The text at a place of the list that stands under a key of a JSON document. The key is ours."""
    if is_postgres(conn):
        whole: ColumnElement[Any] = cast(document, postgresql.JSONB)
        return cast(whole.op("#>>")(literal_column(f"'{{{key},{place}}}'")), Text)
    return func.json_extract(document, literal_column(f"'$.{key}[{place}]'"), type_=Text())


def narrowed(
    conn: Connection, column: ColumnElement[str], window: tuple[str, str] | None
) -> tuple[ColumnElement[bool], ...]:
    """That a column lies after the one value and not after the other, where a subquery asks for its equality, too.

    It changes no answer. PostgreSQL needs it, not to read the rest of the table once it has misjudged how many rows
    there are; SQLite would walk all of the range in place of the one key.
    """
    return (column > window[0], column <= window[1]) if window and is_postgres(conn) else ()


def looked_up(conn: Connection, table: Table, belongs: ColumnElement[bool]) -> FromClause:
    """A table to join with whose rows are found one by one, by the index that `belongs` names.

    PostgreSQL would rather read all of a table of millions once there are some ten thousand to be found in it.
    """
    return select(table).where(belongs).offset(0).lateral(table.name) if is_postgres(conn) else table


def bytewise(conn: Connection, column: ColumnElement[str]) -> ColumnElement[str]:
    """A text that is compared by its bytes, as SQLite compares every text."""
    return collate(column, "C") if is_postgres(conn) else column


def least(conn: Connection, *values: ColumnElement[int]) -> ColumnElement[int]:
    """The smallest of several values in a row."""
    return func.least(*values) if is_postgres(conn) else func.min(*values)


def padded(conn: Connection, number: ColumnElement[int]) -> ColumnElement[str]:
    """A number in text, with zeros in front up to six digits."""
    return func.lpad(cast(number, Text), 6, "0") if is_postgres(conn) else func.printf("%06d", number)


def place_of(conn: Connection, key: ColumnElement[str]) -> ColumnElement[Any]:
    """Where a key falls between 0 and 1 by its hash: the same keys below the same share, every time."""
    if not is_postgres(conn):
        return func.campaigns_place(key, type_=Float())
    head = func.concat("x", func.substr(func.md5(key), 1, 8))
    return cast(cast(cast(head, postgresql.BIT(32)), BigInteger), Float) / PLACES
