"""What a segment asks of an attribute: a value or a range, as what is written tells what it is.

1. Digits are a number: `score:>10` finds 11, and the text "11". What stands in quotes is a text, digits or not.
2. A date like 2026-12-31 is a text that begins with it: `[2026-12-01 TO 2026-12-31]` has the last evening in it.
3. Everything else is a text, folded: upper or lower case is the same.
"""

import re
from typing import Final

from worker.domain.search import Attribute, Between, Exists, FieldKind, Is, Matches, Query, after_prefix, number_term
from worker.schema.query_syntax import BadQuery
from worker.schema.query_values import Limit, Value, has_between, has_value

_LONGEST_NAME: Final = 200
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_DIGITS: Final = 15
"""Of so many a number is exact; what is longer is an id, and compared as a text."""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def attribute_name(written: Value) -> str:
    """The name of an attribute. Raises BadQuery."""
    if written.is_pattern or not written.text or len(written.text) > _LONGEST_NAME:
        raise BadQuery("a field has a name without wildcards; write \\* for the sign itself", written.position)
    return written.text


def is_number(value: Value) -> bool:
    """Whether a value is compared as a number."""
    return _kind(value) is FieldKind.NUMBER


def attribute_has(name: str, value: Value) -> Query:
    """An attribute has a value, or one of a pattern; `*` is any. Raises BadQuery."""
    match _kind(value):
        case FieldKind.NUMBER:
            return Attribute(FieldKind.NUMBER, Is(name, number_term(float(value.text))))
        case FieldKind.TIME:
            return Attribute(FieldKind.TIME, Between(name, value.text, after_prefix(value.text), with_high=False))
        case _:
            return _of_text(has_value(name, FieldKind.KEYWORD, value))


def attribute_between(name: str, low: Limit, high: Limit, position: int) -> Query:
    """An attribute has a value in a range. Raises BadQuery."""
    kinds = {_kind(limit.value) for limit in (low, high) if limit.value is not None}
    if len(kinds) > 1:
        raise BadQuery("a range goes from a number to a number, a date to a date or a text to a text", position)
    if FieldKind.NUMBER in kinds:
        return Attribute(FieldKind.NUMBER, _numbers(name, low, high))
    if FieldKind.TIME in kinds:
        return Attribute(FieldKind.TIME, _dates(name, low, high))
    return _of_text(has_between(name, FieldKind.KEYWORD, low, high, position))


def _kind(value: Value) -> FieldKind:
    if value.quoted or value.is_pattern:
        return FieldKind.KEYWORD
    if _NUMBER.fullmatch(value.text) and sum(map(str.isdigit, value.text)) <= _DIGITS:
        return FieldKind.NUMBER
    return FieldKind.TIME if _DATE.fullmatch(value.text) else FieldKind.KEYWORD


def _of_text(query: Query) -> Attribute:
    assert isinstance(query, Is | Between | Matches | Exists)  # noqa: S101 - what keywords are asked by
    return Attribute(FieldKind.KEYWORD, query)


def _numbers(name: str, low: Limit, high: Limit) -> Between:
    least, most = (number_term(float(end.value.text)) if end.value else None for end in (low, high))
    return Between(name, least, most, low.inclusive, high.inclusive)


def _dates(name: str, low: Limit, high: Limit) -> Between:
    """A date is all that begins with it: the day, and every moment written as of that day."""
    least, most = (end.value.text if end.value else None for end in (low, high))
    if least is not None and not low.inclusive:
        least = after_prefix(least)
    if most is not None and high.inclusive:
        most = after_prefix(most)
    return Between(name, least, most, with_low=True, with_high=False)
