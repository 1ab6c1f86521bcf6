"""What a leaf of a search means in SQL: a range of an index, over the terms of documents or the columns of contacts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from sqlalchemy import ColumnElement, and_, or_, select, true

from worker.domain import search
from worker.domain.search import after_prefix, number_of
from worker.store.document_tables import contacts, document_terms, documents, is_set

Condition = ColumnElement[bool]

Leaf = search.Is | search.Between | search.Matches | search.Exists | search.Says


@dataclass(frozen=True, slots=True)
class DocumentLeaves:
    """A leaf over documents: their id is among those that have such a term. What the store writes is in columns."""

    tenant_id: str
    document_type: str
    id_key: str

    def condition(self, leaf: Leaf) -> Condition:
        if leaf.field in _DOCUMENT_TIMES:
            return _moment(_DOCUMENT_TIMES[leaf.field], leaf)
        if leaf.field in _DOCUMENT_COLUMNS:
            return term_condition(_DOCUMENT_COLUMNS[leaf.field], leaf)
        if leaf.field == self.id_key:
            return term_condition(documents.c.document_id, leaf)
        if isinstance(leaf, search.Says):
            return self._says(leaf)
        return self._have(leaf.field, term_condition(document_terms.c.term, leaf))

    def _says(self, leaf: search.Says) -> Condition:
        """Each word by the index; whether they follow one another, by the text of those few."""
        each = (self._have(leaf.field, document_terms.c.term == search.keyword_term(word)) for word in leaf.words)
        said = document_terms.c.term.contains(f" {' '.join(leaf.words)} ", autoescape=True)
        return and_(*each, self._have(leaf.field + search.TEXT_SUFFIX, said))

    def _have(self, field: str, condition: Condition) -> Condition:
        term = document_terms.c
        return documents.c.document_id.in_(
            select(term.document_id).where(
                term.tenant_id == self.tenant_id,
                term.type == self.document_type,
                term.field == field,
                condition,
            )
        )


def term_condition(column: ColumnElement[str], leaf: Leaf) -> Condition:
    """A condition on a column that holds terms."""
    match leaf:
        case search.Is(term=term):
            return column == term
        case search.Exists():
            return is_set(column)
        case search.Between(low=low, high=high):
            above = [column >= low if leaf.with_low else column > low] if low is not None else []
            below = [column <= high if leaf.with_high else column < high] if high is not None else []
            return and_(is_set(column), *above, *below)
        case search.Matches(pattern=pattern):
            starts = _begins(column, leaf.prefix)
            is_prefix = pattern[1:] == ("*", "")
            return starts if is_prefix else and_(starts, column.like(_like(pattern), escape="\\"))
        case search.Says():
            raise AssertionError(f"{leaf.field} is not searched by words")
        case _:
            assert_never(leaf)


_DOCUMENT_TIMES: Final[Mapping[str, ColumnElement[int]]] = {
    "createdAt": documents.c.created_at,
    "modifiedAt": documents.c.modified_at,
}
_DOCUMENT_COLUMNS: Final[Mapping[str, ColumnElement[str]]] = {
    "createdBy": documents.c.created_by,
    "modifiedBy": documents.c.modified_by,
}


def _begins(column: ColumnElement[str], prefix: str) -> Condition:
    end = after_prefix(prefix)
    return and_(column >= prefix, column < end) if end else column >= prefix


def _like(pattern: tuple[str, ...]) -> str:
    wild = {"*": "%", "?": "_"}
    return "".join(wild[part] if place % 2 else _escaped(part) for place, part in enumerate(pattern))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def contact_leaf(leaf: Leaf) -> list[Condition]:
    """A leaf over contacts."""
    match leaf.field:
        case "name":
            return list(_contact_name(leaf))
        case "createdAt":
            return [_moment(contacts.c.created_at, leaf)]
        case _:
            column = _CONTACT_COLUMNS[leaf.field]
            return [
                and_(term_condition(column, leaf), is_set(column))
            ]  # the second half is what the partial index wants to see


_CONTACT_COLUMNS: Final[Mapping[str, ColumnElement[str]]] = {
    "contactId": contacts.c.contact_id,
    "externalId": contacts.c.external_id,
    "phone": contacts.c.phone,
    "email": contacts.c.email,
    "firstName": contacts.c.first_name_key,
    "lastName": contacts.c.last_name_key,
}


def _contact_name(leaf: Leaf) -> Iterator[Condition]:
    """The words of a name: those that the first or the last name begins with; either may have several."""
    first, last = contacts.c.first_name_key, contacts.c.last_name_key
    if isinstance(leaf, search.Says):
        text, whole = " ".join(leaf.words), first + " " + last
        in_order = or_(whole == text, _begins(whole, text + " "))
        yield and_(_begins(first, leaf.words[0]), in_order, is_set(first))
        yield from (and_(condition, is_set(last)) for condition in (last == text, _begins(last, text + " ")))
        return
    for name in (first, last):
        yield and_(term_condition(name, leaf), is_set(name))
        if isinstance(leaf, search.Is):
            yield and_(_begins(name, leaf.term + " "), is_set(name))


def _moment(column: ColumnElement[int], leaf: Leaf) -> Condition:
    """A time in milliseconds; terms of times are those of numbers."""
    match leaf:
        case search.Is(term=term):
            return column == int(number_of(term))
        case search.Between(low=low, high=high):
            above = [] if low is None else [column >= _whole(low) if leaf.with_low else column > _whole(low)]
            below = [] if high is None else [column <= _whole(high) if leaf.with_high else column < _whole(high)]
            return and_(true(), *above, *below)
        case search.Exists():
            return true()
        case _:
            raise AssertionError("times have no words and no patterns")


def _whole(term: str) -> int:
    """Clipped to what a column holds."""
    return int(max(-_FAR, min(_FAR, number_of(term))))


_FAR: Final = 2.0**62
