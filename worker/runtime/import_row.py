"""One row of an audience file, read: the contact, whom it protects, what is wrong with it.

1. A stated time zone or opt-out that cannot be understood makes the row no contact: it is no permission.
2. A broken address beside a good one is a note; the contact is reachable. `import_notes.py` tells of them.
3. No sentence repeats an address.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from channels.messages import ChannelKind
from worker.domain.addresses import REGIONS, find_timezone, guess_timezone, normalize_email, to_e164, why_no_timezone
from worker.runtime.contact_file import Row
from worker.runtime.import_columns import Columns, OptOut
from worker.runtime.reject_file import still_duplicate, unguarded
from worker.store.rows import Suppression

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
_ALSO_CALLED: Final = {"UK": "GB", "USA": "US"}
_VALUES: Final = (0, False)
"""Attributes that look empty and are not."""

_ZERO: Final = "has a zero byte in it; export the file again"

_YES: Final = frozenset(["yes", "y", "true", "t", "1", "x", "ja", "oui", "si", "sí"])
_NO: Final = frozenset(["no", "n", "false", "f", "0", "nein", "non", "none", "never", "null", "-"])
_WORDS: Final[dict[str, ChannelKind | None]] = {
    **dict.fromkeys(["all", "any", "both", "everything"], None),
    **dict.fromkeys(["sms", "text", "texts"], ChannelKind.SMS),
    **dict.fromkeys(["email", "emails", "mail", "e-mail"], ChannelKind.EMAIL),
    **dict.fromkeys(["voice", "call", "calls", "phone"], ChannelKind.VOICE),
}


class Person(NamedTuple):
    """Who a row is. Addresses are normalized, and "" where there is none. `fields`: what templates say of them."""

    external_id: str = ""
    phone: str = ""
    email: str = ""
    timezone: str = ""
    fields: Mapping[str, Any] = MappingProxyType({})

    def __repr__(self) -> str:
        return "Person()"


class Note(NamedTuple):
    """What of a row could not be used, like a broken number beside a good address: which kind of column, and why."""

    column: str
    why: str

    def __str__(self) -> str:
        return f"{self.column} {self.why}"


class Imported(NamedTuple):
    """A row that is a contact. `notes` say what of it could not be used."""

    row: int
    contact: Person
    suppressions: Sequence[Suppression] = ()
    notes: Sequence[Note] = ()


class Rejected(NamedTuple):
    """A row that is no contact, or one we have. Its `suppressions` hold all the same."""

    row: int
    reason: str
    cells: Sequence[Any] = ()
    suppressions: Sequence[Suppression] = ()

    def __repr__(self) -> str:
        return f"Rejected(row={self.row}, reason={self.reason!r})"


def read_row(row: Row, columns: Columns, default_region: str) -> Imported | Rejected:
    """Read one row that has as many cells as the header. What it protects holds even where it is rejected."""
    number, raw, _ = row
    cells, texts, faults = _looked_through(raw, columns)
    notes: list[Note] = []
    region = _region(texts[columns.country], default_region, notes) if columns.country >= 0 else default_region
    phones = _phones(texts, columns.phones, region, notes)
    emails = _emails(texts, columns.emails, notes)
    phone, email = phones[0] if phones else "", emails[0] if emails else ""
    if not phone and not email:
        faults += map(str, notes) if notes else ["has neither phone nor email"]
    fields = {name: value for index, name in columns.attributes if (value := cells[index]) or value in _VALUES}
    if columns.language >= 0:
        fields |= _language(texts[columns.language], notes)
    stated = texts[columns.timezone] if columns.timezone >= 0 else ""
    timezone = _timezone(stated, faults) if stated else guess_timezone(phone) if phone else ""
    external_id = texts[columns.external_id] if columns.external_id >= 0 else ""
    suppressions = _suppressions(texts, columns, phones, emails, faults) if columns.opt_outs else ()
    if columns.rejected >= 0 and (marked := still_duplicate(texts[columns.rejected])):
        faults.append(marked)
    if faults:
        return Rejected(number, "; ".join(faults), raw, suppressions)
    return Imported(number, Person(external_id, phone, email, timezone, fields), suppressions, notes)


def _looked_through(raw: Sequence[Any], columns: Columns) -> tuple[Sequence[Any], Sequence[str], list[str]]:
    """The cells, the same as text where their column is more than an attribute, and what is wrong with them."""
    try:
        text = "".join(raw)
    except TypeError:  # not all is text
        cells = unguarded(raw)
        faults = [_ZERO] if any(map(_zero_within, cells)) else []
        return cells, [_text(cell, faults) if index in columns.read else "" for index, cell in enumerate(cells)], faults
    cells = unguarded(raw) if "'" in text else raw
    return cells, cells, [_ZERO] if "\0" in text else []


def _zero_within(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(map(_zero_within, value))
        case dict():
            return any(map(_zero_within, (*value, *value.values())))
        case _:
            return False


def _text(cell: Any, faults: list[str]) -> str:
    """What stands there, as text."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, dict | list):
        faults.append("has a list or an object where a text is needed; write one value")
        return ""
    return "" if cell is None else str(cell)


