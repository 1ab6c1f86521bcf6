"""JSON read strictly: what two readers could understand differently is refused.

1. Refused are a key that is there twice, numbers that are not kept exactly, NaN, NUL, half of a surrogate pair, and
   nesting that no document needs, before anything is built of it.
2. Each refusal says where, as far as that can be told, and repeats nothing that was sent but keys.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, islice
from typing import Any, Final

from worker.domain.faults import Fault, Path

MAX_DEPTH: Final = 64
MAX_WHOLE: Final = 2**53
"""Past it many JSON readers, JavaScript's among them, round a whole number."""

_FAULTS_TOLD: Final = 20
_DIGITS_READ: Final = 18
"""Of a whole number; one that has as many is past MAX_WHOLE already."""
_KEY_SHOWN: Final = 60

_NO_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++', re.DOTALL)
"""A text, closed or not, or what stands between texts and brackets. It never goes back, so nothing makes it slow."""

_STEP: Final = {"{": 1, "[": 1, "}": -1, "]": -1}
_UNKEPT: Final = re.compile("[\0\ud800-\udfff]")


class NotStrict(ValueError):
    """The text cannot be used. `line` and `column` count from 1, 0 where they are not known; `faults` have places."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.line, self.column, self.faults = line, column, faults


class _KeyTwice(dict[str, Any]):
    """An object in which a key is there twice."""

    key: str


def read(text: str) -> Any:
    """The value of a JSON text. Raises NotStrict."""
    if not text.strip():
        raise NotStrict("is empty")
    if _depth(text) > MAX_DEPTH:
        raise NotStrict(f"is nested deeper than {MAX_DEPTH} levels; no document needs that")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_whole)
    except json.JSONDecodeError as error:
        why = error.msg.removesuffix(" at").lower()
        raise NotStrict(f"is not JSON: {why}", line=error.lineno, column=error.colno) from None
    if faults := tuple(islice(_faults(value, ()), _FAULTS_TOLD)):
        raise NotStrict("holds what cannot be kept as it is", faults=faults)
    return value


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
    """The place of a key; what cannot be written out of it is not named."""
    return (*path, _UNKEPT.sub("\ufffd", key[:_KEY_SHOWN]))


def _unkept_text(path: Path, what: str) -> Fault:
    return Fault(path, f"{what} has a NUL or half of a surrogate pair", "take it out")
