"""How values are stored: times as milliseconds since 1970 UTC, documents as JSON text; the same on both databases."""

import os
import time
from base64 import b32encode
from datetime import UTC, datetime
from typing import Any, Final

import orjson


def millis(moment: datetime) -> int:
    """Milliseconds since 1970. The moment must be aware."""
    return round(moment.timestamp() * 1000)


def millis_or_none(moment: datetime | None) -> int | None:
    """The same for a moment that may be absent."""
    return None if moment is None else millis(moment)


def moment(value: int) -> datetime:
    """The inverse of `millis`."""
    return datetime.fromtimestamp(value / 1000, UTC)


def moment_or_none(value: int | None) -> datetime | None:
    """The same for a column that may be NULL."""
    return None if value is None else moment(value)


def to_json(value: Any) -> str:
    """JSON text with sorted keys, so that equal documents are equal text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def from_json(text: str) -> Any:
    """The inverse of `to_json`."""
    return orjson.loads(text)


def new_id() -> str:
    """A ULID: 26 characters that sort by the millisecond they were made (github.com/ulid/spec).

    Its 128 bits are written as 26 digits of 5 bits, two zero bits in front; six behind fill up the last byte. A claim
    draws hundreds: this costs a microsecond, the library three.
    """
    bits = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return b32encode((bits << 6).to_bytes(17))[:26].translate(_CROCKFORD).decode()


def new_ids(count: int) -> list[str]:
    """As many at once, in order: all begin like one that is drawn, the last digits count. A tenth of the price."""
    head = ""
    made = []
    for place in range(count):
        if place % _COUNTED == 0:
            head = new_id()[: -2 * _DIGITS]
        made.append(f"{head}{_SUFFIXES[place // len(_SUFFIXES) % len(_SUFFIXES)]}{_SUFFIXES[place % len(_SUFFIXES)]}")
    return made


_BASE32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _BASE32.encode())

_DIGITS: Final = 2
_SUFFIXES: Final = tuple(high + low for high in _BASE32 for low in _BASE32)
_COUNTED: Final = len(_SUFFIXES) ** 2
