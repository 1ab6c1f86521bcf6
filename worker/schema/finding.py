"""Searches: a query and a page in, documents and a total out.

1. Totals are exact. A cursor carries the total of its first page, so that the pages after it need not count again.
2. A cursor belongs to the search that gave it; with another query, type or order it is refused.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.base import MAX_WHOLE
from worker.domain.search import Order
from worker.schema.contacts import contact_wire
from worker.schema.drafts import Wire, to_wire
from worker.schema.errors import BadRequest
from worker.schema.query import parse, parse_order
from worker.schema.types import SchemaType
from worker.store.facade import Store
from worker.store.search import Hits, Page, Position

MOST_ROWS: Final = 1000
DEEPEST_START: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for. `rows` 1 to 1,000; `start` 0 to 10,000, beyond it a `cursor`; `sort` like `-modifiedAt`."""

    q: str = field(default="", repr=False)
    rows: int = 100
    start: int = 0
    sort: str = ""
    cursor: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page. `total`: how many there are in all; `next`: the cursor of the next page, "" after the last one."""

    objects: tuple[Wire, ...] = field(repr=False)
    total: int
    next: str = field(default="", repr=False)

    @property
    def count(self) -> int:
        return len(self.objects)


def find(store: Store, tenant_id: str, kind: SchemaType, search: Search) -> Found:
    """Run a search. Raises BadRequest."""
    _require_range("rows", search.rows, 1, MOST_ROWS)
    _require_range("start", search.start, 0, DEEPEST_START)
    query = parse(search.q, kind.fields, kind.free)
    order = parse_order(search.sort, kind.sorts) if search.sort else Order(kind.sorts[0])
    mark = _mark(kind, search.q, order)
    position, total = _read_cursor(search.cursor, mark, order) if search.cursor else (None, None)
    if position is not None and search.start:
        raise BadRequest("start and cursor exclude each other; leave start out")
    page = Page(order=order, rows=search.rows, start=search.start, after=position, total=total)
    hits: Hits[Any]
    if kind.name == "contact":
        hits = store.search_contacts(tenant_id, query, page)
        objects = tuple(contact_wire(tenant_id, row) for row in hits.rows)
    else:
        hits = store.search_documents(tenant_id, kind.name, query, page, id_key=kind.id_key)
        objects = tuple(to_wire(tenant_id, row) for row in hits.rows)
    is_last = len(objects) < search.rows or (not search.cursor and search.start + len(objects) >= hits.total)
    following = "" if hits.end is None or is_last else _cursor(mark, hits.end, hits.total)
    return Found(objects=objects, total=hits.total, next=following)


def _require_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        hint = "; go on with the cursor in `next`" if name == "start" and value > most else ""
        raise BadRequest(f"{name} must be {least} to {most}, not {value}{hint}")


def _mark(kind: SchemaType, q: str, order: Order) -> str:
    return hashlib.sha256(repr((kind.name, q, order)).encode(errors="replace")).hexdigest()[:16]


def _cursor(mark: str, end: Position, total: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([mark, *end, total]).encode()).decode().rstrip("=")


def _read_cursor(text: str, mark: str, order: Order) -> tuple[Position, int]:
    try:
        padded = text + "=" * (-len(text) % 4)
        theirs, value, document_id, total = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise BadRequest("cursor cannot be read; take it from `next` as it is") from None
    if theirs != mark:
        raise BadRequest("cursor is of another search; begin with its first page")
    fits = _is_number(value) if order.field.endswith("At") else _is_text(value)
    if not (fits and _is_text(document_id) and _is_number(total)):
        raise BadRequest("cursor cannot be read; take it from `next` as it is")
    return (value, document_id), total


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= MAX_WHOLE
