"""What a search asks for, and how values are written so that one index serves every question.

1. A query is a tree of these nodes. It names fields that exist and values of their kind: whoever builds it has checked.
2. A term is text that sorts as its value does: words folded, numbers as sixteen hexadecimal digits. Equality, prefixes
   and ranges are then ranges of terms, the same on every database.
"""

import dataclasses
import struct
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TERM_LENGTH: Final = 200
"""Characters of a text that are indexed. Of two texts that only differ further on, a search finds both."""

TEXT_SUFFIX: Final = ":text"
"""Added to the name of a field searched by words: the term is all of its words in order, for phrases."""


class FieldKind(StrEnum):
    """How a field is searched.

    WORDS: each word of a text by itself. KEYWORD: the whole value, upper or lower case. EXACT: the whole value as it is
    written; no wildcards, no ranges. NUMBER: also TIMEs, in milliseconds since 1970. BOOLEAN: true or false.
    """

    WORDS = "words"
    KEYWORD = "keyword"
    EXACT = "exact"
    NUMBER = "number"
    TIME = "time"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Everything:
    """All there is."""


@dataclass(frozen=True, slots=True)
class Is:
    """A field has this term."""

    field: str
    term: str = dataclasses.field(repr=False)  # may be somebody's number


@dataclass(frozen=True, slots=True)
class Between:
    """A field has a term in this range. None: no limit on that side."""

    field: str
    low: str | None = dataclasses.field(repr=False)
    high: str | None = dataclasses.field(repr=False)
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True, slots=True)
class Matches:
    """A field has a term of this pattern.

    Folded text and wildcards in turn: at even places text, at odd ones `*` (any characters) or `?` (one). `Ho*day` is
    ("ho", "*", "day"), `Hol*` is ("hol", "*", ""). The first text is not empty: it is what the index is asked for.
    """

    field: str
    pattern: tuple[str, ...] = dataclasses.field(repr=False)

    @property
    def prefix(self) -> str:
        return self.pattern[0]


@dataclass(frozen=True, slots=True)
class Exists:
    """A field is set."""

    field: str


@dataclass(frozen=True, slots=True)
class Says:
    """These words follow one another in a field that is searched by words."""

    field: str
    words: tuple[str, ...] = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a contact has what `test` says, or one of its values has; `test.field` is its name.

    `kind` KEYWORD: texts are compared, folded. NUMBER: numbers, and texts that are written like one. TIME: texts that
    begin with a date like 2026-12-31. Only segments ask for attributes.
    """

    kind: FieldKind
    test: "Is | Between | Matches | Exists"


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part holds."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Query"


Query = Everything | Is | Between | Matches | Exists | Says | Attribute | All | Any | Not


@dataclass(frozen=True, slots=True)
class Order:
    """By which field results come."""

    field: str
    descending: bool = False


def folded(text: str) -> str:
    """A text as terms and questions compare it: composed, without case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> tuple[str, ...]:
    """The words of a text, folded: runs of letters and digits, in order."""
    return tuple("".join(c if c.isalnum() else " " for c in folded(text)).split())


def keyword_term(text: str) -> str:
    """A whole text as a term."""
    return folded(text)[:TERM_LENGTH]


def keyword_pattern(pieces: Sequence[str]) -> tuple[str, ...]:
    """A whole text with wildcards, as `Matches` takes it. `pieces`: text and wildcards in turn, as they are written."""
    return _woven(folded(_GAP.join(pieces[::2])).split(_GAP), iter(pieces[1::2]))


def word_patterns(pieces: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The same for each word of a text; one without a wildcard is a pattern of one piece. `*` alone is no word."""
    text = folded(_GAP.join(pieces[::2]))
    wildcards = iter(pieces[1::2])
    found = "".join(c if c.isalnum() or c == _GAP else " " for c in text).split()
    patterns = (_woven(word.split(_GAP), wildcards) for word in found)
    return tuple(pattern for pattern in patterns if set(pattern) != {"", "*"})


_GAP: Final = "\0"
"""Stands for a wildcard while the text around it is folded. No text has it."""


def _woven(texts: Sequence[str], wildcards: Iterator[str]) -> tuple[str, ...]:
    """Text and wildcards in turn; takes as many wildcards as there are gaps."""
    first, *rest = texts
    return (first, *(piece for text in rest for piece in (next(wildcards), text)))


def number_term(value: float) -> str:
    """A number as sixteen hexadecimal digits that sort as numbers do. Exact for whole numbers up to 2**53.

    The bits of an IEEE 754 double sort like its value once those of negative numbers are inverted and the sign of the
    others is set.
    """
    [bits] = struct.unpack(">Q", struct.pack(">d", value + 0.0))  # -0.0 becomes 0.0
    return f"{bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63):016x}"


def number_of(term: str) -> float:
    """The number of a term."""
    bits = int(term, 16)
    bits ^= (1 << 63) if bits >> 63 else 0xFFFFFFFFFFFFFFFF
    [value] = struct.unpack(">d", struct.pack(">Q", bits))
    return float(value)


def after_prefix(prefix: str) -> str:
    """The least text that comes after all that begin with this one, where text sorts by code points; "": there is none.

    Surrogates are no text and are skipped.
    """
    for length in range(len(prefix), 0, -1):
        code = ord(prefix[length - 1]) + 1
        if code <= sys.maxunicode:
            return prefix[: length - 1] + chr(0xE000 if code == 0xD800 else code)  # noqa: PLR2004 - the surrogates
    return ""


def boolean_term(value: bool) -> str:  # noqa: FBT001 - the value itself
    """True or false as a term."""
    return "true" if value else "false"
