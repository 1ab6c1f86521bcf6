"""What comes again by a rule: RRULE (RFC 5545) and cron. Both give local times, what a clock on the wall shows.

1. A rule knows no zone: which instant a local time is, is said by who reads it in a zone (`engine/schedule.py`).
2. Whole minutes only, and no two times are closer than SHORTEST: each one contacts a whole audience.
3. Nothing is looked for further than HORIZON ahead, so that a rule nothing answers to ends.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final

from cronsim import CronSim, CronSimError
from dateutil.rrule import rrule, rrulestr

HORIZON: Final = timedelta(days=5 * 366)
SHORTEST: Final = timedelta(minutes=15)
MOST: Final = 10_000
"""The largest COUNT; what comes oftener has an end that is a date."""

_OF_ALL: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYMONTH", "BYDAY", "BYHOUR", "BYMINUTE"})
_OF_MONTHS: Final = _OF_ALL | {"BYMONTHDAY", "BYSETPOS"}
_PARTS_OF: Final = {
    "YEARLY": _OF_MONTHS | {"BYWEEKNO", "BYYEARDAY"},
    "MONTHLY": _OF_MONTHS,
    "WEEKLY": _OF_ALL,
    "DAILY": _OF_ALL,
}
"""The parts each frequency may have. With others a daily rule could look for a day that never comes for very long."""
_DAYS: Final = "MO|TU|WE|TH|FR|SA|SU"
_RANGES: Final = {
    "INTERVAL": (1, 1000, False),
    "COUNT": (1, MOST, False),
    "BYMONTH": (1, 12, False),
    "BYWEEKNO": (1, 53, True),
    "BYYEARDAY": (1, 366, True),
    "BYMONTHDAY": (1, 31, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSETPOS": (1, 366, True),
}
"""The parts of an RRULE that are numbers: the least, the greatest, and whether it may be counted from the end."""
_LISTS: Final = frozenset(key for key in _RANGES if key.startswith("BY"))


@dataclass(frozen=True, slots=True)
class Rrule:
    """A rule of RFC 5545 that counts from `start`. COUNT and UNTIL are apart: `rest` is the rule without them."""

    rest: str
    start: datetime
    count: int | None
    until: datetime | None

    @property
    def ends(self) -> bool:
        """Whether the rule itself says when it is over."""
        return self.count is not None or self.until is not None

    def walls(self, after: datetime) -> Iterator[datetime]:
        """The local times after this one, within HORIZON of it (or of the start, if that is later)."""
        limit = max(after, self.start) + HORIZON
        until = limit if self.until is None else min(limit, self.until)
        times = _rule(self.rest, self.start).replace(until=until)
        return (wall for wall in islice(times, self.count) if wall > after)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, read as Debian's cron does."""

    text: str

    def walls(self, after: datetime) -> Iterator[datetime]:
        """The local times after this one, within HORIZON of it."""
        limit = after + HORIZON
        for wall in CronSim(self.text, after):
            if wall > limit:
                return
            yield wall


@lru_cache(maxsize=256)
def parse_rrule(text: str, start: datetime) -> Rrule:
    """An RRULE that counts from a local time. Raises ValueError; a remedy follows its semicolon."""
    parts = _parts(text.strip().upper().removeprefix("RRULE:"))
    _check_words(parts)
    for key in _RANGES.keys() & parts:
        _check_numbers(key, parts[key])
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("has both COUNT and UNTIL; keep one of them")
    until = _until(parts.pop("UNTIL")) if "UNTIL" in parts else None
    count = int(parts.pop("COUNT")) if "COUNT" in parts else None
    rest = ";".join(f"{key}={value}" for key, value in parts.items())
    try:
        _rule(rest, start)
    except ValueError as error:
        raise ValueError(f"cannot be followed: {str(error).rstrip('.')}; write it like FREQ=WEEKLY;BYDAY=MO") from None
    found = Rrule(rest, start, count, until)
    _require_distance(found.walls(start - timedelta(minutes=1)))
    return found


