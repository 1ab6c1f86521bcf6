"""No text at all breaks the query parser, slows it down, or is taken for another than was meant."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.schema.test_query import FIELDS, A, B, C, read
from tests.schema.test_query_faults import fault
from worker.domain.search import All, Any, Is, Not, Query, keyword_term
from worker.schema.errors import BadRequest
from worker.schema.query import BadQuery, parse_order

FRAGMENTS = st.sampled_from(
    [
        *FIELDS,
        *"()[]{}:\"'\\/*?~^+-!<>=&| \t\n0aZß",
        *("AND", "OR", "NOT", "TO", "&&", "||", "_exists_", ">=", "<="),
        *("T10:00:00", "2026-11-23", "-5", "+1555", '"a b"', "priority:", "createdAt:[", "name:("),
        *("ﷺ", "\u0345", "\0"),
    ]
)


@example("createdAt:0001-01-01T00:00")
@example("priority:" + "9" * 1990)
@example('createdAt:"0001-01-01T00:00+23:59"')
@settings(max_examples=400, deadline=None)
@given(st.text() | st.lists(FRAGMENTS, max_size=30).map("".join) | st.lists(FRAGMENTS, max_size=20).map(" ".join))
def test_any_text_is_a_query_or_says_where_it_is_wrong(text):
    place = 0
    try:
        read(text, "name", "status", "campaignId")
    except BadQuery as error:
        place = error.position
    assert 0 <= place <= len(text)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_order_is_one_or_a_bad_request(text):
    with suppress(BadRequest):
        assert parse_order(text, ("name", "createdAt")).field in ("name", "createdAt")


PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\0\n")


@settings(max_examples=150, deadline=None)
@given(st.text(PLAIN, min_size=1, max_size=250))
def test_any_value_can_be_asked_for_in_quotes_and_with_backslashes(value):
    quoted = re.sub(r'(["\\])', r"\\\1", value)
    escaped = re.sub("(.)", r"\\\1", value)
    term = keyword_term(value)
    for text in (f'status:"{quoted}"', f"status:{escaped}"):
        if term:
            assert read(text) == Is("status", term)
        else:
            assert fault(text).position == 7


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20).filter(lambda text: text not in RESERVED)
)
def test_case_never_matters(value):
    upper, lower = value.casefold().upper(), value.casefold()
    assume(upper.casefold() == lower and upper not in RESERVED)
    assert read(f"status:{upper}*") == read(f"status:{lower}*")
    assert read(upper, "name", "status") == read(lower, "name", "status")


RESERVED = ("AND", "OR", "NOT", "TO")


VARIABLES = {"a": A, "b": B, "c": C}
EXPRESSIONS = st.recursive(
    st.sampled_from([*VARIABLES]),
    lambda inner: (
        st.tuples(st.sampled_from(["NOT", "-", "!"]), inner)
        | st.tuples(inner, st.sampled_from(["AND", "&&", "", "OR", "||"]), inner)
    ),
    max_leaves=8,
)


def written(expression) -> str:
    match expression:
        case str():
            return expression
        case (sign, inner):
            return f"{sign} ({written(inner)})"
        case (left, join, right):
            return f"({written(left)}) {join} ({written(right)})"


def meant(expression, true: set[str]) -> bool:
    match expression:
        case str():
            return expression in true
        case (_, inner):
            return not meant(inner, true)
        case (left, ("OR" | "||"), right):
            return meant(left, true) or meant(right, true)
        case (left, _, right):
            return meant(left, true) and meant(right, true)


def holds(query: Query, true: set[str]) -> bool:
    match query:
        case Is(term=term):
            return term in true
        case Not(part):
            return not holds(part, true)
        case Any(parts):
            return any(holds(part, true) for part in parts)
        case All(parts):
            return all(holds(part, true) for part in parts)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, st.sets(st.sampled_from([*VARIABLES])))
def test_a_tree_holds_when_what_was_written_does(expression, true):
    assert holds(read(written(expression)), true) == meant(expression, true)


@pytest.mark.parametrize(
    "text",
    [
        *(one * 2000 for one in ("!", "(", "ﷺ")),
        *(word * 400 for word in ("a ", "+a ", "NOT ", "a:", "a OR ", "(a ", '"" ', "T10")),
        "name:" + "ﷺ*" * 990,
        "a" + "*" * 1999,
        f'name:"{"a " * 990}"',
    ],
    ids=lambda text: text[:8],
)
def test_a_text_made_to_be_slow_is_answered_at_once(text):
    begun = perf_counter()
    with suppress(BadQuery):
        read(text, "name", "status")
    assert perf_counter() - begun < 2


def test_threads_do_not_get_in_each_other_s_way():
    texts = [f"name:x{n} AND (priority:{n} OR status:y{n})" if n % 3 else f"name:x{n} (~" for n in range(300)]

    def outcome(text: str) -> object:
        try:
            return read(text)
        except BadQuery as error:
            return error.position

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, texts)) == [outcome(text) for text in texts]
