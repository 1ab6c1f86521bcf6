"""When somebody's own date is due: the value of a field, moved by the schedule's offset, in the person's zone. Pure.

1. A value is a date (2026-12-20), a date and time, with an offset or local to the person, or milliseconds since 1970.
2. With a `time` the date is what counts; without one the value must have a time of its own.
3. The entry names the date somebody is enrolled for: who moves an appointment is enrolled for the new one, too.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from worker.domain.schedule import ContactDate, Schedule
from worker.engine.calendar import at_local, whole_millis

_MILLIS: Final = re.compile(r"-?\d{11,14}", re.ASCII)
"""From 1973 on. Eight digits are a date, ten a count of seconds, which is refused."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{8}", re.ASCII)


class NotDue(StrEnum):
    """Why somebody has no moment."""

    NO_DATE = "has no date"
    UNREADABLE = "has something that is no date; write 2026-12-20, 2026-12-20T15:30 or milliseconds since 1970"
    NO_TIME = "has a date without a time of day, and the schedule names no time"
    EXCLUDED = "has a date on which nothing may start, by start, end or blackout"


@dataclass(frozen=True, slots=True)
class Due:
    """When somebody is due, and the name of the date for it."""

    entry: str
    at: datetime


def due_of(schedule: Schedule, timing: ContactDate, value: Any, zone: ZoneInfo) -> Due | NotDue:
    """When the person with this value in the field is due; `zone` is the person's."""
    if value is None or value == "":
        return NotDue.NO_DATE
    try:
        found = _read(value, zone)
        if found is None:
            return NotDue.UNREADABLE
        due = _moved(timing, found, zone)
        if due is None:
            return NotDue.NO_TIME
        wall = due.at.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return NotDue.UNREADABLE
    return due if schedule.allows(wall) else NotDue.EXCLUDED


def _moved(timing: ContactDate, found: date | datetime, zone: ZoneInfo) -> Due | None:
    day = found.astimezone(zone).date() if isinstance(found, datetime) else found
    if timing.at is not None:
        return Due(day.isoformat(), at_local(day + timing.offset, timing.at, zone))
    if not isinstance(found, datetime):
        return None
    return Due(found.isoformat(timespec="minutes"), whole_millis(found + timing.offset))


def _read(value: Any, zone: ZoneInfo) -> date | datetime | None:
    """A date, or an instant in UTC; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = value.strip() if isinstance(value, str) else str(int(value)) if _is_whole(value) else ""
    if _MILLIS.fullmatch(text):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
    try:
        if not isinstance(value, str):
            return None
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return at_local(moment.date(), moment.time(), zone)
    return moment.astimezone(UTC)


def _is_whole(value: float) -> bool:
    return abs(value) < 10**15 and value == int(value)
