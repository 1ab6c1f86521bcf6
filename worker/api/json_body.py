"""Request bodies: JSON, read strictly.

A body is counted as it streams in, whatever Content-Length says; past a megabyte it is refused and not kept.
"""

from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from worker.domain.faults import Fault
from worker.schema import strict_json
from worker.schema.errors import BadRequest, TooLarge
from worker.schema.strict_json import NotStrict

MAX_BYTES: Final = 1_000_000
_DIGITS_READ: Final = 18
"""Of a Content-Length; one that has as many is past MAX_BYTES already."""


async def read_body(request: Request) -> bytes:
    """The body as it came. Raises TooLarge."""
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and int(stated[:_DIGITS_READ]) > MAX_BYTES:
        raise _too_large()
    chunks, size = [], 0
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise _too_large()
            chunks.append(chunk)
    return b"".join(chunks)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object a body holds. Raises BadRequest."""
    value = _parse(body)
    if not isinstance(value, dict):
        raise BadRequest("the body must be one JSON object", [Fault((), f"is {_named(value)}", "write {…}")])
    return value


def parse_list(body: bytes) -> list[Any]:
    """The JSON array a body holds. Raises BadRequest."""
    value = _parse(body)
    if not isinstance(value, list):
        raise BadRequest("the body must be one JSON array", [Fault((), f"is {_named(value)}", "write [{…}, {…}]")])
    return value


def json_object(body: Annotated[bytes, Depends(read_body)]) -> dict[str, Any]:
    """The body of a request, as an object. FastAPI runs this in a thread: reading takes a while."""
    return parse_object(body)


def json_object_if_any(body: Annotated[bytes, Depends(read_body)]) -> dict[str, Any]:
    """The same where a request needs no body: without one an empty object."""
    return parse_object(body) if body else {}


def json_list(body: Annotated[bytes, Depends(read_body)]) -> list[Any]:
    """The body of a request, as an array."""
    return parse_list(body)


def json_objects(body: Annotated[bytes, Depends(read_body)]) -> tuple[list[Any], bool]:
    """The body as a list, and whether it was one value alone."""
    value = _parse(body)
    return (value, False) if isinstance(value, list) else ([value], True)


def _too_large() -> TooLarge:
    return TooLarge(f"the body is larger than {MAX_BYTES:,} bytes; send less at once")


def _parse(body: bytes) -> Any:
    try:
        return strict_json.read(body.decode())
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8: byte {error.start} cannot be read; encode it as UTF-8") from None
    except NotStrict as error:
        place = f" at line {error.line}, column {error.column}" if error.line else ""
        raise BadRequest(f"the body {error}{place}", error.faults) from None


def _named(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return "a text"
        case bool() | None:
            return "true, false or null"
        case _:
            return "a number"
