"""`worker.domain.search.folded` as PostgreSQL computes it: the same text for the same value, whatever its locale is.

A server's own `lower` knows the letters of its locale, which is often C and knows ASCII only. So most values, which are
plain ASCII, are told by one look; in the others each letter is looked up in Python's tables, which go along as JSON.
"""

import sys
import unicodedata
from functools import cache
from typing import Final

from sqlalchemy import ColumnElement, Text, case, cast, collate, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from worker.store.codec import to_json

_PLAIN: Final = "^([!-~]+( [!-~]+)*)?$"
"""Printable ASCII in single spaces: nothing but capital letters to fold."""


def folded(text: ColumnElement[str]) -> ColumnElement[str]:
    """The expression. `normalize` wants a database in UTF-8."""
    letters = func.string_to_array(func.normalize(text, literal_column("NFKC")), literal_column("NULL"))
    one = func.unnest(letters).table_valued("letter", with_ordinality="place", name="one").render_derived()
    found = func.coalesce(cast(literal(_letters()), JSONB).op("->>")(one.c.letter), one.c.letter, type_=Text())
    joined = select(func.string_agg(found, aggregate_order_by(literal_column("''"), one.c.place))).scalar_subquery()
    spaced = func.btrim(func.regexp_replace(func.coalesce(joined, ""), " {2,}", " ", "g"))
    return case((text.op("~")(_PLAIN), func.lower(collate(text, "C"))), else_=spaced)


@cache
def _letters() -> str:
    """What folding makes of each letter that does not stay as it is, where it stands in a composed text."""
    found = {}
    for letter in map(chr, range(1, sys.maxunicode + 1)):
        to = " " if letter.isspace() else letter.casefold()
        if to != letter and unicodedata.normalize("NFKC", letter) == letter:
            found[letter] = to
    return to_json(found)
