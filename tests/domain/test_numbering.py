"""The quick way gives what the library gives, for numbers of all countries in all the ways they are written."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat
from phonenumbers.timezone import time_zones_for_number

from worker.domain import numbering
from worker.domain.addresses import _one_zone, _parse, guess_timezone, to_e164

EXAMPLES = [
    (region, example)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in range(11)
    if (example := phonenumbers.example_number_for_type(region, kind)) is not None
]
WAYS = ("+{code}{n}", "{n}", "0{n}", "{code}{n}", "({a}) {b}-{c}", "+{code}0{n}", "0{a}/{b}{c}", "00{code}{n}", "{n}.0")


@st.composite
def written(draw):
    """A number near one that is in use, and the country it is read in."""
    region, example = draw(st.sampled_from(EXAMPLES))
    digits = list(phonenumbers.national_significant_number(example))
    for place in draw(st.lists(st.integers(0, len(digits) - 1), max_size=3)):
        digits[place] = draw(st.sampled_from("0123456789"))
    n = "".join(digits)
    way = draw(st.sampled_from(WAYS))
    return way.format(code=example.country_code, n=n, a=n[:3], b=n[3:6], c=n[6:]), region


def by_the_library(text, region):
    """The number in E.164, or "" for one that is refused."""
    try:
        number = _parse(text, region)
    except ValueError:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


@settings(max_examples=600, deadline=None)
@given(written())
def test_numbers_are_read_as_the_library_reads_them(given_):
    text, region = given_

    if found := numbering.read(text, region):
        assert found == by_the_library(text, region)
        assert guess_timezone(found) == _one_zone(tuple(time_zones_for_number(phonenumbers.parse(found))))


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("(212) 555-0123", "US", "+12125550123"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("+447911123456", "US", "+447911123456"),
        ("0171 1234567", "DE", "+491711234567"),
        ("06 12 34 56 78", "FR", "+33612345678"),
    ],
)
def test_what_most_files_hold_does_not_need_the_library(text, region, number):
    assert numbering.read(text, region) == to_e164(text, region) == number


@pytest.mark.parametrize(
    ("text", "region"), [("171234567.0", "DE"), ("0171 1234567", ""), ("011 44 7911 123456", "US")]
)
def test_what_is_not_plain_is_left_to_the_library(text, region):
    assert numbering.read(text, region) == ""
