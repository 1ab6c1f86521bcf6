"""When a campaign starts: its key `schedule`, read strictly. Every fault with its path and a remedy.

1. Exactly one of `at`, `rrule`, `cron` and `date` says when.
2. All dates and times are local: to the schedule's zone, to the installation's where it names none, and with
   `timezone: contact` to each person's own.
3. A rule of RFC 5545 counts from `start`, has its time of day from there or from BYHOUR, and has an end somewhere.
4. `start` and `end` are included, as days or to the minute. On a `blackout` date nothing starts.
5. What could never fire within five years is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, TypeVar

from worker.domain.base import closest
from worker.domain.faults import Fault
from worker.domain.recurrence import HORIZON, Cron, Rrule, parse_cron, parse_rrule
from worker.domain.schedule_values import (
    CONTACT,
    has_time,
    read_begin,
    read_blackout,
    read_end,
    read_grace,
    read_moment,
    read_offset,
    read_text,
    read_time_of_day,
    read_timezone,
)

T = TypeVar("T")

GRACE: Final = timedelta(hours=2)
_WAYS: Final = ("at", "rrule", "cron", "date")
_KEYS: Final = (*_WAYS, "timezone", "start", "end", "blackout", "grace")
_DATE_KEYS: Final = ("field", "offset", "time")
_SOME_DAY: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - a rule that is read without a clock needs a place to stand


@dataclass(frozen=True, slots=True)
class At:
    """Once: a local time, or an instant where an offset is written."""

    moment: datetime

    def walls(self, after: datetime) -> Iterator[datetime]:
        """The local time, if it is after this one. An instant is not asked."""
        return iter([self.moment] if self.moment > after else [])


@dataclass(frozen=True, slots=True)
class ContactDate:
    """A date each person has in a field, moved by `offset`.

    With `at` it is that many whole days from the date, at that time of day; without, `offset` from the very moment.
    """

    field: str
    offset: timedelta = timedelta(0)
    at: time | None = None


Timing = At | Rrule | Cron | ContactDate


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a campaign starts. `timezone`: IANA, "" for the installation's; `per_contact`: each person's own instead.

    `first` and `last` are the local times between which it may start, both included. `blackout`: from and to, days.
    """

    timing: Timing
    timezone: str = ""
    per_contact: bool = False
    first: datetime | None = None
    last: datetime | None = None
    blackout: tuple[tuple[date, date], ...] = ()
    grace: timedelta = GRACE

    @property
    def has_dates(self) -> bool:
        """Whether each person has a date of their own; else the campaign has times at which it starts."""
        return isinstance(self.timing, ContactDate)

    def allows(self, wall: datetime) -> bool:
        """Whether something may start at this local time."""
        if (self.first and wall < self.first) or (self.last and wall > self.last):
            return False
        return not any(begin <= wall.date() <= end for begin, end in self.blackout)

    def walls(self, after: datetime) -> Iterator[datetime]:
        """The local times after this one at which it starts, in order; none of a `date`, which has them per person."""
        if isinstance(self.timing, ContactDate):  # as `has_dates`
            return iter(())
        begin = after if self.first is None else max(after, self.first - timedelta(seconds=1))
        return self._allowed(self.timing.walls(begin))

    def _allowed(self, walls: Iterator[datetime]) -> Iterator[datetime]:
        for wall in walls:
            if self.last and wall > self.last:
                return
            if self.allows(wall):
                yield wall


def read_schedule(written: Any) -> tuple[Schedule | None, list[Fault]]:
    """The schedule of a campaign, None where it has none; and everything that is wrong with it."""
    if written is None:
        return None, []
    if not isinstance(written, Mapping):
        return None, [Fault((), "must be a map of keys", 'write it like {cron: "0 9 * * 1"}')]
    reader = _Reader(written)
    schedule = reader.read()
    return (None if reader.faults else schedule), reader.faults


