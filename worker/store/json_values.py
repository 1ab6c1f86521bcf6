"""The values in a JSON text, as SQLite is given them: it has neither the letters nor the patterns to compare them by.

PostgreSQL computes the same in SQL (`dialect.values_at`); a test holds the two against each other.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from worker.domain.search import TERM_LENGTH, folded
from worker.store.codec import from_json, to_json

NUMBER: Final = r"^[+-]?[0-9]+(\.[0-9]+)?$"
"""A text that is compared as a number."""
LONGEST: Final = 250
"""Characters of a number. All of them fit into a double."""
_NUMBER: Final = re.compile(NUMBER.replace("$", r"\Z"), re.ASCII)

_Value = tuple[str, str | None, float | None]
"""Its kind, as JSON calls it; its text, folded; its number."""


def values(document: str, paths: str) -> str:
    """What stands at the first of these paths that leads anywhere; of a list, each item. JSON in, JSON out."""
    found = _at(from_json(document), from_json(paths))
    items = found if isinstance(found, list) else [found]
    return to_json([_read(item) for item in items if item is not None])


def kind(document: str, paths: str) -> str | None:
    """What stands there: object, array, string, number or boolean; None for nothing and for null."""
    found = _at(from_json(document), from_json(paths))
    return None if found is None else _kind(found)


def _at(document: Any, paths: Sequence[Sequence[str]]) -> Any:
    return next((found[0] for path in paths if (found := list(_follow(document, path)))), None)


def _follow(value: Any, path: Sequence[str]) -> Iterator[Any]:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return
        value = value[key]
    yield value


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _read(value: Any) -> _Value:
    match kind := _kind(value):
        case "string":
            return kind, folded(value)[:TERM_LENGTH], _number(value)
        case "boolean":
            return kind, "true" if value else "false", None
        case "number":
            return kind, None, _number(format(Decimal(repr(value)), "f"))
        case _:
            return kind, None, None


def _number(text: str) -> float | None:
    return float(text) if len(text) <= LONGEST and _NUMBER.match(text) else None
