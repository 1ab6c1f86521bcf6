"""What a segment asks for is what plain Python finds, on each kind of database, over values of every shape."""

import itertools
import json

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.store.builders import NOW, TENANT
from worker.domain.search import (
    All,
    Any,
    Attribute,
    Between,
    Everything,
    Exists,
    FieldKind,
    Is,
    Matches,
    Not,
    after_prefix,
    folded,
    keyword_pattern,
    number_of,
    number_term,
)
from worker.store.document_tables import contacts
from worker.store.rows import ContactRow
from worker.store.segments import holds

NAMES = ["plan", "größe", 'a"b', "a.b", "a", "$", "[0]", "a\\", "'; --", "%", "日本", "attributes"]
TEXTS = [
    *(
        "gold",
        "Gold",
        " GOLD ",
        "go ld",
        "go\t ld",
        "gol",
        "golden",
        "",
        " ",
        "STRASSE",
        "straße",
        "ẞ",
        "İ",
        "ΑΣ",
        "ας",
    ),
    *("é", "e\u0301", "ﬁn", "fin", "10", "010", "-5", "+7", "1e5", "10.0", "10.", "٣", "1\n", "9" * 300, "true", "a%b"),
    *("a_b", "a\\b", "2026-12-31", "2026-12-31T10:00", "2026-12-3", "31.12.2026", "x" * 199 + "yz", "日本", "\u2003a"),
]
VALUES = [
    *TEXTS,
    *(0, 10, -5, 10.5, 1e22, 1e-7, 5e-324, 1.7e308, 2**53 + 1, True, False, None, [], {}, [None]),
    *(["vip", "Gold"], [10, "x"], [["gold"]], {"b": "gold"}, {"plan": "gold"}, {"b": {"b": 10}}, [{"b": 1}]),
]
FIELDS = [
    *({name: value} for name, value in itertools.product(NAMES, VALUES)),
    *({"plan": above, "attributes": {"plan": below}} for above in ("gold", None, "") for below in ("gold", 10)),
    *({"attributes": {"plan": value}} for value in VALUES),
    *({"a.b": "gold", "a": {"b": "10"}}, {"attributes": {"a.b": 10}, "a": {"b": "gold"}}, {}),
]


def of_text(name, text):
    return Attribute(FieldKind.KEYWORD, Is(name, folded(text)[:200]))


def date_between(name, low, high):
    return Attribute(FieldKind.TIME, Between(name, low, after_prefix(high), with_high=False))


NUMBERS = st.sampled_from([0.0, 10.0, -5.0, 7.0, 10.5, 1e14]).map(number_term)
NAMED = st.sampled_from([*NAMES, "nobody has it"])
SIDES = {"with_low": st.booleans(), "with_high": st.booleans()}
TERMS = st.sampled_from([text for text in map(folded, TEXTS) if text]).map(lambda text: text[:200])
PATTERNS = st.sampled_from(
    [("gol", "*"), ("g", "?", "ld"), ("a%", "*"), ("a_", "?"), ("a\\", "*"), ("x", "*", "y"), ("ss", "*")]
)
LEAVES = st.one_of(
    st.builds(of_text, NAMED, st.sampled_from([text for text in TEXTS if folded(text)])),
    NAMED.map(lambda name: Attribute(FieldKind.KEYWORD, Exists(name))),
    st.builds(Matches, NAMED, PATTERNS.map(keyword_pattern)).map(lambda test: Attribute(FieldKind.KEYWORD, test)),
    st.builds(Between, NAMED, TERMS | st.none(), TERMS, **SIDES).map(lambda test: Attribute(FieldKind.KEYWORD, test)),
    st.builds(Is, NAMED, NUMBERS).map(lambda test: Attribute(FieldKind.NUMBER, test)),
    st.builds(Between, NAMED, NUMBERS, NUMBERS | st.none(), **SIDES).map(
        lambda test: Attribute(FieldKind.NUMBER, test)
    ),
    st.builds(date_between, NAMED, st.just("2026-12-31"), st.sampled_from(["2026-12-31", "2027-01-01"])),
)
QUERIES = st.recursive(
    LEAVES | st.just(Everything()),
    lambda parts: (
        parts.map(Not)
        | st.lists(parts, min_size=2, max_size=3).map(lambda found: All(tuple(found)))
        | st.lists(parts, min_size=2, max_size=3).map(lambda found: Any(tuple(found)))
    ),
    max_leaves=4,
)


