"""A condition that is not true says whether it is false, or what it lacks to be judged."""

from datetime import UTC, datetime

import pytest

from worker.engine.conditions import compile_condition
from worker.engine.render import Facts

DATA = {"total": 5, "text": "lots", "flag": True, "items": ["a"], "none": None, "deep": {"a": 1}}


def doubts(source):
    condition = compile_condition(source)
    facts = Facts(roots={"event": {"data": DATA}, "contact": {}}, now=datetime(2026, 11, 24, tzinfo=UTC))
    assert not condition.holds(facts)
    return condition.doubts(facts)


@pytest.mark.parametrize(
    "source",
    [
        "event.data.total >= 20",
        "event.data.gone == 1 && event.data.total >= 20",
        "event.data.total >= 20 && event.data.gone == 1",
        "has(event.data.gone) && event.data.gone > 1",
        "event.data.gone != null",
        "event.data.total == null",
        "!event.data.flag",
        "!(event.data.text == 'lots')",
        "'b' in event.data.items",
        "event.data.text.startsWith('x')",
        "size(event.data.items) > 3",
        "false",
        "contact.plan == 'gold'",  # people need not have every attribute
        "contact['plan'] == 'gold' && event.data.gone == 1",
        "contact.plan.startsWith('g')",
    ],
)
def test_what_is_known_makes_it_false(source):
    assert doubts(source) == ()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("event.data.gone >= 20", "event.data.gone is missing"),
        ("20 <= event.data.gone", "event.data.gone is missing"),
        ("event.data.text >= 20", "event.data.text is text, not a number"),
        ("20 <= event.data.text", "event.data.text is text, not a number"),
        ("event.data.total == 'gold'", "event.data.total is a number, not text"),
        ("event.data.none >= 20", "event.data.none is null"),
        ("event.data.total > 20 || event.data.gone == 1", "event.data.gone is missing"),
        ("event.data.total == 5 && event.data.gone == 1", "event.data.gone is missing"),
        ("event.data.text", "event.data.text is text, not true or false"),
        ("event.data['gone'] == 1", "event.data['gone'] is missing"),
        ("'a' in event.data.gone", "event.data.gone is missing"),
        ("'a' in event.data.total", "event.data.total is a number, not a list or an object"),
        ("event.data.total.startsWith('x')", "event.data.total is a number, not text"),
        ("size(event.data.gone) > 3", "event.data.gone is missing"),
        ("size(event.data.total) > 3", "event.data.total is a number"),
        ("event.data.deep.b == 1", "event.data.deep.b is missing"),
    ],
)
def test_what_is_missing_or_of_another_type_is_named(source, why):
    assert doubts(source) == (why,)
