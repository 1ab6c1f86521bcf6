"""One row of an audience file, read: the contact, whom it protects, what is wrong with it.

1. A stated time zone or opt-out that cannot be understood makes the row no contact: it is no permission.
2. A broken address beside a good one is a note; the contact is reachable.
3. No sentence repeats an address.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from channels.messages import ChannelKind
from worker.domain.addresses import REGIONS, find_timezone, guess_timezone, normalize_email, to_e164
from worker.runtime.import_columns import Columns, OptOut
from worker.store.rows import ContactRow, Suppression

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
_ALSO_CALLED: Final = {"UK": "GB", "USA": "US"}
_YES: Final = frozenset(["yes", "y", "true", "t", "1", "x", "ja", "oui", "si", "sí"])
_NO: Final = frozenset(["no", "n", "false", "f", "0", "nein", "non", "none", "never", "null", "-"])
_WORDS: Final[dict[str, ChannelKind | None]] = {
    **dict.fromkeys(["all", "any", "both", "everything"], None),
    **dict.fromkeys(["sms", "text", "texts"], ChannelKind.SMS),
    **dict.fromkeys(["email", "emails", "mail", "e-mail"], ChannelKind.EMAIL),
    **dict.fromkeys(["voice", "call", "calls", "phone"], ChannelKind.VOICE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a row says. With `faults` it is no contact; its suppressions hold all the same."""

    contact: ContactRow = field(repr=False)
    suppressions: tuple[Suppression, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def read_row(cells: Sequence[str], columns: Columns, default_region: str) -> Reading:
    """Read one row that has as many cells as the header."""
    faults = ["has a zero byte in it; export the file again"] if any("\0" in cell for cell in cells) else []
    notes: list[str] = []
    region = _region(_cell(cells, columns.country), default_region, notes)
    phones = _addresses(cells, columns.phones, "phone", lambda text: to_e164(text, region), notes)
    emails = _addresses(cells, columns.emails, "email", normalize_email, notes)
    phone, email = next(iter(phones), ""), next(iter(emails), "")
    if not phone and not email:
        faults += notes or ["has neither phone nor email"]
    fields: dict[str, Any] = {name: cells[index] for index, name in columns.attributes if cells[index]}
    fields |= _language(_cell(cells, columns.language), notes)
    contact = ContactRow(
        external_id=_cell(cells, columns.external_id),
        phone=phone,
        email=email,
        timezone=_timezone(_cell(cells, columns.timezone), phone, faults),
        fields=fields,
    )
    suppressions = _suppressions(cells, columns, phones, emails, faults)
    return Reading(contact=contact, suppressions=suppressions, faults=tuple(faults), notes=tuple(notes))


def _cell(cells: Sequence[str], index: int) -> str:
    return cells[index] if index >= 0 else ""


def _region(country: str, default_region: str, notes: list[str]) -> str:
    """The country of a number written without one; "" where the row states a country that is not known."""
    if not country:
        return default_region
    code = _ALSO_CALLED.get(country.upper(), country.upper())
    if code in REGIONS:
        return code
    notes.append("country is not two letters of ISO 3166, like US or GB")
    return ""


def _addresses(
    cells: Sequence[str], indexes: Sequence[int], name: str, normalize: Callable[[str], str], notes: list[str]
) -> tuple[str, ...]:
    """The good addresses in these cells, in order; of the others a note."""
    found = []
    for index in indexes:
        if cells[index]:
            try:
                found.append(normalize(cells[index]))
            except ValueError as error:
                notes.append(f"{name} {error}")
    return tuple(found)


def _timezone(stated: str, phone: str, faults: list[str]) -> str:
    """The zone stated, else the one the number is in, else ""."""
    if not stated:
        return guess_timezone(phone) if phone else ""
    zone = find_timezone(stated)
    if not zone:
        faults.append("timezone is no zone of the IANA database; write it like America/Phoenix, or leave it empty")
    return zone


def _language(text: str, notes: list[str]) -> dict[str, str]:
    tag = text.replace("_", "-")
    if tag and not _LANGUAGE.fullmatch(tag):
        notes.append("language is no language tag; write it like en or de-CH")
        return {}
    return {"language": tag} if tag else {}


def _suppressions(
    cells: Sequence[str], columns: Columns, phones: Sequence[str], emails: Sequence[str], faults: list[str]
) -> tuple[Suppression, ...]:
    """Whom the opt-out columns protect: every address of the row, on the channels they close."""
    closed: set[ChannelKind | None] = set()
    for column in columns.opt_outs:
        try:
            closed |= _closed(column, cells[column.index])
        except ValueError as error:
            faults.append(str(error))
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
