"""The quick way gives what the library gives."""

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers.timezone import time_zones_for_number

from worker.domain import nanp
from worker.domain.addresses import _one_zone, guess_timezone, to_e164

NUMBERS = st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True)
IN_USE = st.builds(
    "+1{}{}".format,
    st.sampled_from(["202", "212", "415", "808", "876", "809", "604", "800", "888", "900", "533", "523", "274", "680"]),
    st.from_regex(r"[2-9][0-9]{6}", fullmatch=True),
)


@settings(max_examples=400)
@given(st.one_of(NUMBERS, IN_USE))
def test_north_american_numbers_are_judged_as_the_library_judges_them(number):
    parsed = phonenumbers.parse(number)

    assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number
    assert nanp.is_valid(number) == phonenumbers.is_valid_number(parsed)
    assert guess_timezone(number) == _one_zone(tuple(time_zones_for_number(parsed)))
    if nanp.is_valid(number):
        assert to_e164(number) == number
