"""Runs work in a transaction, and runs the whole transaction again where it failed for a reason that has passed.

1. Work is a function of a connection and may run several times: it draws what it needs inside, and sends nothing.
2. What failed before COMMIT was rolled back and is retried: deadlock, busy database, lost connection, restart.
3. A COMMIT whose reply was lost is not retried: CommitUnknown.
"""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from worker.store import dialect
from worker.store.errors import CommitUnknown

T = TypeVar("T")

_TRIES: Final = 6
_FIRST_PAUSE: Final = 0.05


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` and commit. Raises what it raises; CommitUnknown if nobody can tell whether it was committed."""
    return _retrying(lambda: _once(engine, work))


def read(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` on one snapshot of the database."""
    return _retrying(lambda: _read_once(engine, work))


def _read_once(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.connect() as conn:
        return work(dialect.reading(conn))


def _once(engine: Engine, work: Callable[[Connection], T]) -> T:
    with dialect.turn(engine), engine.connect() as conn:
        conn.begin()
        result = work(conn)  # what raises here is rolled back by closing the connection
        try:
            conn.commit()
        except DBAPIError as error:
            if dialect.was_rolled_back(error) or not dialect.may_retry(error):
                raise
            raise CommitUnknown("the connection broke while committing; read back what is there") from error
        return result


def _retrying(once: Callable[[], T]) -> T:
    for tried in range(1, _TRIES + 1):
        try:
            return once()
        except DBAPIError as error:
            if tried == _TRIES or not dialect.may_retry(error):
                raise
        time.sleep(_FIRST_PAUSE * 2**tried * random.uniform(0.5, 1.0))
    raise AssertionError("unreachable")
