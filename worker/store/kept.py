"""Statements that are built once. Building a large one costs ten times what running it on a few rows does.

1. What differs from call to call is a bind parameter with a name, and no column has that name.
2. The clock is one of them where the database is not asked for it: such a statement says `clock_ms(conn)`, and fails
   when it is run without `clock(conn)` among its parameters. A moment kept with the statement would be a wrong clock.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Final, TypeVar

from sqlalchemy import BigInteger, BindParameter, ColumnElement, Connection, Text, bindparam

from worker.store import dialect
from worker.store.codec import to_json

Statement = TypeVar("Statement")

BATCH: Final = bindparam("batch", type_=Text)
"""The rows of a statement that is kept, for `dialect.records_of`; run it with `rows(...)`."""


def rows(batch: Sequence[Sequence[object]]) -> dict[str, str]:
    """What `BATCH` stands for."""
    return {"batch": to_json(batch)}


def kept(build: Callable[[Connection], Statement]) -> Callable[[Connection], Statement]:
    """What `build` makes, made once for each kind of database."""
    built: dict[str, Statement] = {}

    @wraps(build)
    def statement(conn: Connection) -> Statement:
        kind = conn.dialect.name
        if kind not in built:
            built[kind] = build(conn)
        return built[kind]

    return statement


def clock_ms(conn: Connection) -> ColumnElement[int]:
    """`dialect.now_ms` for a statement that is kept."""
    now = dialect.now_ms(conn)
    return bindparam("clock_ms", type_=BigInteger) if isinstance(now, BindParameter) else now


def clock(conn: Connection) -> dict[str, int | None]:
    """What `clock_ms` stands for at this moment."""
    now = dialect.now_ms(conn)
    return {"clock_ms": now.value} if isinstance(now, BindParameter) else {}