def _region(country: str, default_region: str, notes: list[Note]) -> str:
    """The country of a number written without one; "" where the row states a country that is not known."""
    if country in REGIONS:
        return country
    if not country:
        return default_region
    code = _ALSO_CALLED.get(country.upper(), country.upper())
    if code in REGIONS:
        return code
    notes.append(Note("country", "is not two letters of ISO 3166, like US or GB"))
    return ""


def _phones(texts: Sequence[str], indexes: Sequence[int], region: str, notes: list[Note]) -> list[str]:
    """The good numbers in these cells, in order; of the others a note."""
    found = []
    for index in indexes:
        if text := texts[index]:
            try:
                found.append(to_e164(text, region))
            except ValueError as error:
                notes.append(Note("phone", str(error)))
    return found


def _emails(texts: Sequence[str], indexes: Sequence[int], notes: list[Note]) -> list[str]:
    """The same for mail addresses."""
    found = []
    for index in indexes:
        if text := texts[index]:
            try:
                found.append(normalize_email(text))
            except ValueError as error:
                notes.append(Note("email", str(error)))
    return found


def _timezone(stated: str, faults: list[str]) -> str:
    zone = find_timezone(stated)
    if not zone:
        faults.append(f"timezone {why_no_timezone(stated)}")
    return zone


def _language(text: str, notes: list[Note]) -> dict[str, str]:
    tag = text.replace("_", "-")
    if tag and not _LANGUAGE.fullmatch(tag):
        notes.append(Note("language", "is no language tag; write it like en or de-CH"))
        return {}
    return {"language": tag} if tag else {}


def _suppressions(
    texts: Sequence[str], columns: Columns, phones: Sequence[str], emails: Sequence[str], faults: list[str]
) -> tuple[Suppression, ...]:
    """Whom the opt-out columns protect: every address of the row, on the channels they close."""
    closed: set[ChannelKind | None] = set()
    for column in columns.opt_outs:
        if not (text := texts[column.index]):
            continue
        try:
            closed |= _closed(column, text)
        except ValueError as error:
            faults.append(str(error))
    if not closed:
        return ()
    if None in closed:
        every = dict.fromkeys((*phones, *emails))
        return tuple(Suppression(channel=None, address=address, reason="import") for address in every)
    addresses = {ChannelKind.SMS: phones, ChannelKind.VOICE: phones, ChannelKind.EMAIL: emails}
    return tuple(
        Suppression(channel=channel, address=address, reason="import")
        for channel in ChannelKind
        if channel in closed
        for address in dict.fromkeys(addresses[channel])
    )


@lru_cache(maxsize=1024)
def _closed(column: OptOut, text: str) -> frozenset[ChannelKind | None]:
    """The channels that a cell of an opt-out column closes. Raises ValueError where it cannot be understood."""
    word = text.strip().casefold()
    if column.inverse:  # evidence of consent comes in many words, its refusal in few
        return frozenset({column.channel}) if word in _NO else frozenset()
    if word in _NO or not word:
        return frozenset()
    if word in _YES:
        return frozenset({column.channel})
    words = [part for part in re.split(r"[\s,;|/+&]+|\band\b", word) if part]
    if not words or any(part not in _WORDS for part in words):
        raise ValueError("opt-out cannot be understood; write yes, no, or the channels: sms, email, voice")
    return frozenset(_WORDS[part] for part in words)
