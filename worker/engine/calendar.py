"""Moments and local times.

1. Every moment is aware, in UTC and on a whole millisecond, so that what is stored is what was decided.
2. A day is 24 hours. Who wants the same time of day says `at`.
3. A local time that a clock change leaves out becomes the first instant after the gap; one it repeats means the first.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """An ISO 8601 date-time, or a date (its first instant). Without an offset it is local to `zone`. ValueError."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            return at_local(moment.date(), moment.time(), zone)
        return whole_millis(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError("is no ISO date-time like 2026-03-01T10:00:00-05:00") from None


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name, or None where there is no such zone."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def next_local(after: datetime, at: time, zone: ZoneInfo, *, or_equal: bool = False) -> datetime:
    """The first moment after `after` (or equal to it) at which a clock in `zone` shows `at`."""
    day = after.astimezone(zone).date()
    while True:
        moment = at_local(day, at, zone)
        if moment > after or (or_equal and moment == after):
            return moment
        day += timedelta(days=1)


def at_local(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When a clock in `zone` shows `at` on `day`, by rule 3."""
    wanted = datetime.combine(day, at, tzinfo=zone)
    moment = wanted.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wanted.replace(tzinfo=None):
        return whole_millis(moment)
    return _end_of_gap(wanted.replace(fold=1).astimezone(UTC), moment, zone)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant between the two at which the offset of the zone changes, to the second."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // timedelta(seconds=2) * timedelta(seconds=1)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return whole_millis(after)


def after(now: datetime, distance: timedelta, speed: float) -> datetime:
    """`distance` from now; in a rehearsal, `speed` seconds pass in one."""
    return whole_millis(now + max(distance, timedelta(0)) / speed)


def whole_millis(moment: datetime) -> datetime:
    """The moment without what a millisecond count cannot hold."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
