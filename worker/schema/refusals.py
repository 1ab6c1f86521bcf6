"""What the store refuses, in the words of the schema service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError

from worker.schema import errors
from worker.schema.errors import SchemaError
from worker.store import dialect
from worker.store.errors import (
    AddressTaken,
    CommitUnknown,
    IdTaken,
    KeyReused,
    NameTaken,
    NotFound,
    Outdated,
    StillUsed,
    StoreError,
    TooCostly,
    UnderWay,
)

_MEANS: Final[dict[type[StoreError], type[SchemaError]]] = {
    NameTaken: errors.Conflict,
    IdTaken: errors.Conflict,
    AddressTaken: errors.Conflict,
    StillUsed: errors.Conflict,
    UnderWay: errors.Conflict,
    KeyReused: errors.Conflict,
    Outdated: errors.Conflict,
    NotFound: errors.NotFound,
    TooCostly: errors.Invalid,
    CommitUnknown: errors.Unavailable,
}


@contextmanager
def refusals() -> Iterator[None]:
    """Raise a SchemaError in place of the store's."""
    try:
        yield
    except StoreError as error:
        kind = _MEANS.get(type(error))
        if kind is None:
            raise
        raise kind(str(error)) from error
    except DBAPIError as error:
        if not (dialect.connection_lost(error) or dialect.may_retry(error)):
            raise
        raise errors.Unavailable("the database is away; try again in a moment") from error
