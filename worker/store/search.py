"""Searches as SQL: a tree of `worker.domain.search` over documents or over contacts, a page at a time, totals exact.

1. Every leaf is a range of an index. Documents are found by their terms, contacts by columns of their own.
2. Every search names its tenant, and takes no longer than it may: TooCostly.
3. Pages follow one another by the sorted column and the id, so a page deep inside costs what the first one does.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, assert_never

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from worker.domain import search
from worker.domain.search import Order, Query, after_prefix, number_of
from worker.store import dialect
from worker.store.contacts import contact_of
from worker.store.document_tables import LIVE_CONTACT, LIVE_DOCUMENT, contacts, document_terms, documents, is_set
from worker.store.documents import document_of
from worker.store.rows import ContactRow, Document

SECONDS: Final = 5.0
"""How long a search may take."""

Condition = ColumnElement[bool]
Position = tuple[Any, str]
"""Where a page ended: the sorted value and the id of its last row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows: so many from `start` on, or after a position. `total`: how many there are in all, if it is known."""

    order: Order
    rows: int
    start: int = 0
    after: Position | None = None
    total: int | None = None


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hits(Generic[T]):
    """What was found. `total`: how many there are in all; `end`: the position of the last row, or None."""

    rows: tuple[T, ...]
    total: int
    end: Position | None


def find_documents(
    conn: Connection, tenant_id: str, document_type: str, query: Query, page: Page, *, id_key: str = ""
) -> Hits[Document]:
    """The live documents of a type that a query asks for. `id_key`: what a query calls their id."""
    row = documents.c
    source = _Source(
        table=documents,
        key=row.document_id,
        columns={"name": row.name_key, "createdAt": row.created_at, "modifiedAt": row.modified_at},
        scope=and_(row.tenant_id == tenant_id, row.type == document_type, LIVE_DOCUMENT),
        leaf=lambda leaf: [_DocumentLeaves(tenant_id, document_type, id_key).condition(leaf)],
    )
    found, total, end = source.page(conn, query, page)
    return Hits(tuple(map(document_of, found)), total, end)


def find_contacts(conn: Connection, tenant_id: str, query: Query, page: Page) -> Hits[ContactRow]:
    """The live contacts that a query asks for."""
    row = contacts.c
    source = _Source(
        table=contacts,
        key=row.contact_id,
        columns={"contactId": row.contact_id, "createdAt": row.created_at},
        scope=and_(row.tenant_id == tenant_id, LIVE_CONTACT),
        leaf=_contact,
    )
    found, total, end = source.page(conn, query, page)
    return Hits(tuple(map(contact_of, found)), total, end)


_SORTED_AT_ONCE: Final = 10_000
"""Of so few hits all are found first and sorted then. A planner may take the order for the more telling index."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A table to search: the key and the columns to sort by, what limits it to a tenant, and what a leaf means.

    A leaf is one condition, or several of which one must hold.
    """

    table: Table
    key: ColumnElement[str]
    columns: Mapping[str, ColumnElement[Any]]
    scope: Condition
    leaf: Callable[[Any], Sequence[Condition]]

    def page(self, conn: Connection, query: Query, page: Page) -> tuple[Sequence[Row[Any]], int, Position | None]:
        """The rows of a page, the total, and where the page ended."""
        condition = and_(self.scope, self._condition(query))
        with dialect.limited(conn, SECONDS):
            total = page.total
            if total is None:
                total = conn.execute(select(func.count()).select_from(self.table).where(condition)).scalar_one()
            found = conn.execute(self._ordered(condition, page, few=total <= _SORTED_AT_ONCE)).all()
        if not found:
            return found, total, None
        return found, total, (found[-1].sorted_by, found[-1].sorted_id)

    def _ordered(self, condition: Condition, page: Page, *, few: bool) -> Select[Any]:
        hits = select(self.key).where(condition).cte("hits").prefix_with("MATERIALIZED")
        by = self.columns[page.order.field]
        wanted = select(self.table, by.label("sorted_by"), self.key.label("sorted_id"))
        wanted = wanted.where(self.scope, self.key.in_(select(hits.c[0])) if few else condition)
        if page.after is not None:
            here, last = tuple_(by, self.key), tuple_(*(literal(part) for part in page.after))
            wanted = wanted.where(here < last if page.order.descending else here > last)
        ordered = [column.desc() if page.order.descending else column.asc() for column in (by, self.key)]
        return wanted.order_by(*ordered).limit(page.rows).offset(page.start)

    def _condition(self, query: Query) -> Condition:
        match query:
            case search.Everything():
                return true()
            case search.All(parts):
                return and_(true(), *map(self._condition, parts))
            case search.Any(parts):
                return self._any([self._condition(part) for part in parts])
            case search.Not(part):
                return not_(self._condition(part))
            case search.Is() | search.Between() | search.Matches() | search.Exists() | search.Says():
                return self._any(self.leaf(query))
            case _:
                assert_never(query)

    def _any(self, conditions: Sequence[Condition]) -> Condition:
        """Each by its own index; of an OR the planners would make a look at every row."""
        if len(conditions) == 1:
            return conditions[0]
        return self.key.in_(union_all(*(select(self.key).where(self.scope, c).correlate(None) for c in conditions)))


Leaf = search.Is | search.Between | search.Matches | search.Exists | search.Says


@dataclass(frozen=True, slots=True)
class _DocumentLeaves:
    """A leaf over documents: their id is among those that have such a term. What the store writes is in columns."""

    tenant_id: str
    document_type: str
    id_key: str

    def condition(self, leaf: Leaf) -> Condition:
        if leaf.field in _DOCUMENT_TIMES:
            return _moment(_DOCUMENT_TIMES[leaf.field], leaf)
        if leaf.field in _DOCUMENT_COLUMNS:
            return _term(_DOCUMENT_COLUMNS[leaf.field], leaf)
        if leaf.field == self.id_key:
            return _term(documents.c.document_id, leaf)
        if isinstance(leaf, search.Says):
            return self._says(leaf)
        return self._have(leaf.field, _term(document_terms.c.term, leaf))

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


def _term(column: ColumnElement[str], leaf: Leaf) -> Condition:
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


def _contact(leaf: Leaf) -> list[Condition]:
    """A leaf over contacts."""
    match leaf.field:
        case "name":
            return list(_contact_name(leaf))
        case "createdAt":
            return [_moment(contacts.c.created_at, leaf)]
        case _:
            column = _CONTACT_COLUMNS[leaf.field]
            return [and_(_term(column, leaf), is_set(column))]  # the second half is what the partial index wants to see


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
        yield and_(_term(name, leaf), is_set(name))
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
