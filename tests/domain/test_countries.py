"""The country of a number by how it begins: what the library says of the whole number, save for territories."""

import phonenumbers
import pytest

from worker.domain.countries import PREFIX_LENGTH, country_of_prefix, prefixes_of

APART = ("KZ",)


@pytest.mark.parametrize("kind", [phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE])
def test_a_prefix_tells_the_country_the_whole_number_has(kind):
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        main = phonenumbers.region_code_for_country_code(number.country_code)
        exact = number.country_code == 1 or region in APART
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        expected = phonenumbers.region_code_for_number(number) if exact else main
        assert country_of_prefix(e164[:PREFIX_LENGTH]) == expected, region


def test_the_prefixes_of_a_country_are_those_that_tell_it():
    for region in phonenumbers.SUPPORTED_REGIONS:
        assert {country_of_prefix(prefix.ljust(PREFIX_LENGTH, "0")) for prefix in prefixes_of(region)} <= {region}
    assert (prefixes_of("DE"), prefixes_of("KZ"), prefixes_of("JE"), prefixes_of("GERMANY")) == (
        ("+49",),
        ("+76", "+77"),
        (),
        (),
    )


@pytest.mark.parametrize("prefix", ["", "+", "+888", "+1555", "+9999", "abcde"])
def test_what_begins_like_no_country_has_none(prefix):
    assert country_of_prefix(prefix) == ""
