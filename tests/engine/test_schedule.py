from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain.schedule import read_schedule
from worker.engine.schedule import EARLIEST, LATEST, catch_up, firing_at, firings, is_past, upcoming, wave

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its summer time is half an hour
CAIRO = ZoneInfo("Africa/Cairo")  # its clock changes at midnight
APIA = ZoneInfo("Pacific/Apia")  # had no 30 December 2011
NUUK = ZoneInfo("America/Nuuk")  # its gap ends at midnight
ZONES = (NEW_YORK, BERLIN, LORD_HOWE, CAIRO, APIA, NUUK, ZoneInfo("Asia/Kolkata"), EARLIEST, LATEST)


def schedule(**written):
    found, faults = read_schedule(written)
    assert not faults, faults
    return found


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def local(written, zone, after, count):
    """The next firings as clocks in the zone show them."""
    found = islice(firings(written, zone, after), count)
    return [firing.at.astimezone(zone).strftime("%m-%d %H:%M %z") for firing in found]


def moments(written, zone, after, count):
    return [firing.at for firing in islice(firings(written, zone, after), count)]


@pytest.mark.parametrize(
    ("zone", "at", "day", "shown"),
    [
        (NEW_YORK, "30 2", (2026, 3, 8), "03-08 03:00 -0400"),
        (BERLIN, "30 2", (2026, 3, 29), "03-29 03:00 +0200"),
        (LORD_HOWE, "15 2", (2026, 10, 4), "10-04 02:30 +1100"),
        (CAIRO, "30 0", (2026, 4, 24), "04-24 01:00 +0300"),
        (NUUK, "30 23", (2026, 3, 28), "03-29 00:00 -0100"),
    ],
)
def test_a_time_that_the_clock_leaves_out_fires_at_the_end_of_the_gap(zone, at, day, shown):
    before = datetime(*day, tzinfo=zone) - timedelta(minutes=20)
    assert local(schedule(cron=f"{at} * * *"), zone, before, 1) == [shown]


