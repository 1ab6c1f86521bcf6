"""The country of a number by its first five characters: so many people are grouped, and found, in a database.

1. Within +1 the area code tells the country, within +7 the digit after it.
2. Other territories that share a country's code count as that country: Jersey as GB, Åland as FI.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber

PREFIX_LENGTH: Final = 5
"""Characters of a number in E.164, the plus among them."""

_APART: Final[Mapping[str, str]] = {"+76": "KZ", "+77": "KZ"}
_NORTH_AMERICA: Final = "+1"
_LONGEST_CODE: Final = 3
_NO_COUNTRY: Final = "001"
"""What the library calls codes of no country, like those of satellites."""


def country_of_prefix(prefix: str) -> str:
    """The country (ISO 3166) of numbers that begin so, or "". `prefix` has PREFIX_LENGTH characters."""
    if prefix.startswith(_NORTH_AMERICA):
        return _area_codes().get(prefix, "")
    if prefix[:3] in _APART:
        return _APART[prefix[:3]]
    codes = (prefix[1 : 1 + length] for length in range(_LONGEST_CODE, 0, -1))
    found = (phonenumbers.region_code_for_country_code(int(code)) for code in codes if code.isdecimal())
    return next((region for region in found if region not in (phonenumbers.UNKNOWN_REGION, _NO_COUNTRY)), "")


def prefixes_of(country: str) -> tuple[str, ...]:
    """How the numbers of a country (ISO 3166) may begin, if `country_of_prefix` says so too; () where it has none."""
    code = phonenumbers.country_code_for_region(country)
    if f"+{code}" == _NORTH_AMERICA:
        return tuple(prefix for prefix, region in _area_codes().items() if region == country)
    if apart := tuple(prefix for prefix, region in _APART.items() if region == country):
        return apart
    is_main = code and phonenumbers.region_code_for_country_code(code) == country
    return tuple(_but_for_those_apart(f"+{code}")) if is_main else ()


def _but_for_those_apart(prefix: str) -> Iterator[str]:
    if any(apart.startswith(prefix) for apart in _APART):
        yield from (prefix + digit for digit in "0123456789" if prefix + digit not in _APART)
    else:
        yield prefix


@cache
def _area_codes() -> Mapping[str, str]:
    """The country of every area code of North America that is in use."""
    numbers = {
        f"+1{area}": PhoneNumber(country_code=1, national_number=area * 10**7 + 2_345_678) for area in range(200, 1000)
    }
    found = {prefix: phonenumbers.region_code_for_number(number) for prefix, number in numbers.items()}
    return {prefix: region for prefix, region in found.items() if region}
