"""Numbers of any country, looked up in the library's own tables without its parser: five to ten times as fast.

1. What is not plain is left to the library: carrier codes, prefixes that are rewritten, exit codes, letters.
2. What is told is what `phonenumbers` tells; a test compares them over numbers of all countries.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from channels.messages import E164
from worker.domain import nanp

_NORTH_AMERICA: Final = "1"
_GEOGRAPHIC_MOBILES: Final = frozenset(["52", "54", "55", "62", "86"])
"""Calling codes where a mobile number tells a place."""

_PLAIN: Final = re.compile(r"(?!\d+\.0+$)\(?\d[\d ().\-/\u00a0]*\d", re.ASCII)
"""Digits and what people put between them; not 171234567.0, which a spreadsheet has made of a number."""

_PUNCTUATION: Final = dict.fromkeys(map(ord, " ().-/\u00a0"))
_NOWHERE: Final = (
    *("premium_rate", "toll_free", "shared_cost", "voip"),
    *("personal_number", "pager", "uan", "voicemail"),
)
_LONGEST_CODE: Final = 3
_NEVER: Final = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class _Region:
    """How a country writes its numbers. `general` matches all that may be, the others those that are in use."""

    code: str
    general: re.Pattern[str]
    nowhere: re.Pattern[str]
    fixed: re.Pattern[str]
    mobile: re.Pattern[str]
    leading: re.Pattern[str] | None
    exit: re.Pattern[str]
    trunk: re.Pattern[str]
    is_plain: bool
    """Whether its trunk prefix is only taken off, and never tells a carrier or an area."""

    def kind(self, national: str) -> str:
        """`nowhere`, `fixed` or `mobile`; "" for a number that is not in use."""
        if self.general.fullmatch(national):
            for kind in ("nowhere", "fixed", "mobile"):
                pattern: re.Pattern[str] = getattr(self, kind)
                if pattern.fullmatch(national):
                    return kind
        return ""


def read(text: str, region: str) -> str:
    """The number in E.164, or "" for what is not in use or has to be left to the library."""
    if text.startswith("+"):
        code, national = _divided(text)
        if not code or _regions(code)[0].trunk.match(national):
            return ""
        return _sendable(text) if kind(code, national) else ""
    if not region or not _PLAIN.fullmatch(text):
        return ""
    here = _region(region)
    digits = text.translate(_PUNCTUATION)
    national = _national(digits, here) if here is not None and here.is_plain else ""
    if here is None or not national or not kind(here.code, national):
        return ""
    return _sendable(f"+{here.code}{national}")


def zones(e164: str) -> tuple[str, ...] | None:
    """The IANA zones that a number outside of North America may be in; None for one that is not in use."""
    code, national = _divided(e164)
    found = kind(code, national) if code else ""
    if not found:
        return None
    if found == "fixed" or (found == "mobile" and code in _GEOGRAPHIC_MOBILES):
        prefixes = (e164[1 : 1 + length] for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1))
        return next((known for known in map(TIMEZONE_DATA.get, prefixes) if known), ())
    return TIMEZONE_DATA.get(code, ())


@lru_cache(maxsize=1024)
def kind(code: str, national: str) -> str:
    """What kind of number it is; "" if it is not in use."""
    if code == _NORTH_AMERICA:
        number = f"+1{national}"
        return "fixed" if nanp.E164.fullmatch(number) and nanp.is_valid(number) else ""
    for region in _regions(code):
        if region.leading is not None:
            if region.leading.match(national):
                return region.kind(national)
        elif found := region.kind(national):
            return found
    return ""


def _sendable(number: str) -> str:
    """The number, if it has the shape that messages go to."""
    return number if E164.fullmatch(number) else ""


def _national(digits: str, here: _Region) -> str:
    """What follows the country code; "" where only the library can say."""
    if here.exit.match(digits):
        return ""
    if digits.startswith(here.code):
        rest = digits[len(here.code) :]
        with_code = not here.general.fullmatch(digits) and here.general.fullmatch(rest)
        return rest if with_code and not here.trunk.match(rest) else ""
    trunk = here.trunk.match(digits)
    if trunk is None:
        return digits
    rest = digits[trunk.end() :]
    return digits if here.general.fullmatch(digits) and not here.general.fullmatch(rest) else rest


def _divided(e164: str) -> tuple[str, str]:
    """Country code and national number; ("", "") where there is no such country."""
    for length in range(1, _LONGEST_CODE + 1):
        if _regions(e164[1 : 1 + length]):
            return e164[1 : 1 + length], e164[1 + length :]
    return "", ""


@cache
def _regions(code: str) -> tuple[_Region, ...]:
    """The regions of a calling code, in the library's order."""
    found = COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()) if code.isdecimal() else ()
    return tuple(region for name in found if (region := _region(name)) is not None)


@cache
def _region(name: str) -> _Region | None:
    metadata = PhoneMetadata.metadata_for_region(name)
    if metadata is None:
        return None
    trunk = metadata.national_prefix_for_parsing or ""
    return _Region(
        code=str(metadata.country_code),
        general=_any_of(metadata.general_desc),
        nowhere=_any_of(*(getattr(metadata, kind) for kind in _NOWHERE)),
        fixed=_any_of(metadata.fixed_line),
        mobile=_any_of(metadata.mobile),
        leading=re.compile(metadata.leading_digits) if metadata.leading_digits is not None else None,
        exit=re.compile(metadata.international_prefix) if metadata.international_prefix else _NEVER,
        trunk=re.compile(trunk) if trunk else _NEVER,
        is_plain=re.compile(trunk).groups == 0 and not metadata.national_prefix_transform_rule,
    )


def _any_of(*descriptions: Any) -> re.Pattern[str]:
    """A number that one of these descriptions of the library takes, of the lengths it may have."""
    shapes = []
    for description in descriptions:
        if description is not None and description.national_number_pattern:
            lengths = "|".join(rf"\d{{{length}}}" for length in description.possible_length)
            shapes.append(f"(?=(?:{lengths or '.*'})$)(?:{description.national_number_pattern})")
    return re.compile("|".join(shapes), re.ASCII) if shapes else _NEVER
