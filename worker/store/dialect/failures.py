"""What an error of the database means: a conflict, too much work, a passing trouble, a lost connection."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import (
    Connection,
    text,
)
from sqlalchemy.exc import DBAPIError

from worker.store.dialect.kind import is_postgres
from worker.store.errors import TooCostly

_RETRYABLE_STATES: Final = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})


_ROLLED_BACK_STATES: Final = frozenset({"40001", "40P01"})


_SQLITE_BUSY: Final = frozenset({5, 6})


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
    if is_postgres(conn):
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
        if not is_postgres(conn):
            driver.set_progress_handler(None, 0)


_STEPS_BETWEEN_LOOKS: Final = 10_000


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
