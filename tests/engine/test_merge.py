from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import render
from worker.engine.merge import merged
from worker.engine.render import Facts, Kind, RenderFailed, Template, compile_template

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
SOURCES = (
    "Hello {{ contact.name }}!",
    "{{ contact.name }}",
    "{{contact.address.city}} {{ vars.size }}, {{ contact['name'] }} {{ contact.first }}",
)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
inside = st.dictionaries(st.sampled_from(["city", "size", "first"]), plain)
values = plain | st.lists(plain, max_size=3) | inside
people = st.fixed_dictionaries(
    {}, optional={"name": values, "address": inside | plain, "first": values, "size": values}
)


def came_to(template: Template, facts: Facts) -> Any:
    try:
        return template.render(facts)
    except RenderFailed as failed:
        return str(failed), failed.name


@given(st.sampled_from(SOURCES), st.sampled_from([Kind.SMS, Kind.LINE, Kind.HTML]), people, people)
def test_a_text_that_only_puts_values_in_is_the_one_liquid_makes(source, kind, contact, given_vars):
    facts = Facts(roots={"contact": contact, "vars": given_vars}, now=NOW)
    template = compile_template(source, kind, ("message",))
    by_liquid = Template(source, kind, template.place, _spelled=template._spelled, _compiled=template._compiled)

    assert template._parts
    assert came_to(template, facts) == came_to(by_liquid, facts)


@pytest.mark.parametrize(
    "source",
    [
        "{{ contact.name | upcase }}",
        "{% if contact.name %}a{% endif %}",
        "{{ contact.list[0] }}",
        "{{ contact[vars.x] }}",
    ],
)
def test_a_text_that_does_more_is_left_to_liquid(source):
    assert compile_template(source, Kind.SMS)._parts == ()


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, "…"])
def test_only_strings_and_whole_numbers_are_put_in_without_asking(value):
    text = merged(("a ", ("contact", "x")), {"contact": {"x": value}}, autoescape=False)

    assert text == ("a …" if value == "…" else None)


def test_a_text_that_becomes_too_long_fails_in_the_words_of_its_place():
    template = compile_template("{{ contact.x }}", Kind.SMS, ("message",))

    with pytest.raises(render.RenderFailed, match=r"message: is longer than 1600 characters"):
        template.render(Facts(roots={"contact": {"x": "y" * 1601}}, now=NOW))
