"""Addresses in one spelling each: numbers in E.164, mail addresses in lower case.

1. Everything is normalized at the edge; inside, two spellings of one address cannot exist.
2. What cannot be read with certainty is refused with a remedy, never guessed: a wrong digit is another person.
3. No error text repeats the address.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult
from phonenumbers.timezone import time_zones_for_number

from channels.messages import E164, is_email
from worker.domain import nanp, numbering

REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""ISO 3166 codes of the countries whose numbering plan is known."""

_NUMBER_CHARACTERS: Final = re.compile(r"[+\d\s().\-/\u2010-\u2015\u00a0]+")
_SPREADSHEET_FLOAT: Final = re.compile(r"(\+?\d+)\.0+")
_SCIENTIFIC: Final = re.compile(r"\d+([.,]\d+)?[eE]\+?\d+")
_NO_ZONE: Final = re.compile(r"(posix|right)/.*|posixrules|localtime|Factory", re.ASCII)
_STANDARD_TIME: Final = {
    "est": "write America/New_York, or America/Panama for all year without summer time",
    "mst": "write America/Denver, or America/Phoenix for all year without summer time",
}
"""What people call a zone of the United States in summer, too. As names of the IANA database they know no summer time:
taken at their word, most who write them would be called an hour too late in the evening."""

_SMS_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}", re.ASCII)
_SHORT_CODE: Final = re.compile(r"\d{3,8}", re.ASCII)
_SENDER_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}", re.ASCII)


def to_e164(text: str, region: str = "") -> str:
    """A person's number in E.164. `region` (ISO 3166, like `US`) is the country of numbers without a `+`.

    Raises ValueError saying what is wrong and what to do.
    """
    if nanp.E164.fullmatch(text) and nanp.is_valid(text):
        return text
    if plain := numbering.read(text, region):
        return plain
    number = _parse(text, region)
    if not phonenumbers.is_valid_number(number):
        country = phonenumbers.region_code_for_country_code(number.country_code or 0)
        raise ValueError(f"is no number that is in use in {country}; check the digits and the country")
    return _format(number)


def sender_e164(text: str, region: str = "") -> str:
    """A number of our own in E.164. Its range is not questioned: the provider knows whether it is ours."""
    return _format(_parse(text, region))


def to_sms_sender(text: str, region: str = "") -> str:
    """What a text may come from: a number in E.164, a short code, a messaging service `MG…`, or a name.

    Raises ValueError.
    """
    text = text.strip()
    if any(shape.fullmatch(text) for shape in (_SMS_SERVICE, _SHORT_CODE, _SENDER_NAME)):
        return text
    if re.search("[A-Za-z]", text):
        raise ValueError("is no sender; give a number, a short code, a messaging service id MG… or a name of up to 11")
    return sender_e164(text, region)


def normalize_email(text: str) -> str:
    """A mail address in lower case. Raises ValueError.

    The part before the @ is case-sensitive by RFC 5321, but no large provider treats it so, and two people who differ
    in nothing but case are rarer than one person written twice.
    """
    address = text.strip().lower()
    if not is_email(address):
        raise ValueError("is not an email address; it has the form name@example.com")
    return address


def guess_timezone(e164: str) -> str:
    """The IANA zone a number belongs to, or "" where the number does not say.

    It is a guess: people keep their number when they move, and a few area codes lie in two zones. Several zones that
    keep the same clock all year count as one.
    """
    if nanp.E164.fullmatch(e164):
        if zones := nanp.zones(e164):
            return _one_zone(zones)
        if nanp.is_valid(e164):
            return ""
    elif (found := numbering.zones(e164)) is not None:
        return _one_zone(found)
    try:
        return _one_zone(tuple(time_zones_for_number(phonenumbers.parse(e164))))
    except NumberParseException:
        return ""


@cache
def _one_zone(names: tuple[str, ...]) -> str:
    """The zone these amount to: the last by name, which is Europe/London and not Europe/Guernsey."""
    zones = sorted(name for name in names if is_timezone(name))
    return zones[-1] if len({_clock(name) for name in zones}) == 1 else ""


def is_timezone(name: str) -> bool:
    """Whether it is the name of a zone of the IANA database that means one thing."""
    return _zones().get(name.casefold()) == name


def find_timezone(text: str) -> str:
    """The zone that is meant, whatever its case, with blanks for underscores; "" if there is none."""
    return _zones().get(text.strip().replace(" ", "_").casefold(), "")


def why_no_timezone(text: str) -> str:
    """What is wrong with a text that `find_timezone` does not know, and what to do."""
    if remedy := _STANDARD_TIME.get(text.strip().casefold()):
        return f"does not say whether there is summer time; {remedy}"
    return "is no zone of the IANA database; write it like America/Phoenix, or leave it empty"


@cache
def _zones() -> Mapping[str, str]:
    """The zones of the IANA database, by name in lower case; not what else lies in its folder on this machine."""
    names = {name.casefold(): name for name in ("UTC", *available_timezones()) if not _NO_ZONE.fullmatch(name)}
    return {key: name for key, name in names.items() if key not in _STANDARD_TIME}


def _clock(name: str) -> tuple[object, ...]:
    """What the clocks of a zone show against UTC in winter and in summer."""
    zone = ZoneInfo(name)
    return tuple(datetime(2026, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() for month in (1, 4, 7, 10))


def _parse(text: str, region: str) -> PhoneNumber:
    text = text.strip().lstrip("'")  # spreadsheets write '+1… to keep a number text
    if not text:
        raise ValueError("is empty")
    if _SCIENTIFIC.fullmatch(text):
        raise ValueError(
            "was turned into scientific notation by a spreadsheet; format the column as text and export again"
        )
    if match := _SPREADSHEET_FLOAT.fullmatch(text):
        text = match[1]
    if not _NUMBER_CHARACTERS.fullmatch(text):
        raise ValueError("is not a phone number; write digits only, like +1 212 555 0123, without extension")
    try:
        number = phonenumbers.parse(text, region or None)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            raise ValueError(
                "has no country; write it with + and the country code, or name a default country"
            ) from None
        raise ValueError("is not a phone number; write it like +1 212 555 0123") from None
    match phonenumbers.is_possible_number_with_reason(number):
        case ValidationResult.IS_POSSIBLE:
            return number
        case ValidationResult.TOO_LONG:
            raise ValueError(f"has too many digits for a phone number; {_too_many(text)}")
        case _:
            raise ValueError("has too few digits for a phone number; write it in full, with the area code")


def _too_many(text: str) -> str:
    """What may be the matter with a number that is too long for its country."""
    if text.startswith("00"):
        return "write + for the 00 in front, or name the country it is dialed from as the default country"
    if text.startswith("+"):
        return "is it two numbers, or one with an extension?"
    return "is it two numbers, or one of another country, which needs a + or that default country?"


def _format(number: PhoneNumber) -> str:
    formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not E164.fullmatch(formatted):
        raise ValueError("is too short to be dialed from abroad; give a full number")
    return formatted