class _Reader:
    """Reads one map; gathers faults instead of stopping at the first."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        self.written = {key: value for key, value in written.items() if value is not None}
        self.faults: list[Fault] = []

    def read(self) -> Schedule | None:
        self._refuse_unknown(self.written, _KEYS)
        named = [way for way in _WAYS if way in self.written]
        if len(named) != 1:
            message = f"names {' and '.join(named)}" if named else "does not say when"
            self.faults.append(Fault((), message, f"write exactly one of {', '.join(_WAYS)}"))
        first = self._take("start", read_begin)
        last = self._take("end", read_end)
        if first and last and last < first:
            self.faults.append(Fault(("end",), "is before start", "swap them"))
        grace = self._take("grace", read_grace)
        blackout = self._take("blackout", read_blackout)
        zone = self._take("timezone", read_timezone)
        timing = self._timing(named[0], first, last) if len(named) == 1 else None
        if timing is None or self.faults:
            return None
        schedule = Schedule(
            timing=timing,
            timezone="" if zone == CONTACT else zone or "",
            per_contact=zone == CONTACT or isinstance(timing, ContactDate),
            first=first,
            last=last,
            blackout=blackout or (),
            grace=grace or GRACE,
        )
        self.faults += _faults_across(schedule)
        return schedule

    def _timing(self, way: str, first: datetime | None, last: datetime | None) -> Timing | None:
        match way:
            case "at":
                return self._take("at", lambda value: At(read_moment(value)))
            case "cron":
                return self._take("cron", lambda text: parse_cron(read_text(text)))
            case "rrule":
                return self._take("rrule", lambda text: self._rrule(text, first, last))
            case _:
                return self._contact_date(self.written["date"])

    def _rrule(self, value: Any, first: datetime | None, last: datetime | None) -> Rrule | None:
        text = read_text(value)
        if first is None:
            if "start" not in self.written:  # else what is wrong with it has been said
                raise ValueError("counts from a start and there is none; add start: 2026-12-01T09:00")
            return None
        rule = parse_rrule(text, first)
        if not rule.ends and last is None and "end" not in self.written:
            raise ValueError("is an RRULE with no end and no limit; add end, or COUNT or UNTIL to the rule")
        if not has_time(self.written["start"]) and "BYHOUR" not in rule.rest:
            raise ValueError("has no time of day; write start: 2026-12-01T09:00, or BYHOUR=9 into the rule")
        return rule

    def _contact_date(self, value: Any) -> ContactDate | None:
        if not isinstance(value, Mapping):
            hint = 'write it like {field: renewalDate, offset: -7 days, time: "09:00"}'
            self.faults.append(Fault(("date",), "must be a map with a field", hint))
            return None
        self._refuse_unknown(value, _DATE_KEYS, "date")
        name = value.get("field")
        if not isinstance(name, str) or not name.strip():
            self.faults.append(Fault(("date", "field"), "must name a field of the contact", "like renewalDate"))
        at = self._take("time", read_time_of_day, value, "date")
        offset = self._take("offset", read_offset, value, "date") or timedelta(0)
        if at is not None and offset % timedelta(days=1):
            message = "must be whole days where a time is written"
            self.faults.append(Fault(("date", "offset"), message, "write -1 day, or leave the time out"))
        return ContactDate(str(name).strip(), offset, at)

    def _refuse_unknown(self, given: Mapping[str, Any], known: tuple[str, ...], *under: str) -> None:
        for key in given:
            if key not in known:
                meant = closest(key, known)
                hint = f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"
                self.faults.append(Fault((*under, str(key)), "is no key of a schedule", hint))

    def _take(
        self, key: str, read: Callable[[Any], T], given: Mapping[str, Any] | None = None, *under: str
    ) -> T | None:
        value = (self.written if given is None else given).get(key)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self.faults.append(Fault((*under, key), message, hint))
            return None


def _faults_across(schedule: Schedule) -> Iterator[Fault]:
    """What only the whole of it shows."""
    match schedule.timing:
        case ContactDate():
            pass  # refused below if it names a zone
        case At(moment) if moment.tzinfo is not None:
            if schedule.per_contact:
                hint = "write it without an offset, like 2026-12-01T09:00"
                yield Fault(("at",), "is one instant, and timezone: contact means a local time of each person", hint)
            return
        case At(moment):
            if not schedule.allows(moment):
                yield Fault(("at",), "is outside of start and end, or on a blackout date", "move it")
            return
        case Rrule() | Cron():
            begin = schedule.first or (schedule.last - HORIZON if schedule.last else _SOME_DAY)
            if next(schedule.walls(begin - timedelta(seconds=1)), None) is None:
                way = "rrule" if isinstance(schedule.timing, Rrule) else "cron"
                yield Fault((way,), "never fires within five years", "mind start, end and blackout, too")
            return
    if schedule.timezone:
        yield Fault(("timezone",), "is not for a date of the contact, which is in the contact's own", "leave it out")
