"""Durations people write."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.durations import LONGEST, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2 days", 172_800),
        ("90 min", 5_400),
        ("1h 30m", 5_400),
        ("1 day, 2 hours and 5 minutes", 93_900),
        ("PT36H", 129_600),
        ("P1DT12H", 129_600),
        ("P2W", 1_209_600),
        ("3600", 3_600),
        (3600, 3_600),
        (0.5, 0.5),
        ("0", 0),
    ],
)
def test_durations_people_write(written, seconds):
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "soon", "2 moons", "P", "PT", "-5", -1, "11 years", "1e9 days", "999999999 w"])
def test_what_is_no_duration_says_how_to_write_one(written):
    with pytest.raises(ValueError, match="write 2 days"):
        parse_duration(written)


@given(st.text(max_size=30))
def test_no_text_crashes_the_reader_of_durations(text):
    try:
        length = parse_duration(text)
    except ValueError:
        return
    assert timedelta(0) <= length <= LONGEST