@pytest.mark.parametrize(
    ("zone", "at", "day", "shown"),
    [
        (NEW_YORK, "30 1", (2026, 11, 1), ["11-01 01:30 -0400", "11-02 01:30 -0500"]),
        (BERLIN, "30 2", (2026, 10, 25), ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
        (LORD_HOWE, "45 1", (2026, 4, 5), ["04-05 01:45 +1100", "04-06 01:45 +1030"]),
        (CAIRO, "30 23", (2026, 10, 29), ["10-29 23:30 +0300", "10-30 23:30 +0200"]),
    ],
)
def test_a_time_that_the_clock_repeats_fires_the_first_time_only(zone, at, day, shown):
    written = schedule(cron=f"{at} * * *")
    before = datetime(*day, tzinfo=zone)
    assert local(written, zone, before, 2) == shown
    first = moments(written, zone, before, 1)[0]
    assert local(written, zone, first + timedelta(minutes=45), 1) == shown[1:], "asked within the repeated hour"


def test_times_that_a_gap_moves_together_fire_once():
    written = schedule(cron="0,30 2,3 * * *")
    assert local(written, NEW_YORK, utc(2026, 3, 8, 5), 3) == [
        "03-08 03:00 -0400",
        "03-08 03:30 -0400",
        "03-09 02:00 -0400",
    ]


def test_a_date_that_a_zone_does_not_have_fires_nothing():
    written = schedule(cron="0 9 * * *")
    assert local(written, APIA, utc(2011, 12, 29), 2) == ["12-29 09:00 -1000", "12-31 09:00 +1400"]


def test_a_gap_does_not_carry_a_firing_onto_a_blackout_date():
    written = schedule(cron="30 23 * * *", blackout=["2026-03-29"])
    assert local(written, NUUK, utc(2026, 3, 28, 3), 2) == ["03-30 23:30 -0100", "03-31 23:30 -0100"]


def test_the_same_time_of_day_stays_so_over_a_clock_change():
    written = schedule(rrule="FREQ=WEEKLY;BYDAY=MO;COUNT=3", start="2026-10-19T09:00")
    assert moments(written, BERLIN, utc(2026, 10, 1), 9) == [
        utc(2026, 10, 19, 7),
        utc(2026, 10, 26, 8),
        utc(2026, 11, 2, 8),
    ]


def test_an_instant_is_what_it_says_in_any_zone():
    written = schedule(at="2026-12-01T09:00+01:00")
    assert moments(written, NEW_YORK, utc(2026, 11, 1), 2) == [utc(2026, 12, 1, 8)]
    assert moments(written, NEW_YORK, utc(2026, 12, 1, 8), 2) == []


def test_a_wave_begins_at_kiritimati_and_ends_at_pago_pago():
    written = schedule(at="2026-12-01T09:00", timezone="contact")
    [firing] = firings(written, BERLIN, utc(2026, 11, 1))
    assert (firing.at, firing.until) == (utc(2026, 11, 30, 19), utc(2026, 12, 1, 20))
    assert wave(firing.wall, BERLIN) == utc(2026, 12, 1, 8)
    assert firing_at(written, BERLIN, firing.at) == firing


CRONS = st.builds(
    lambda minute, hours, days: f"{minute} {','.join(map(str, sorted(hours)))} * * {days}",
    st.integers(0, 59),
    st.sets(st.integers(0, 23), min_size=1, max_size=4),
    st.sampled_from(["*", "1", "1-5", "0,6", "5"]),
)
MOMENTS = st.datetimes(*map(datetime.fromisoformat, ("2026-01-01", "2027-12-31")), timezones=st.just(UTC))


def first_instant(wall, zone):
    """When a clock there first shows this time or a later one: minute by minute, the definition itself."""
    moment = wall.replace(tzinfo=UTC) - timedelta(hours=16)
    while moment.astimezone(zone).replace(tzinfo=None) < wall:
        moment += timedelta(minutes=15) if moment.minute % 15 == 0 and not _near(moment, wall, zone) else _MINUTE
    return moment


_MINUTE = timedelta(minutes=1)


def _near(moment, wall, zone):
    return (moment + timedelta(minutes=15)).astimezone(zone).replace(tzinfo=None) >= wall


@settings(max_examples=60, deadline=None)
@given(CRONS, st.sampled_from(ZONES), MOMENTS)
def test_firings_are_those_a_clock_on_the_wall_would_count(cron, zone, begin):
    written = schedule(cron=cron)
    begin = begin.replace(second=0, microsecond=0)
    end = begin + timedelta(days=4)
    found = [firing.at for firing in takewhile(lambda one: one.at <= end, firings(written, zone, begin))]
    day = begin.astimezone(zone).date() - timedelta(days=2)
    expected = set()
    minute, hours, _, _, days = cron.split()
    weekdays = {"*": range(7), "1": [0], "1-5": range(5), "0,6": [5, 6], "5": [4]}[days]
    for number in range(8):
        on = day + timedelta(days=number)
        if on.weekday() in weekdays:
            expected |= {first_instant(datetime.combine(on, time(int(h), int(minute))), zone) for h in hours.split(",")}
    assert found == sorted(moment for moment in expected if begin < moment <= end)


@settings(max_examples=60, deadline=None)
@given(
    CRONS,
    st.sampled_from(ZONES),
    MOMENTS,
    st.tuples(st.integers(0, 40), st.integers(10, 70)),
    st.sets(st.integers(0, 60), max_size=20),
)
def test_firings_only_go_forward_once_a_date_and_never_where_nothing_may_start(cron, zone, begin, span, dark):
    cron = " ".join([*cron.split()[:1], cron.split()[1].split(",")[0], *cron.split()[2:]])  # once a day
    days = [(begin.date() + timedelta(days=number)).isoformat() for number in range(120)]
    first, last = span[0], days[sum(span)]
    written, faults = read_schedule(
        {"cron": cron, "start": days[first], "end": last, "blackout": [days[n] for n in sorted(dark)]}
    )
    if faults:
        assert "never fires" in faults[0].message
        return
    found = list(firings(written, zone, begin))
    assert all(earlier.at < later.at and earlier.wall < later.wall for earlier, later in pairwise(found))
    assert len({firing.wall.date() for firing in found}) == len(found)
    shown = [firing.at.astimezone(zone).date() for firing in found]
    assert all(days[first] <= day.isoformat() <= last for day in shown)
    assert not {days[n] for n in dark} & {day.isoformat() for day in shown}


@given(CRONS, st.sampled_from(ZONES), MOMENTS, st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_it_does_not_matter_from_where_one_asks(cron, zone, begin, steps):
    written = schedule(cron=cron)
    found = moments(written, zone, begin, steps + 2)
    assert moments(written, zone, found[steps], 1) == found[steps + 1 :]


@given(MOMENTS, st.sampled_from(ZONES))
@settings(max_examples=60, deadline=None)
def test_every_zone_has_its_wave_between_the_first_and_the_last(moment, zone):
    wall = moment.replace(tzinfo=None, second=0, microsecond=0)
    assert wave(wall, EARLIEST) <= wave(wall, zone) <= wave(wall, LATEST)
    assert wave(wall, zone) == first_instant(wall, zone)


# What was missed


DAILY = {"cron": "0 9 * * *", "grace": "2 hours"}


def due(written, zone, day):
    return next(firings(written, zone, utc(2026, 6, day)))


def test_what_is_in_time_fires_and_the_next_one_is_waited_for():
    written = schedule(**DAILY)
    todo = catch_up(written, UTC_ZONE, due(written, UTC_ZONE, 1), utc(2026, 6, 1, 9, 0, 1))
    assert todo.fire.at == utc(2026, 6, 1, 9)
    assert todo.then.at == utc(2026, 6, 2, 9)
    assert (todo.skipped, todo.late) == (0, timedelta(seconds=1))


def test_what_was_missed_by_less_than_the_grace_fires_late_once():
    written = schedule(cron="0,30 * * * *", grace="2 hours")
    todo = catch_up(written, UTC_ZONE, firing_at(written, UTC_ZONE, utc(2026, 6, 1, 3)), utc(2026, 6, 1, 9, 10))
    assert todo.fire.at == utc(2026, 6, 1, 9), "the latest, not one after the other"
    assert todo.skipped == 12
    assert todo.then.at == utc(2026, 6, 1, 9, 30)


def test_what_was_missed_by_more_than_the_grace_is_skipped():
    written = schedule(**DAILY)
    todo = catch_up(written, UTC_ZONE, due(written, UTC_ZONE, 1), utc(2026, 6, 3, 11, 0, 1))
    assert (todo.fire, todo.skipped) == (None, 3)
    assert todo.then.at == utc(2026, 6, 4, 9)
    at_the_brink = catch_up(written, UTC_ZONE, due(written, UTC_ZONE, 1), utc(2026, 6, 3, 11))
    assert at_the_brink.fire.at == utc(2026, 6, 3, 9)


def test_after_the_last_one_there_is_nothing_to_wait_for():
    written = schedule(at="2026-06-01T09:00")
    assert catch_up(written, UTC_ZONE, due(written, UTC_ZONE, 1), utc(2026, 6, 1, 9)).then is None
    missed = catch_up(written, UTC_ZONE, due(written, UTC_ZONE, 1), utc(2026, 6, 1, 12))
    assert (missed.fire, missed.then, missed.skipped) == (None, None, 1)


def test_a_wave_goes_on_while_it_reaches_somebody_although_the_next_has_begun():
    written = schedule(**DAILY, timezone="contact")
    monday = next(firings(written, UTC_ZONE, utc(2026, 5, 31, 12)))
    assert monday.at == utc(2026, 5, 31, 19)
    todo = catch_up(written, UTC_ZONE, monday, utc(2026, 6, 1, 19, 30))
    assert (todo.fire, todo.skipped) == (monday, 0), "on Monday morning in Pago Pago"
    assert todo.then.at == utc(2026, 6, 1, 19), "already due"
    late = catch_up(written, UTC_ZONE, monday, utc(2026, 6, 3, 7))
    assert (late.fire.at, late.skipped) == (utc(2026, 6, 2, 19), 2)


def test_a_moment_is_past_only_beyond_the_grace():
    assert not is_past(utc(2026, 6, 1, 9), utc(2026, 6, 1, 11), timedelta(hours=2))
    assert is_past(utc(2026, 6, 1, 9), utc(2026, 6, 1, 11, 0, 1), timedelta(hours=2))


def test_a_launch_in_the_middle_of_its_only_wave_still_reaches_the_west():
    written = schedule(at="2026-06-01T09:00", timezone="contact")
    assert upcoming(written, UTC_ZONE, utc(2026, 6, 1, 12)).at == utc(2026, 5, 31, 19)
    assert upcoming(written, UTC_ZONE, utc(2026, 6, 1, 20, 1)) is None
    assert upcoming(schedule(at="2026-06-01T09:00"), UTC_ZONE, utc(2026, 6, 1, 9, 1)) is None
    daily = schedule(**DAILY, timezone="contact")
    assert upcoming(daily, UTC_ZONE, utc(2026, 6, 1, 12)).at == utc(2026, 6, 1, 19), "a whole wave"


UTC_ZONE = ZoneInfo("UTC")
