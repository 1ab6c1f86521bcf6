"""Request bodies: JSON, read strictly.

1. A body is counted as it streams in, whatever Content-Length says; past a megabyte it is refused and not kept.
2. What two readers could understand differently is refused: a key that is there twice, numbers that are not kept
   exactly, NaN, NUL, half of a surrogate pair. So is nesting that no document needs, before anything is built of it.
3. Each refusal says where, as far as that can be told, and repeats nothing that was sent but keys.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from itertools import accumulate, islice
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from worker.domain.faults import Fault, Path
from worker.schema.errors import BadRequest, TooLarge

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 64
MAX_WHOLE: Final = 2**53
"""Past it many JSON readers, JavaScript's among them, round a whole number."""

_FAULTS_TOLD: Final = 20
_DIGITS_READ: Final = 18
"""Of a whole number; one that has as many is past MAX_WHOLE already."""

_NO_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++', re.DOTALL)
"""A text, closed or not, or what stands between texts and brackets. It never goes back, so nothing makes it slow."""

_STEP: Final = {"{": 1, "[": 1, "}": -1, "]": -1}
_UNKEPT: Final = re.compile("[\0\ud800-\udfff]")


class _KeyTwice(dict[str, Any]):
    """An object in which a key is there twice."""

    key: str


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


def json_list(body: Annotated[bytes, Depends(read_body)]) -> list[Any]:
    """The body of a request, as an array."""
    return parse_list(body)


def _too_large() -> TooLarge:
    return TooLarge(f"the body is larger than {MAX_BYTES:,} bytes; send less at once")


def _parse(body: bytes) -> Any:
    text = _decoded(body)
    if not text.strip():
        raise BadRequest("the body is empty; send JSON")
    if _depth(text) > MAX_DEPTH:
        raise BadRequest(f"the body is nested deeper than {MAX_DEPTH} levels; no document needs that")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_whole)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"the body is not JSON: {error.msg.removesuffix(' at').lower()} at {place}") from None
    if faults := list(islice(_faults(value, ()), _FAULTS_TOLD)):
        raise BadRequest("the body holds what cannot be kept as it is", faults)
    return value


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8: byte {error.start} cannot be read; encode it as UTF-8") from None


def _depth(text: str) -> int:
    """How deep the brackets outside of texts are nested."""
    return max(accumulate(_STEP[bracket] for bracket in _NO_BRACKETS.sub("", text)), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    twice = _KeyTwice(value)
    twice.key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return twice


def _whole(digits: str) -> int:
    """A whole number; of one that is too large its beginning, which is too large as well."""
    return int(digits[:_DIGITS_READ])


def _faults(value: Any, path: Path) -> Iterator[Fault]:
    """What is in a value that cannot be kept as it is. No deeper than MAX_DEPTH, so it may call itself."""
    match value:
        case dict():
            yield from _faults_of_object(value, path)
        case list():
            for index, item in enumerate(value):
                yield from _faults(item, (*path, index))
        case str() if _UNKEPT.search(value):
            yield _unkept_text(path, "the text")
        case int() if abs(value) > MAX_WHOLE:
            yield Fault(path, "is a whole number past 2^53, which many readers round", "write it as text")
        case float() if not math.isfinite(value):
            yield Fault(path, "is no finite number", "leave it out, or write it as text")


def _faults_of_object(value: dict[str, Any], path: Path) -> Iterator[Fault]:
    if isinstance(value, _KeyTwice):
        yield Fault(_under(path, value.key), "is there twice", "keep one of them")
    for key, item in value.items():
        if _UNKEPT.search(key):
            yield _unkept_text(path, "a key")
        yield from _faults(item, _under(path, key))


def _under(path: Path, key: str) -> Path:
    """The place of a key; one that cannot be written out is not named."""
    return (*path, _UNKEPT.sub("\ufffd", key))


def _unkept_text(path: Path, what: str) -> Fault:
    return Fault(path, f"{what} has a NUL or half of a surrogate pair", "take it out")


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
