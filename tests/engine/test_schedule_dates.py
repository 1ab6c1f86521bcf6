from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain.schedule import read_schedule
from worker.engine.schedule_dates import Due, NotDue, due_of

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def due(value, zone=BERLIN, *, by=None, **more):
    schedule, faults = read_schedule({"date": by or {"field": "d", "offset": "-7 days", "time": "09:00"}, **more})
    assert not faults
    return due_of(schedule, schedule.timing, value, zone)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-20",
        " 20261220 ",
        "2026-12-20T15:30",
        "2026-12-20 23:59:59",
        "2026-12-19T23:30:00Z",
        "2026-12-20T10:00+09:00",
        1797722100000,
        1797722100000.0,
        "1797722100000",
    ],
)
def test_a_date_is_read_however_it_is_written(value):
    assert due(value) == Due("2026-12-20", utc(2026, 12, 13, 8))


def test_an_instant_is_on_another_date_elsewhere():
    assert due("2026-12-20T02:00:00Z", NEW_YORK).entry == "2026-12-19"
    assert due("2026-12-20T02:00:00Z", BERLIN).entry == "2026-12-20"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, NotDue.NO_DATE),
        ("", NotDue.NO_DATE),
        ("12/20/2026", NotDue.UNREADABLE),
        ("soon", NotDue.UNREADABLE),
        (True, NotDue.UNREADABLE),
        ([], NotDue.UNREADABLE),
        (1797638400, NotDue.UNREADABLE),
        ("1797638400", NotDue.UNREADABLE),
        (float("nan"), NotDue.UNREADABLE),
        (1e300, NotDue.UNREADABLE),
        (1797638400000.5, NotDue.UNREADABLE),
        ("0001-01-01", NotDue.UNREADABLE),
        ("9999-12-31T23:59-12:00", NotDue.UNREADABLE),
    ],
)
def test_what_is_no_date_has_a_reason(value, why):
    assert due(value) is why


def test_without_a_time_the_value_must_have_one_and_the_offset_counts_from_it():
    two_hours = {"field": "d", "offset": "-2 hours"}
    assert due("2026-12-20T15:30", by=two_hours) == Due("2026-12-20T14:30+00:00", utc(2026, 12, 20, 12, 30))
    assert due("2026-12-20", by=two_hours) is NotDue.NO_TIME


def test_the_days_of_an_offset_are_dates_not_hours():
    assert due("2026-03-30", by={"field": "d", "offset": "-2 days", "time": "09:00"}).at == utc(2026, 3, 28, 8)
    assert due("2026-03-30", by={"field": "d", "offset": "-1 day", "time": "09:00"}).at == utc(2026, 3, 29, 7)


def test_a_time_in_a_gap_is_the_end_of_it():
    assert due("2026-03-30", by={"field": "d", "offset": "-1 day", "time": "02:30"}).at == utc(2026, 3, 29, 1)


def test_nothing_is_due_outside_of_start_and_end_or_on_a_blackout_date_of_the_person():
    assert due("2026-12-20", blackout=["2026-12-13"]) is NotDue.EXCLUDED
    assert due("2026-12-20", end="2026-12-12") is NotDue.EXCLUDED
    assert due("2026-12-20", start="2026-12-14") is NotDue.EXCLUDED
    assert due("2026-12-20", start="2026-12-13", end="2026-12-13").at == utc(2026, 12, 13, 8)


ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "America/Nuuk"]


@settings(max_examples=100, deadline=None)
@given(
    st.dates(date.fromisoformat("2025-01-01"), date.fromisoformat("2030-01-01")),
    st.integers(-40, 40),
    st.times(),
    st.sampled_from([ZoneInfo(name) for name in ZONES]),
)
def test_a_date_is_due_on_its_local_day_at_its_local_time_or_at_the_end_of_a_gap(day, offset, at, zone):
    moment = {"field": "d", "offset": f"{offset} days", "time": at.strftime("%H:%M")}
    found = due(day.isoformat(), zone, by=moment)
    wanted = datetime.combine(day + timedelta(days=offset), at.replace(second=0, microsecond=0))
    shown = found.at.astimezone(zone).replace(tzinfo=None)
    assert timedelta(0) <= shown - wanted <= timedelta(hours=1)
    earlier = (found.at - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
    assert earlier < wanted


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.datetimes().map(str)))
def test_no_value_breaks_the_look(value):
    assert isinstance(due(value), Due | NotDue)
