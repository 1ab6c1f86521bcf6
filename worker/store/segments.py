"""What a segment means in SQL: a condition on contacts, judged one by one.

1. No index knows attributes, so a segment is judged within bounds: over a window of contacts, or once over an audience.
2. An attribute is a key of what is kept of the person, else of their `attributes`; `a.b` is a key, else a path.
3. A country is the one the person's document states, else that of their number.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, false, func, not_, or_, true

from worker.domain import search
from worker.domain.countries import prefixes_of
from worker.domain.search import FieldKind, Query, number_of
from worker.store import dialect
from worker.store.document_tables import contacts, is_set
from worker.store.search_leaves import Condition, Leaf, contact_leaf, term_condition


def holds(conn: Connection, query: Query) -> Condition:
    """That a contact is what the query asks for; true or false, never NULL."""
    match query:
        case search.Everything():
            return true()
        case search.All(parts):
            return and_(true(), *(holds(conn, part) for part in parts))
        case search.Any(parts):
            return or_(*(holds(conn, part) for part in parts))
        case search.Not(part):
            return not_(holds(conn, part))
        case search.Attribute():
            return _attribute(conn, query)
        case search.Is() | search.Between() | search.Matches() | search.Exists() | search.Says():
            return _field(conn, query)
        case _:
            assert_never(query)


def has_attribute(conn: Connection, name: str) -> Condition:
    """That a contact has an attribute at all."""
    return _attribute(conn, search.Attribute(FieldKind.KEYWORD, search.Exists(name)))


def paths_of(name: str) -> tuple[tuple[str, ...], ...]:
    """Where an attribute may stand, the first place first."""
    keys = tuple(name.split("."))
    nested = (keys,) if len(keys) > 1 and all(keys) else ()
    return ((name,), ("attributes", name), *nested)


def attribute_names(query: Query) -> Iterator[str]:
    """The attributes that a query asks for."""
    match query:
        case search.Attribute(test=test):
            yield test.field
        case search.All(parts) | search.Any(parts):
            for part in parts:
                yield from attribute_names(part)
        case search.Not(part):
            yield from attribute_names(part)
        case _:
            pass


def _attribute(conn: Connection, leaf: search.Attribute) -> Condition:
    value = dialect.values_at(conn, contacts.c.fields, paths_of(leaf.test.field))
    return exists().select_from(value).where(*_tests(value, leaf))


def _tests(value: FromClause, leaf: search.Attribute) -> Iterator[Condition]:
    text: ColumnElement[str] = value.c.text
    match leaf:
        case search.Attribute(FieldKind.NUMBER, search.Is(term=term)):
            yield value.c.number == number_of(term)
        case search.Attribute(FieldKind.NUMBER, search.Between() as test):
            if test.low is not None:
                low = number_of(test.low)
                yield value.c.number >= low if test.with_low else value.c.number > low
            if test.high is not None:
                high = number_of(test.high)
                yield value.c.number <= high if test.with_high else value.c.number < high
        case search.Attribute(FieldKind.TIME, test):
            yield text.like("____-__-__%")
            yield and_(text >= "0", text < ":")  # begins with a digit
            yield term_condition(text, test)
        case search.Attribute(_, search.Exists()):
            yield or_(value.c.kind != "string", is_set(text))
        case search.Attribute(_, test):
            yield value.c.kind.in_(("string", "boolean"))
            yield term_condition(text, test)


def _field(conn: Connection, leaf: Leaf) -> Condition:
    match leaf.field:
        case "timezone":
            return term_condition(dialect.bytewise(conn, func.lower(contacts.c.timezone)), leaf)
        case "country":
            return _country(conn, leaf)
        case _:
            return or_(*contact_leaf(leaf))


def _country(conn: Connection, leaf: Leaf) -> Condition:
    assert not isinstance(leaf, search.Says)  # noqa: S101 - no field of words
    stated = _attribute(conn, search.Attribute(FieldKind.KEYWORD, leaf))
    match leaf:
        case search.Exists():
            return or_(stated, is_set(contacts.c.phone))
        case search.Is(term=term):
            return or_(stated, and_(_begins_with(prefixes_of(term.upper())), not_(has_attribute(conn, "country"))))
        case _:
            return stated


def _begins_with(prefixes: Sequence[str]) -> Condition:
    """That a number begins with one of these."""
    by_length: dict[int, list[str]] = {}
    for prefix in prefixes:
        by_length.setdefault(len(prefix), []).append(prefix)
    return or_(false(), *(func.substr(contacts.c.phone, 1, size).in_(found) for size, found in by_length.items()))
