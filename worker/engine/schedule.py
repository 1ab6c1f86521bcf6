"""Which instants a schedule means: firings in a zone, waves through all zones, what to do when one was missed. Pure.

1. A local time is the first instant at which the clock there shows it, or a later one. So a time that a clock change
   leaves out is the first instant after the gap, and one that it repeats is the first of the two; it never fires twice.
2. A date that a zone leaves out as a whole (Apia, 2011-12-30) has no firing of a rule: the next morning has its own.
3. With `timezone: contact` one firing is a wave through the zones: it begins with the earliest and ends with the last.
4. What was missed fires once, late, within the grace; whatever another one has overtaken is skipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo

from worker.domain.schedule import At, Schedule
from worker.engine.calendar import at_local, whole_millis

EARLIEST: Final = ZoneInfo("Pacific/Kiritimati")
LATEST: Final = ZoneInfo("Pacific/Pago_Pago")
"""Where people live whose day begins first, UTC+14, and last, UTC-11."""
_WAVE: Final = timedelta(hours=26)
"""The longest a wave takes, clock changes included."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One start: the local time that is meant, and its instant; of a wave the first and the last instant."""

    wall: datetime
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """What to do about a firing that is due. `fire` is None where nothing is to start; `then` is the next to wait for.

    `skipped`: how many are not to be made up for any more, `late` by how much the one that fires is.
    """

    fire: Firing | None
    then: Firing | None
    skipped: int = 0
    late: timedelta = timedelta(0)


def firings(schedule: Schedule, zone: ZoneInfo, after: datetime) -> Iterator[Firing]:
    """The firings later than a moment, in order. `zone`: the schedule's, or the installation's where it has none.

    A wave counts by its first instant. A `date` schedule has none: see `schedule_dates`.
    """
    if isinstance(schedule.timing, At) and schedule.timing.moment.tzinfo is not None:
        at = schedule.timing.moment.astimezone(UTC)
        if at > after and schedule.allows(_wall(at, zone)):
            yield Firing(_wall(at, zone), at, at)
        return
    first = EARLIEST if schedule.per_contact else zone  # what comes later shows a later time, by rule 1
    yield from _increasing(schedule, zone, _wall(after, first), after)


def upcoming(schedule: Schedule, zone: ZoneInfo, now: datetime) -> Firing | None:
    """What a launch now waits for: the next firing, or a single wave that still reaches somebody."""
    found = next(firings(schedule, zone, now), None)
    if found is not None or not isinstance(schedule.timing, At):
        return found
    past = firings(schedule, zone, now - _WAVE - schedule.grace)
    return next((firing for firing in takewhile(lambda one: one.at <= now, past) if now <= firing.until), None)


def firing_at(schedule: Schedule, zone: ZoneInfo, at: datetime) -> Firing:
    """The firing that begins at this instant, as `Firing.at` has it, whether or not the schedule still has it."""
    if not schedule.per_contact:
        return Firing(_wall(at, zone), at, at)
    wall = _wall(at, EARLIEST)
    return Firing(wall, at, wave(wall, LATEST))


def wave(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which this local time comes in a zone, by rule 1."""
    return at_local(wall.date(), wall.time(), zone)


def catch_up(schedule: Schedule, zone: ZoneInfo, due: Firing, now: datetime) -> CatchUp:
    """What to do about a firing whose time has come, and about those that came since.

    A wave that still reaches somebody goes on; one is overtaken when a later one is through all the zones.
    """
    since = _increasing(schedule, zone, due.wall, due.at)
    coming: Firing | None = None
    open_ones: list[Firing] = []
    passed = 0
    for firing in _with_first(due, since):
        if firing.at > now:
            coming = firing
            break
        passed += 1
        if firing.until <= now:
            open_ones.clear()  # overtaken
        if now <= firing.until + schedule.grace:
            open_ones.append(firing)
    if not open_ones:
        return CatchUp(fire=None, then=coming, skipped=passed)
    fire, *rest = open_ones
    late = max(timedelta(0), now - fire.until)
    return CatchUp(fire=fire, then=rest[0] if rest else coming, skipped=passed - len(open_ones), late=late)


def is_past(moment: datetime, now: datetime, grace: timedelta) -> bool:
    """Whether it is too late for somebody whose moment this was."""
    return now - grace > moment


def is_over(schedule: Schedule, now: datetime) -> bool:
    """Whether the last day of a schedule by people's dates has passed everywhere, and the grace with it."""
    return schedule.last is not None and is_past(wave(schedule.last, LATEST), now, schedule.grace)


def _with_first(first: Firing, rest: Iterator[Firing]) -> Iterator[Firing]:
    yield first
    yield from rest


def _increasing(schedule: Schedule, zone: ZoneInfo, wall: datetime, after: datetime) -> Iterator[Firing]:
    """The firings after a local time and later than a moment: of several that a gap moves together, one."""
    for later in schedule.walls(wall):
        firing = _firing(schedule, zone, later)
        if firing.at > after and _exists(schedule, zone, firing):
            after = firing.at
            yield firing


def _firing(schedule: Schedule, zone: ZoneInfo, wall: datetime) -> Firing:
    if schedule.per_contact:
        return Firing(wall, wave(wall, EARLIEST), wave(wall, LATEST))
    at = wave(wall, zone)
    return Firing(wall, at, at)


def _exists(schedule: Schedule, zone: ZoneInfo, firing: Firing) -> bool:
    """Whether the zone has the date at all, and a gap does not carry it to where nothing may start."""
    if schedule.per_contact or isinstance(schedule.timing, At):
        return True
    landed = _wall(firing.at, zone)
    if landed.date() == firing.wall.date():
        return True
    day_begins = _wall(at_local(firing.wall.date(), datetime.min.time(), zone), zone)
    return day_begins.date() == firing.wall.date() and schedule.allows(landed)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return whole_millis(moment.astimezone(zone).replace(tzinfo=None))