@pytest.fixture
def people(store):
    rows = [ContactRow(contact_id=f"c{n:04}", fields=fields) for n, fields in enumerate(FIELDS)]
    store.create_contacts(TENANT, lambda: rows, NOW, by="test")
    with store.engine.connect() as conn:
        yield conn


@example(of_text("plan", "strasse"))
@example(of_text("plan", "ẞ"))
@example(Attribute(FieldKind.NUMBER, Is("plan", number_term(10))))
@example(Not(Attribute(FieldKind.KEYWORD, Exists('a"b'))))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(QUERIES)
def test_a_database_finds_whom_plain_python_finds(people, query):
    assert found_by(people, query) == {f"c{n:04}" for n, fields in enumerate(FIELDS) if meant(query, fields)}


def found_by(conn, query):
    where = (contacts.c.tenant_id == TENANT) & holds(conn, query)
    return set(conn.execute(select(contacts.c.contact_id).where(where)).scalars())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\0")))
def test_any_name_and_any_text_can_be_asked_for(store, text):
    assume(folded(text))  # nobody can ask for nothing
    row = ContactRow(contact_id=store.new_id(), fields={text: text, "plan": "gold"})
    store.create_contacts(TENANT, lambda: [row], NOW, by="test")
    with store.engine.connect() as conn:
        this = contacts.c.contact_id == row.contact_id
        assert conn.execute(select(contacts.c.contact_id).where(this, holds(conn, of_text(text, text)))).all()


def test_every_text_is_found_however_it_is_written(people):
    for text in TEXTS:
        query = of_text("plan", text)
        assert found_by(people, query) == {f"c{n:04}" for n, fields in enumerate(FIELDS) if meant(query, fields)}


def meant(query, fields):
    """What the words of `worker.domain.search` say, one person at a time."""
    match query:
        case Everything():
            return True
        case Not(part):
            return not meant(part, fields)
        case All(parts):
            return all(meant(part, fields) for part in parts)
        case Any(parts):
            return any(meant(part, fields) for part in parts)
        case Attribute(kind, test):
            return any(said(kind, test, value) for value in values(fields, test.field))


def values(fields, name):
    places = [fields]
    if isinstance(fields.get("attributes"), dict):
        places.append(fields["attributes"])
    found = [place[name] for place in places if name in place]
    if not found and name == "a.b" and isinstance(fields.get("a"), dict) and "b" in fields["a"]:
        found = [fields["a"]["b"]]
    items = (found[0] if isinstance(found[0], list) else found[:1]) if found else []
    return [item for item in items if item is not None]


def said(kind, test, value):
    if kind is FieldKind.NUMBER:
        number = as_number(value)
        return number is not None and in_range(test, number, number_of)
    if isinstance(test, Exists):
        return not isinstance(value, str) or folded(value) != ""
    if not isinstance(value, str | bool):
        return False
    text = json.dumps(value) if isinstance(value, bool) else folded(value)[:200]
    if kind is FieldKind.TIME:
        is_date = len(text) >= 10 and text[4] == text[7] == "-" and "0" <= text[0] <= "9"
        return is_date and in_range(test, text, str)
    if isinstance(test, Matches):
        return matches(test.pattern, text)
    return in_range(test, text, str)


def as_number(value):
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        digits = value.removeprefix("+").removeprefix("-") if value[:2] not in ("+-", "-+") else ""
        whole, point, part = digits.partition(".")
        written = whole.isascii() and whole.isdigit() and (not point or (part.isascii() and part.isdigit()))
        return float(value) if written and len(value) <= 250 else None
    return float(value) if value == 0 or 1e-200 < abs(value) < 1e200 else None


def in_range(test, value, read):
    if isinstance(test, Is):
        return value == read(test.term)
    low = test.low is None or value > read(test.low) or (test.with_low and value == read(test.low))
    high = test.high is None or value < read(test.high) or (test.with_high and value == read(test.high))
    return value != "" and low and high


def matches(pattern, text):
    if not pattern:
        return not text
    first, *rest = pattern
    if not text.startswith(first):
        return False
    text = text[len(first) :]
    if not rest:
        return not text
    wildcard, *rest = rest
    if wildcard == "?":
        return bool(text) and matches(rest, text[1:])
    return any(matches(rest, text[start:]) for start in range(len(text) + 1))