@lru_cache(maxsize=256)
def parse_cron(text: str) -> Cron:
    """A cron expression. Raises ValueError; a remedy follows its semicolon."""
    fields = text.split()
    if len(fields) != len(("minute", "hour", "day of month", "month", "day of week")):
        raise ValueError("must have five fields; minute, hour, day of month, month, day of week, like 0 9 * * 1")
    cron = Cron(" ".join(fields))
    try:
        _require_distance(cron.walls(datetime(2026, 1, 1)))  # noqa: DTZ001 - a local time of no zone
    except CronSimError as error:
        part = str(error).removeprefix("Bad ")
        raise ValueError(f"has a {part} that is none, or that never comes; write it like 0 9 * * 1") from None
    return cron


def _rule(rest: str, start: datetime) -> rrule:
    found = rrulestr(rest, dtstart=start)
    assert isinstance(found, rrule)  # noqa: S101 - a set needs more than one line
    return found


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        key, sign, value = (word.strip() for word in part.partition("="))
        if not sign or not value:
            raise ValueError(f"has a part {part[:40]!r} that is no KEY=VALUE; write it like FREQ=WEEKLY;BYDAY=MO")
        if key in parts:
            raise ValueError(f"names {key} twice; keep one")
        parts[key] = value
    return parts


def _check_words(parts: dict[str, str]) -> None:
    frequency = parts.get("FREQ", "")
    if frequency in ("HOURLY", "MINUTELY", "SECONDLY"):
        raise ValueError(f"comes too often with FREQ={frequency}; write FREQ=DAILY;BYHOUR=9,13;BYMINUTE=0,30")
    if frequency not in _PARTS_OF:
        raise ValueError(f"needs a FREQ; one of {', '.join(_PARTS_OF)}")
    for key in parts:
        if key in ("DTSTART", "EXDATE"):
            raise ValueError(
                f"names {key}; that is the key {'start' if key == 'DTSTART' else 'blackout'} of a schedule"
            )
        if key not in _PARTS_OF[frequency]:
            known = ", ".join(sorted(_PARTS_OF[frequency]))
            raise ValueError(f"has a part {key[:20]!r} that a {frequency} rule has not; there are {known}")
    numbered = r"[+-]?\d{0,2}" if frequency in ("MONTHLY", "YEARLY") else ""
    if "BYDAY" in parts and not re.fullmatch(rf"{numbered}({_DAYS})(,{numbered}({_DAYS}))*", parts["BYDAY"], re.ASCII):
        raise ValueError("has a BYDAY that is none; write MO,TH, or with FREQ=MONTHLY 1MO for the first Monday")
    if "WKST" in parts and not re.fullmatch(_DAYS, parts["WKST"]):
        raise ValueError("has a WKST that is no day; write WKST=MO")


def _check_numbers(key: str, value: str) -> None:
    least, greatest, signed = _RANGES[key]
    words = value.split(",") if key in _LISTS else [value]
    for word in words:
        digits = word[1:] if signed and word[:1] in ("+", "-") else word
        if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(MOST))):
            raise ValueError(f"has {key} that is no number; write {key}={least}")
        if not least <= int(digits) <= greatest:
            raise ValueError(f"has {key} out of range; from {least} to {greatest}")


def _until(text: str) -> datetime:
    """The last local time of a rule. A date includes its day."""
    if text.endswith("Z"):
        raise ValueError("has an UNTIL in UTC; a schedule is in local time, so leave the Z out")
    try:
        if re.fullmatch(r"\d{8}", text, re.ASCII):
            return datetime.strptime(f"{text}T235959", "%Y%m%dT%H%M%S")  # noqa: DTZ007 - a local time
        return datetime.strptime(text, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - a local time
    except ValueError:
        raise ValueError("has an UNTIL that is no date; write UNTIL=20270630 or UNTIL=20270630T090000") from None


def _require_distance(walls: Iterator[datetime]) -> None:
    """Refuse what comes too often. Some hundred times show every distance a rule has within a day."""
    if any(later - earlier < SHORTEST for earlier, later in pairwise(islice(walls, 400))):
        minutes = int(SHORTEST.total_seconds() // 60)
        raise ValueError(f"comes more often than every {minutes} minutes; each time is a launch over a whole audience")
