"""Searches as SQL: a tree of `worker.domain.search` over documents or over contacts, a page at a time, totals exact.

1. Every leaf is a range of an index. Documents are found by their terms, contacts by columns of their own.
2. Every search names its tenant, and takes no longer than it may: TooCostly.
3. Pages follow one another by the sorted column and the id, so a page deep inside costs what the first one does.
"""

from collections.abc import Callable, Mapping, Sequence
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
    select,
    true,
    tuple_,
    union_all,
)

from worker.domain import search
from worker.domain.search import Order, Query
from worker.store import dialect
from worker.store.contacts import contact_of
from worker.store.document_rows import Document
from worker.store.document_tables import LIVE_CONTACT, LIVE_DOCUMENT, contacts, documents
from worker.store.documents import document_of
from worker.store.rows import ContactRow
from worker.store.search_leaves import Condition, DocumentLeaves, contact_leaf

SECONDS: Final = 5.0
"""How long a search may take."""

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
        leaf=lambda leaf: [DocumentLeaves(tenant_id, document_type, id_key).condition(leaf)],
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
        leaf=contact_leaf,
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
            case search.Attribute():
                raise AssertionError("only segments ask for attributes")
            case _:
                assert_never(query)

    def _any(self, conditions: Sequence[Condition]) -> Condition:
        """Each by its own index; of an OR the planners would make a look at every row."""
        if len(conditions) == 1:
            return conditions[0]
        return self.key.in_(union_all(*(select(self.key).where(self.scope, c).correlate(None) for c in conditions)))
