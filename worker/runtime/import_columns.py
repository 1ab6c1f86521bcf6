"""What the columns of an audience file mean, by the names people and CRMs give them.

1. Case, blanks and punctuation do not matter: `E-Mail`, `e mail` and `EMAIL` are one.
2. A column that is not known becomes an attribute in camelCase: `Policy Number` is `contact.policyNumber`.
3. A column that speaks of opting out is never an attribute: it must not be overlooked.
4. The two columns that a reject file has in front are neither; they have to be called exactly so.
5. Whoever imports may say what a column is: it is then read as if it were called so, and as nothing if called "".
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from channels.messages import ChannelKind
from worker.runtime.contact_file import UnreadableFile, named
from worker.runtime.reject_file import OURS, REASON


@dataclass(frozen=True, slots=True)
class OptOut:
    """A column that says who must not be contacted: yes in it closes `channel` (None: all).

    `inverse` is one that says who may be: no in it closes the channel.
    """

    index: int
    channel: ChannelKind | None
    inverse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where things stand. `phones` and `emails` are indexes, the best first; -1 is a column that is not there.

    `rejected`: why a row was rejected before. `read` are all that are more than attributes.
    """

    phones: tuple[int, ...]
    emails: tuple[int, ...]
    external_id: int
    timezone: int
    language: int
    country: int
    rejected: int
    opt_outs: tuple[OptOut, ...]
    attributes: tuple[tuple[int, str], ...]
    read: frozenset[int]


_PHONES: Final = [
    "mobile",
    "mobilephone",
    "mobilenumber",
    "cell",
    "cellphone",
    "handy",
    "handynummer",
    "msisdn",
    "sms",
    "phone",
    "phonenumber",
    "number",
    "telephone",
    "telephonenumber",
    "tel",
    "telefon",
    "telefonnummer",
    "rufnummer",
    "homephone",
    "workphone",
]
_EMAILS: Final = ["email", "emailaddress", "mail", "mailaddress", "workemail"]
_EXTERNAL_IDS: Final = [
    "externalid",
    "id",
    "contactid",
    "customerid",
    "customernumber",
    "crmid",
    "recordid",
    "kundennummer",
]
_TIMEZONES: Final = ["timezone", "tz", "ianatimezone", "zeitzone"]
_LANGUAGES: Final = ["language", "lang", "locale", "sprache", "preferredlanguage"]
_COUNTRIES: Final = ["country", "countrycode", "isocountry", "land"]
_NAMES: Final = {
    "firstname": "firstName",
    "givenname": "firstName",
    "fname": "firstName",
    "vorname": "firstName",
    "prenom": "firstName",
    "prénom": "firstName",
    "lastname": "lastName",
    "surname": "lastName",
    "familyname": "lastName",
    "lname": "lastName",
    "nachname": "lastName",
    "fullname": "name",
}
_OPT_OUTS: Final = {
    **dict.fromkeys(["optout", "optedout", "unsubscribed", "unsubscribe", "dnc", "donotcontact", "suppressed"], None),
    **dict.fromkeys(["smsoptout", "optedoutofsms", "donottext", "donotsms"], ChannelKind.SMS),
    **dict.fromkeys(["emailoptout", "hasoptedoutofemail", "unsubscribedfromallemail", "donotemail"], ChannelKind.EMAIL),
    **dict.fromkeys(["donotcall", "calloptout", "voiceoptout"], ChannelKind.VOICE),
}
_OPT_INS: Final = {
    **dict.fromkeys(["optin", "optedin", "subscribed", "consent"], None),
    **dict.fromkeys(["smsoptin", "smsconsent"], ChannelKind.SMS),
    **dict.fromkeys(["emailoptin", "emailconsent", "emailsubscribed"], ChannelKind.EMAIL),
    **dict.fromkeys(["calloptin", "callconsent", "voiceconsent"], ChannelKind.VOICE),
}


_DIGITS_OF_A_NUMBER: Final = 5


def columns_of(header: Sequence[str], called: Mapping[str, str] | None = None) -> Columns:
    """What each column of this header is. `called`: columns and what they are to be read as.

    Raises UnreadableFile where an import would be wrong or empty.
    """
    header = _renamed(header, called or {})
    keys = ["" if name in OURS else _key(name) for name in header]
    _refuse_twins(header, keys)
    phones = _indexes(keys, _PHONES)
    emails = _indexes(keys, _EMAILS)
    if not phones and not emails:
        if any("@" in name or sum(map(str.isdigit, name)) >= _DIGITS_OF_A_NUMBER for name in header):
            raise UnreadableFile("the first line is no header; put one above it, like phone,email,firstName")
        raise UnreadableFile(
            f"no column has an address; name one phone or email, or say which is, like --map COLUMN=phone."
            f" The columns are: {named(header)}"
        )
    opt_outs = [OptOut(index, _OPT_OUTS[key]) for index, key in enumerate(keys) if key in _OPT_OUTS]
    opt_outs += [OptOut(index, _OPT_INS[key], inverse=True) for index, key in enumerate(keys) if key in _OPT_INS]
    single = [next(iter(_indexes(keys, names)), -1) for names in (_EXTERNAL_IDS, _TIMEZONES, _LANGUAGES, _COUNTRIES)]
    rejected = header.index(REASON) if REASON in header else -1
    used = {*phones[:1], *emails[:1], *single[:3], *(opt_out.index for opt_out in opt_outs)}
    return Columns(
        phones=phones,
        emails=emails,
        external_id=single[0],
        timezone=single[1],
        language=single[2],
        country=single[3],
        rejected=rejected,
        opt_outs=tuple(opt_outs),
        attributes=tuple(
            (index, _NAMES.get(key) or _attribute(header[index]))
            for index, key in enumerate(keys)
            if key and index not in used
        ),
        read=frozenset({*phones, *emails, *single, rejected, *(opt_out.index for opt_out in opt_outs)}),
    )


def _renamed(header: Sequence[str], called: Mapping[str, str]) -> Sequence[str]:
    """The header as it is to be read. A column is named as it is written, or as we would write it."""
    places = {name: index for index, name in reversed(list(enumerate(header)))}
    by_key = {_key(name): index for name, index in places.items()}
    renamed = list(header)
    for name, meaning in called.items():
        place = places.get(name, by_key.get(_key(name)) if _key(name) else None)
        if place is None:
            raise UnreadableFile(f"there is no column {name!r} to map; the columns are: {named(header)}")
        renamed[place] = meaning
    return renamed


def _key(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _indexes(keys: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Where these names stand, in the order of the names."""
    return tuple(_places(keys, names))


def _places(keys: Sequence[str], names: Sequence[str]) -> Iterator[int]:
    for name in names:
        if name in keys:
            yield keys.index(name)


def _attribute(name: str) -> str:
    """A column's name as a template writes it: `Policy Number` and `policy_number` as policyNumber, `PLAN` as plan."""
    words = [word.lower() if word.isupper() else word for word in re.findall(r"[^\W_]+", name)]
    first, *rest = words
    return "".join((first[:1].lower() + first[1:], *(word[:1].upper() + word[1:] for word in rest)))


def _refuse_twins(header: Sequence[str], keys: Sequence[str]) -> None:
    counted = Counter(key for key in keys if key)
    for name, key in zip(header, keys, strict=True):
        if counted[key] > 1:
            raise UnreadableFile(
                f"two columns are called {name!r}; rename or remove one, or map one to something else with --map"
            )
