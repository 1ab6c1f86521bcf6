"""Durations and times of day as people write them. A day is 24 hours."""

import re
from datetime import time, timedelta
from typing import Final

LONGEST: Final = timedelta(days=3660)
"""No wait is longer than ten years: a bound that keeps every sum inside what a datetime can hold."""

_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}
_TERM: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]+)(?:\s*,?\s*(?:and\s+)?|$)", re.ASCII)
_ISO: Final = re.compile(
    r"P(?:(\d{1,9}(?:\.\d{1,6})?)W)?(?:(\d{1,9}(?:\.\d{1,6})?)D)?"
    r"(?:T(?:(\d{1,9}(?:\.\d{1,6})?)H)?(?:(\d{1,9}(?:\.\d{1,6})?)M)?(?:(\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
_TIME_OF_DAY: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


def parse_time_of_day(text: str) -> time:
    """`10:00` or `10:00:30`. Raises ValueError."""
    match = _TIME_OF_DAY.fullmatch(text.strip())
    if match is None:
        raise ValueError('is no time of day; write "10:00", from 00:00 to 23:59')
    return time(int(match[1]), int(match[2]), int(match[3] or 0))


def parse_duration(value: str | float) -> timedelta:
    """A duration written as `2 days`, `1h 30m`, `PT36H`, or a number of seconds. Raises ValueError."""
    if isinstance(value, str):
        text = value.strip()
        length = _seconds(text) if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) else _iso(text) or _terms(text.lower())
    else:
        length = _seconds(value)
    if length is None or not timedelta(0) <= length <= LONGEST:
        raise ValueError("is no duration; write 2 days, 90 min, PT36H or a number of seconds, at most ten years")
    return length


def _seconds(value: str | float) -> timedelta | None:
    try:
        return timedelta(seconds=float(value))
    except (OverflowError, ValueError):
        return None


def _iso(text: str) -> timedelta | None:
    match = _ISO.fullmatch(text)
    if not match or not any(match.groups()):
        return None
    weeks, days, hours, minutes, seconds = (float(group or 0) for group in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def _terms(text: str) -> timedelta | None:
    total, position = timedelta(0), 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or match[2] not in _UNITS:
            return None
        try:
            total += float(match[1]) * _UNITS[match[2]]
        except OverflowError:
            return None
        position = match.end()
    return total if position else None
