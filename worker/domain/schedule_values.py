"""The values of a `schedule`: dates, times, durations and zones as people write them.

Each reader takes what stands in the document and raises ValueError; a remedy follows its semicolon.
"""

import re
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from worker.domain.addresses import find_timezone, is_timezone
from worker.domain.durations import parse_duration, parse_time_of_day

CONTACT: Final = "contact"
_SHORTEST_GRACE: Final = timedelta(minutes=1)
_FIRST: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - local times of no zone, here and below
_LAST: Final = datetime(2199, 12, 31, 23, 59)  # noqa: DTZ001
_DATE_ONLY: Final = re.compile(r"[\d-]+|\d{4}-?W\d\d(-?\d)?", re.ASCII)
_MOST_BLACKOUTS: Final = 1000


def has_time(value: Any) -> bool:
    """Whether a date is written with a time of day."""
    return not _DATE_ONLY.fullmatch(str(value).strip())


def read_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text; put it in quotes")
    return value


def read_moment(value: Any) -> datetime:
    """A local time, or an instant where an offset is written; to the minute."""
    text = read_text(value).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date and time; write it like 2026-12-01T09:00") from None
    if not has_time(text):
        raise ValueError("has no time of day; write it like 2026-12-01T09:00")
    return _in_range(moment.replace(second=0, microsecond=0))


def read_begin(value: Any) -> datetime:
    """A local time; of a date, its begin."""
    text = read_text(value).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date; write it like 2026-12-01, or 2026-12-01T09:00") from None
    if moment.tzinfo is not None:
        raise ValueError("has an offset; dates of a schedule are local, so leave it out")
    return _in_range(moment.replace(second=0, microsecond=0))


def read_end(value: Any) -> datetime:
    """A local time; of a date, its end."""
    moment = read_begin(value)
    return moment if has_time(value) else moment.replace(hour=23, minute=59)


def _in_range(moment: datetime) -> datetime:
    if not _FIRST <= moment.replace(tzinfo=None) <= _LAST:
        raise ValueError(f"is out of range; from {_FIRST.year} to {_LAST.year}")
    return moment


def read_blackout(value: Any) -> tuple[tuple[date, date], ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or len(items) > _MOST_BLACKOUTS:
        raise ValueError("must be a list of dates; write [2026-12-25, 2026-12-31/2027-01-01]")
    return tuple(_days(item) for item in items)


def _days(item: Any) -> tuple[date, date]:
    begin, slash, end = str(item).strip().partition("/")
    try:
        days = date.fromisoformat(begin), date.fromisoformat(end if slash else begin)
    except ValueError:
        raise ValueError("has something that is no date; write 2026-12-25, or 2026-12-31/2027-01-01") from None
    if days[1] < days[0]:
        raise ValueError("has days that end before they begin; write the earlier date first")
    return days


def read_timezone(value: Any) -> str:
    name = read_text(value).strip()
    if name != CONTACT and not is_timezone(name):
        meant = find_timezone(name)
        raise ValueError(f"is no time zone; write {meant or 'Europe/Berlin'}, or contact for each person's own")
    return name


def read_grace(value: Any) -> timedelta:
    grace = _duration(value)
    if grace < _SHORTEST_GRACE:
        raise ValueError("is too short for anything to start in time; write at least 1 minute")
    return grace


def read_offset(value: Any) -> timedelta:
    """A duration with a sign: -7 days is before."""
    if isinstance(value, str) and value.strip()[:1] in ("-", "+"):
        sign, text = value.strip()[0], value.strip()[1:]
        return -_duration(text) if sign == "-" else _duration(text)
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        return -_duration(-value)
    return _duration(value)


def _duration(value: Any) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a duration; write 2 hours")  # noqa: TRY004 - one kind of fault
    return parse_duration(value)


def read_time_of_day(value: Any) -> time:
    return parse_time_of_day(read_text(value))
