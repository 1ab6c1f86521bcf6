from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.durations import parse_time_of_day
from worker.engine.calendar import at_local, next_local, parse_moment, zone_of

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize("written", ["10", "24:00", "9:5", "10:00 pm", ""])
def test_what_is_no_time_of_day_is_refused(written):
    with pytest.raises(ValueError, match="time of day"):
        parse_time_of_day(written)


def test_a_time_left_out_by_the_change_to_summer_time_is_the_first_instant_after_it():
    moment = at_local(date(2026, 3, 8), time(2, 30), NEW_YORK)

    assert moment.astimezone(NEW_YORK).isoformat() == "2026-03-08T03:00:00-04:00"


def test_a_time_that_comes_twice_means_the_first():
    moment = at_local(date(2026, 11, 1), time(1, 30), NEW_YORK)

    assert moment.astimezone(NEW_YORK).isoformat() == "2026-11-01T01:30:00-04:00"


def test_between_the_two_the_next_one_is_tomorrow():
    between = datetime(2026, 11, 1, 6, 15, tzinfo=UTC)  # 01:15, for the second time

    assert next_local(between, time(1, 30), NEW_YORK) == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def test_a_day_that_an_island_skipped_is_the_day_after_it():
    moment = at_local(date(2011, 12, 30), time(10, 0), ZoneInfo("Pacific/Apia"))

    assert moment.astimezone(ZoneInfo("Pacific/Apia")).isoformat() == "2011-12-31T00:00:00+14:00"


def test_the_next_ten_o_clock_at_ten_o_clock_is_tomorrow_unless_now_counts():
    ten = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

    assert next_local(ten, time(10), NEW_YORK) == ten + timedelta(days=1)
    assert next_local(ten, time(10), NEW_YORK, or_equal=True) == ten


@given(
    st.integers(946_684_800, 2_114_380_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.times().map(lambda t: t.replace(microsecond=0)),
    st.sampled_from(
        ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Pacific/Apia"]
    ),
)
def test_the_next_local_time_is_later_and_within_two_days_and_a_bit(after, at, name):
    moment = next_local(after, at, ZoneInfo(name))

    assert after < moment <= after + timedelta(hours=50)


def test_a_moment_without_an_offset_is_local_to_the_contact():
    assert parse_moment("2026-07-01T09:00", NEW_YORK) == datetime(2026, 7, 1, 13, 0, tzinfo=UTC)
    assert parse_moment("2026-07-01", NEW_YORK) == datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
    assert parse_moment("2026-07-01T09:00Z", NEW_YORK) == datetime(2026, 7, 1, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "0001-01-01T00:00+23:00", "2026-13-01"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError, match="ISO"):
        parse_moment(text, NEW_YORK)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "America", "x\x00y"])
def test_an_unknown_zone_is_none(name):
    assert zone_of(name) is None
