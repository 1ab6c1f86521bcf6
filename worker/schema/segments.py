"""Segments: queries over contacts, read in the syntax of all searches; they may ask for every attribute of a person."""

from collections.abc import Mapping
from typing import Final

from worker.domain.search import FieldKind, Query
from worker.schema.query import BadQuery, parse

__all__ = ["BadQuery", "read_segment"]

FREE: Final = ("name", "phone", "email", "externalId")
"""Where a word without a field is looked for."""
CONTACT_FIELDS: Final[Mapping[str, FieldKind]] = {
    "contactId": FieldKind.EXACT,
    "externalId": FieldKind.EXACT,
    "phone": FieldKind.KEYWORD,
    "email": FieldKind.KEYWORD,
    "name": FieldKind.WORDS,
    "firstName": FieldKind.KEYWORD,
    "lastName": FieldKind.KEYWORD,
    "createdAt": FieldKind.TIME,
}
"""What an ordinary search of contacts may ask for: it has an index for each."""
_FIELDS: Final = {**CONTACT_FIELDS, "timezone": FieldKind.KEYWORD, "country": FieldKind.KEYWORD}


def read_segment(text: str) -> Query:
    """Read a query over contacts; a field that is not known is an attribute. Raises BadQuery."""
    return parse(text, _FIELDS, FREE, attributes=True)
