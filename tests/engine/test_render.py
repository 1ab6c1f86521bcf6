from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.render import Facts, Kind, RenderFailed, TemplateError, compile_template

SECRET = "Ada Lovelace"
FACTS = Facts(
    roots={
        "contact": {
            "name": SECRET,
            "none": None,
            "tag": "<b>",
            "due": "2026-05-06",
            "ms": 1_770_000_000_000,
            "orders": [{"price": 3}, {}],
            "n": 2,
        },
        "vars": {},
    },
    now=datetime(2026, 3, 2, 3, 30, tzinfo=UTC),
    zone=ZoneInfo("America/New_York"),
)


def render(source: str, kind: Kind = Kind.TEXT) -> str:
    return compile_template(source, kind, ("states", "a")).render(FACTS)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Hi {{ contact.nick }}", "contact.nick"),
        ("Hi {{ contact.none }}", "contact.none"),
        ("Hi {{ contact.nick | upcase }}", "contact.nick"),
        ("{% for o in contact.orders %}{{ o.price }}{% endfor %}", "o.price"),
        ("{{ now }}", "now"),
        ("{{ contact[contact.name] }}", "contact[…]"),
    ],
)
def test_a_missing_value_fails_and_is_named_in_the_words_of_the_template(source, name):
    with pytest.raises(RenderFailed) as failure:
        render(source)

    assert failure.value.name == name
    assert str(failure.value) == f"states.a: {name} has no value"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ contact.nick | default: 'there' }}", "there"),
        ("{{ contact.none | default: 'there' }}", "there"),
        ("{% if contact.nick %}x{% else %}y{% endif %}", "y"),
        ("{% if contact.nick == 'a' %}x{% else %}y{% endif %}", "y"),
        ("{{ contact.due | date: '%d %b' }}", "06 May"),
        ("{{ 'now' | date: '%a %H:%M' }}", "Sun 22:30"),
        ("{{ contact.ms | date }}", "2026-02-01"),
        ("{{ 'someday' | date: '%d' }}", "someday"),
        ("no markup", "no markup"),
    ],
)
def test_asking_is_allowed(source, text):
    assert render(source) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ contact.name | plus: 1 | divided_by: 0 }}",
        "{{ contact.name | slice: contact.name }}",
    ],
)
def test_an_error_never_shows_a_value(source):
    with pytest.raises(RenderFailed) as failure:
        render(source)

    assert SECRET not in str(failure.value)
    assert failure.value.__suppress_context__


def test_html_escapes_what_people_are_called_and_text_does_not():
    assert render("<p>{{ contact.tag }}</p>", Kind.HTML) == "<p>&lt;b&gt;</p>"
    assert render("<p>{{ contact.tag }}</p>", Kind.TEXT) == "<p><b></p>"


def test_texts_lose_control_characters_and_lines_stay_one():
    assert render("a\x00b\r\nc\x1b", Kind.SMS) == "ab\nc"
    assert render("a\r\nBcc: b", Kind.LINE) == "a Bcc: b"


def test_a_text_longer_than_its_kind_fails_the_contact_or_the_template():
    with pytest.raises(RenderFailed, match="longer than 1600"):
        render("{{ contact.tag }}" + "x" * 1600, Kind.SMS)
    with pytest.raises(TemplateError, match="longer than 1600"):
        compile_template("x" * 1601, Kind.SMS)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{ a", "end of file"),
        ("{% if a %}", "expected tag endif"),
        ("{{ a | nofilter }}", "there is no filter nofilter"),
        ("{% include 'x' %}", "unexpected tag"),
        ("{% for i in (1..999999999) %}x{% endfor %}", "ranges"),
        ("{{ (1..999999999) | join }}", "ranges"),
    ],
)
def test_a_template_that_cannot_run_is_refused_when_it_is_written(source, complaint):
    with pytest.raises(TemplateError, match=complaint):
        compile_template(source, Kind.TEXT)


def test_a_template_that_grows_without_end_is_stopped():
    doubling = "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 40

    with pytest.raises(RenderFailed, match="grows without end"):
        render(doubling)


def test_what_is_put_out_as_it_is_is_required():
    template = compile_template(
        "{{ contact.a }}{{ contact.b | default: 'x' }}{% if contact.c %}{{ contact.c }}{% endif %}", Kind.TEXT
    )

    assert template.required == {("contact", "a")}
    assert template.names == {("contact", "a"), ("contact", "b"), ("contact", "c")}


def test_a_single_output_keeps_its_type():
    assert compile_template("{{ contact.n | plus: 1 }}", Kind.TEXT).evaluate(FACTS) == 3
    assert compile_template("{{ contact.name }}", Kind.TEXT).evaluate(FACTS) == SECRET
    assert compile_template("n = {{ contact.n }}", Kind.TEXT).evaluate(FACTS) == "n = 2"
    with pytest.raises(RenderFailed, match=r"contact\.nick"):
        compile_template("{{ contact.nick }}", Kind.TEXT).evaluate(FACTS)


def test_nothing_personal_is_in_a_repr():
    assert SECRET not in repr(FACTS)
    assert "secret words" not in repr(compile_template("secret words", Kind.SMS))


@given(st.text(alphabet="{}%| abc.'", max_size=40) | st.text(max_size=40))
def test_no_text_crashes_the_compiler(source):
    with suppress(TemplateError, RenderFailed):
        compile_template(source, Kind.TEXT).render(FACTS)
