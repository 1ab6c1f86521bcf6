"""What the schema service refuses: one class per kind of failure, the same in process and over HTTP.

1. Nothing was changed when one of these is raised.
2. `code` is the HTTP status. The message says what, where and what to do; `faults` are the places in the document.
"""

from collections.abc import Iterable
from typing import ClassVar

from worker.domain.faults import Fault


class SchemaError(Exception):
    """The service refused."""

    code: ClassVar[int] = 500

    def __init__(self, message: str, faults: Iterable[Fault] = ()) -> None:
        self.message = message
        self.faults = tuple(faults)
        super().__init__(message)

    def __str__(self) -> str:
        return "; ".join([self.message, *map(str, self.faults)])


class BadRequest(SchemaError):
    """The request cannot be read: broken JSON, a query with a fault, a parameter out of range."""

    code = 400


class Unauthorized(SchemaError):
    """No token, or one that is unknown, expired or revoked."""

    code = 401


class Forbidden(SchemaError):
    """The token's scopes do not cover this."""

    code = 403


class NotFound(SchemaError):
    """There is no such document for this tenant, or it was deleted."""

    code = 404


class Conflict(SchemaError):
    """The id or the name is taken, or something still needs the document."""

    code = 409


class Stale(SchemaError):
    """The document is not as the caller saw it: If-Match names another modifiedAt."""

    code = 412


class TooLarge(SchemaError):
    """The body is larger than is read."""

    code = 413


class Invalid(SchemaError):
    """The document breaks rules. `faults` has every one."""

    code = 422


class TooManyRequests(SchemaError):
    """More requests than this token may make. `retry_after`: seconds to wait."""

    code = 429

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(SchemaError):
    """The database is away, or the connection broke while it was asked. Reading is safe to try again."""

    code = 503


ERRORS: dict[int, type[SchemaError]] = {
    kind.code: kind
    for kind in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        Stale,
        TooLarge,
        Invalid,
        TooManyRequests,
        Unavailable,
    )
}
"""By HTTP status."""
