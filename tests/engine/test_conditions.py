from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.workflow_actions import Triples
from worker.engine.conditions import ConditionError, compile_condition
from worker.engine.render import Facts

FACTS = Facts(
    roots={
        "contact": {"age": 41, "city": "Rome", "vip": True, "tags": ["gold", 7], "none": None, "the key": "k"},
        "vars": {"n": 2},
        "reply": {"body": " Yes "},
        "workitem": {"data": {"n": 2}, "type": "OutboundSMS"},
    },
    now=datetime(2026, 3, 2, tzinfo=UTC),
)


@pytest.mark.parametrize(
    "source",
    [
        "contact.age == 41",
        "contact.age >= 41.0 && contact.age < 50",
        "contact.city != 'Oslo'",
        'contact.city in ["Oslo", "Rome"]',
        "'gold' in contact.tags",
        "'age' in contact",
        "contact.tags[1] == 7",
        "contact['the key'] == 'k'",
        "contact.vip",
        "!contact.unknown",
        "contact.none == null && contact.unknown == null && contact.city != null",
        "has(contact.city) && !has(contact.none) && !has(contact.unknown)",
        "size(contact.tags) == 2 && contact.city.size() == 4",
        "reply.body.trim().lowerAscii() == 'yes'",
        "contact.city.startsWith('R') && contact.city.endsWith('e') && contact.city.contains('om')",
        "contact.tags.contains('gold')",
        "false || (true && !false)",
        "-1 < contact.age",
        r"'it\'s' == \"it's\"".replace('\\"', '"'),
        "workitem.data.n == 2",
    ],
)
def test_true(source):
    assert compile_condition(source).holds(FACTS)


@pytest.mark.parametrize(
    "source",
    [
        "contact.age == '41'",
        "contact.age != '41'",
        "contact.vip == 1",
        "contact.vip > false",
        "contact.city < 5",
        "contact.city",
        "contact.unknown",
        "contact.unknown == 1",
        "contact.unknown != 1",
        "unknown.thing == 'x'",
        "contact.tags[9] == 7",
        "contact.age.trim() == 'x'",
        "contact.age.contains('4')",
        "1 in contact.city",
        "null < 1",
        "size(contact.age) == 1",
    ],
)
def test_false_without_an_error(source):
    assert not compile_condition(source).holds(FACTS)


def test_the_names_nobody_knew_are_told():
    assert compile_condition("contact.x == 1 || vars.y.z == 2").missing(FACTS) == ("contact.x", "vars.y.z")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "not complete at character 1"),
        ("contact.age ==", "not complete at character 15"),
        ("a == b == c", "chained; use && between them at character 8"),
        ("a + 1", "cannot be read at character 3"),
        ("a ? b : c", "cannot be read at character 3"),
        ("a.map(x)", "there is no function map"),
        ("(a", r"expected \) at character 3"),
        ("a b", "unexpected b at character 3"),
        ("'open", "cannot be read at character 1"),
        ("a.1", "cannot be read|expected a name"),
        ("(" * 100, "nested too deeply"),
        ("a" + ".b" * 30, "more than 20 members"),
        ("a" * 2001, "longer than 2000"),
    ],
)
def test_a_mistake_is_told_with_its_place(source, complaint):
    with pytest.raises(ConditionError, match=complaint):
        compile_condition(source)


@given(st.text(alphabet="ab.'\"()[]!&|=<>- 019,in", max_size=60) | st.text(max_size=60))
def test_no_text_crashes_the_parser_or_the_evaluation(source):
    try:
        condition = compile_condition(source)
    except ConditionError:
        return
    assert condition.holds(FACTS) in (True, False)


@given(st.sampled_from(["!", "(", "[", "a.", "a[", "-", "size(", "a&&", "a||", "a,"]), st.integers(1, 1000))
def test_no_depth_exhausts_the_stack(part, times):
    with suppress(ConditionError):
        compile_condition(part * times + "a").holds(FACTS)


def triples(kind, *expressions):
    keys = ("leftExpression", "operator", "rightExpression")
    document = {"conditionType": kind, "expressions": [dict(zip(keys, e, strict=True)) for e in expressions]}
    return compile_condition(Triples.model_validate(document))


def test_triples_of_ncx():
    right, wrong = ("workitem.data.n", "==", "2"), ("contact.city", "==", "'Oslo'")

    assert triples("AND", right, ("workitem.type", "==", '"OutboundSMS"')).holds(FACTS)
    assert not triples("AND", right, wrong).holds(FACTS)
    assert triples("OR", right, wrong).holds(FACTS)
    assert triples("NONE", wrong).holds(FACTS)
    assert triples("AND", ("${contact.city}", "contains", "'om'")).holds(FACTS)


def test_a_side_that_is_neither_name_nor_literal_is_refused():
    with pytest.raises(ConditionError, match="put text in quotes"):
        triples("AND", ("contact.city", "==", "two words"))
