"""What is asked of one field: a value or a range, read as the field's kind.

1. A value of another kind than the field's is a BadQuery where it stands, never a search that finds nothing.
2. A date is the whole of its day in UTC: `[2026-11-01 TO 2026-11-30]` has the last evening in it, and `>2026-11-30`
   begins the day after. A time is a moment; without an offset it is UTC.
3. In a field searched by words several words are a phrase. With a wildcard among them, each is looked for by itself.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from worker.domain.search import (
    TERM_LENGTH,
    All,
    Between,
    Exists,
    FieldKind,
    Is,
    Matches,
    Query,
    Says,
    boolean_term,
    folded,
    keyword_pattern,
    keyword_term,
    number_term,
    word_patterns,
    words,
)
from worker.schema.query_syntax import BadQuery


@dataclass(frozen=True, slots=True)
class Value:
    """What was written, escapes resolved. `pieces`: text and wildcards in turn; one piece is a value without any."""

    pieces: tuple[str, ...] = field(repr=False)
    position: int
    quoted: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def is_pattern(self) -> bool:
        return len(self.pieces) > 1

    @property
    def is_open(self) -> bool:
        """Whether this is `*`."""
        return self.pieces == ("", "*", "")


@dataclass(frozen=True, slots=True)
class Limit:
    """One end of a range; an open one has no value."""

    value: Value | None
    inclusive: bool = True


def value_of_phrase(written: str, position: int) -> Value:
    """What stands between double quotes."""
    return Value((re.sub(r"\\(.)", r"\1", written[1:-1]),), position, quoted=True)


def value_of_word(written: str, position: int) -> Value:
    """What stands without quotes."""
    pieces = [""]
    for escaped, wildcard, text in re.findall(r"\\(.)|([*?])|([^\\*?]+)", written):
        if wildcard:
            pieces += [wildcard, ""]
        else:
            pieces[-1] += escaped or text
    return Value(tuple(pieces), position)


def has_value(name: str, kind: FieldKind, value: Value) -> Query:
    """A field has a value, or one of a pattern; `*` is any. Raises BadQuery."""
    if value.is_open:
        return Exists(name)
    if value.is_pattern and kind not in _PATTERNED:
        raise BadQuery(f"{name} takes no wildcards; {_EXAMPLES[kind].format(name)}", value.position)
    match kind:
        case FieldKind.WORDS:
            return _has_words(name, value)
        case FieldKind.KEYWORD:
            return _is_keyword(name, value)
        case FieldKind.EXACT:
            return Is(name, _not_empty(value.text.strip(), value))
        case FieldKind.NUMBER:
            return Is(name, _number(name, value))
        case FieldKind.TIME:
            start, end = _time(name, value)
            if start == end:
                return Is(name, number_term(start))
            return Between(name, number_term(start), number_term(end), with_high=False)
        case FieldKind.BOOLEAN:
            return Is(name, _boolean(name, value))
        case _:
            assert_never(kind)


def has_between(name: str, kind: FieldKind, low: Limit, high: Limit, position: int) -> Query:
    """A field has a value in a range. Raises BadQuery."""
    if low.value is None and high.value is None:
        return Exists(name)
    if kind not in _RANGED:
        raise BadQuery(f"{name} has no ranges, only numbers, times and keywords do", position)
    least, with_low = _limit(name, kind, low, upper=False)
    most, with_high = _limit(name, kind, high, upper=True)
    return Between(name, least, most, with_low, with_high)


_PATTERNED: Final = (FieldKind.WORDS, FieldKind.KEYWORD)
_RANGED: Final = (FieldKind.NUMBER, FieldKind.TIME, FieldKind.KEYWORD)
_EXAMPLES: Final = {
    FieldKind.EXACT: "write the whole value, {}:* for any",
    FieldKind.NUMBER: "write digits, like {0}:5 or {0}:[1 TO 5]",
    FieldKind.TIME: "write a date like {}:2026-11-23, a time like 2026-11-23T10:00:00Z, or milliseconds since 1970",
    FieldKind.BOOLEAN: "write {0}:true or {0}:false",
}


def _has_words(name: str, value: Value) -> Query:
    if value.is_pattern:
        found = tuple(_matches(name, pattern, value) for pattern in word_patterns(value.pieces))
    else:
        said = words(value.text)
        found = (Says(name, said),) if len(said) > 1 else tuple(Is(name, keyword_term(word)) for word in said)
    if not found:
        raise BadQuery("no letter and no digit to look for; write a word", value.position)
    return found[0] if len(found) == 1 else All(found)


def _is_keyword(name: str, value: Value) -> Query:
    if value.is_pattern:
        return _matches(name, keyword_pattern(value.pieces), value)
    return Is(name, _not_empty(keyword_term(value.text), value))


def _matches(name: str, pattern: tuple[str, ...], value: Value) -> Query:
    if len(pattern) == 1:
        return Is(name, keyword_term(pattern[0]))
    if not pattern[0]:
        raise BadQuery("a wildcard cannot come first; begin with what is known, like Hol*", value.position)
    if sum(map(len, pattern[::2])) > TERM_LENGTH:
        raise BadQuery(f"a pattern has {TERM_LENGTH} characters at most; shorten it", value.position)
    return Matches(name, pattern)


def _not_empty(term: str, value: Value) -> str:
    if not term:
        raise BadQuery("an empty value; NOT _exists_:field finds what is not set", value.position)
    return term


def _limit(name: str, kind: FieldKind, limit: Limit, *, upper: bool) -> tuple[str | None, bool]:
    """The term a range ends with, and whether it is in the range."""
    value = limit.value
    if value is None:
        return None, True
    if value.is_pattern:
        raise BadQuery("a range has no wildcards; write * alone for no limit", value.position)
    if kind is FieldKind.NUMBER:
        return _number(name, value), limit.inclusive
    if kind is FieldKind.KEYWORD:
        return _not_empty(keyword_term(value.text), value), limit.inclusive
    start, end = _time(name, value)
    if start == end:
        return number_term(start), limit.inclusive
    return number_term(end if upper == limit.inclusive else start), not upper


def _number(name: str, value: Value) -> str:
    text = value.text.strip()
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise _fault(name, FieldKind.NUMBER, "a number", value)
    return number_term(number)


def _boolean(name: str, value: Value) -> str:
    text = folded(value.text)
    if text not in (boolean_term(True), boolean_term(False)):
        raise _fault(name, FieldKind.BOOLEAN, "true or false", value)
    return text


def _time(name: str, value: Value) -> tuple[int, int]:
    """The first millisecond of what was written and the first one after it; of a moment, twice the same."""
    text = value.text.strip().upper()
    if _MILLIS.fullmatch(text):
        return _moment(name, int(text), value)
    try:
        start = (_utc(datetime.fromisoformat(text)) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        raise _fault(name, FieldKind.TIME, "a time", value) from None
    return start, start + _DAY if _DATE.fullmatch(text) else start


def _moment(name: str, millis: int, value: Value) -> tuple[int, int]:
    if 0 < abs(millis) < _EARLIEST_MILLIS:
        raise BadQuery(f"{name} looks like seconds; write milliseconds since 1970, seconds times 1000", value.position)
    if abs(millis) > _LATEST_MILLIS:
        raise BadQuery(f"{name} is past the year 9999; write * for no limit", value.position)
    return millis, millis


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _fault(name: str, kind: FieldKind, expected: str, value: Value) -> BadQuery:
    return BadQuery(f"{name} is {expected}; {_EXAMPLES[kind].format(name)}", value.position)


_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(E[+-]?[0-9]+)?", re.IGNORECASE)
_MILLIS: Final = re.compile(r"[+-]?[0-9]+")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 24 * 60 * 60 * 1000
_EARLIEST_MILLIS: Final = 100_000_000_000
"""1973 in milliseconds, the year 5138 in seconds: below it, somebody counted seconds."""
_LATEST_MILLIS: Final = 253_402_300_799_999
