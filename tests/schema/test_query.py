"""What the text of a query asks for, and where a faulty one is wrong."""

from datetime import UTC, datetime

import pytest

from worker.domain.search import (
    All,
    Any,
    Between,
    Everything,
    Exists,
    FieldKind,
    Is,
    Matches,
    Not,
    Order,
    Query,
    Says,
    number_term,
)
from worker.schema.query import parse, parse_order
from worker.schema.types import TYPES

FIELDS = {
    "name": FieldKind.WORDS,
    "phone": FieldKind.KEYWORD,
    "email": FieldKind.KEYWORD,
    "status": FieldKind.KEYWORD,
    "priority": FieldKind.NUMBER,
    "createdAt": FieldKind.TIME,
    "useForSMS": FieldKind.BOOLEAN,
    "campaignId": FieldKind.EXACT,
}
A, B, C = Is("name", "a"), Is("name", "b"), Is("name", "c")


def read(text: str, *free: str) -> Query:
    return parse(text, FIELDS, free or ("name",))


def number(value: float) -> Is:
    return Is("priority", number_term(value))


def at(*moment: int) -> str:
    return number_term(datetime(*moment, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("text", ["", "  ", "*", "*:*", "(*)"])
def test_nothing_and_a_star_ask_for_everything(text):
    assert read(text) == Everything()


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("name:Renewal", Is("name", "renewal")),
        ("name: renewal", Is("name", "renewal")),
        ('name:"Renewal Q4"', Says("name", ("renewal", "q4"))),
        ("name:foo-bar", Says("name", ("foo", "bar"))),
        (r"name:foo\ bar", Says("name", ("foo", "bar"))),
        ("name:(foo bar)", All((Is("name", "foo"), Is("name", "bar")))),
        ('status:"In Progress"', Is("status", "in progress")),
        (r"status:In\ Progress", Is("status", "in progress")),
        (r"status:a\:b", Is("status", "a:b")),
        (r"status:a\*b\\", Is("status", "a*b\\")),
        (r'status:"say \"no\" * \\"', Is("status", 'say "no" * \\')),
        ("status:10/2", Is("status", "10/2")),
        ('status:"/a/b"', Is("status", "/a/b")),
        ("status:it's", Is("status", "it's")),
        ("status:TO", Is("status", "to")),
        ("status:\U0001d54f日本", Is("status", "x日本")),
        ("email:Jane.Doe+x@example-site.org", Is("email", "jane.doe+x@example-site.org")),
        ("campaignId:cmp_01J-aB", Is("campaignId", "cmp_01J-aB")),
        ("useForSMS:TRUE", Is("useForSMS", "true")),
        ("priority:5", number(5)),
        ('priority:"5.5"', number(5.5)),
        ("priority:1e3", number(1000)),
        ("priority:-5", number(-5)),
        ("priority:+5", number(5)),
        ("priority:(1 OR 2)", Any((number(1), number(2)))),
        ("name:*", Exists("name")),
        ("createdAt:*", Exists("createdAt")),
        ("_exists_:phone", Exists("phone")),
        ("NOT _exists_:phone", Not(Exists("phone"))),
    ],
)
def test_a_field_has_a_value(text, query):
    assert read(text) == query


@pytest.mark.parametrize(
    "text",
    [
        "phone:+15551234567",
        r"phone:\+15551234567",
        'phone:"+15551234567"',
        "phone:(+15551234567)",
        "+phone:+15551234567",
    ],
)
def test_a_phone_number_may_be_written_with_its_plus(text):
    assert read(text) == Is("phone", "+15551234567")


def test_a_phone_number_without_a_field_keeps_its_plus():
    assert read("+1555 OR +1666", "phone") == Any((Is("phone", "+1555"), Is("phone", "+1666")))
    assert read("+1555*", "phone") == Matches("phone", ("+1555", "*", ""))
    assert read("+1555", "name", "phone") == Any((Is("name", "1555"), Is("phone", "+1555")))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("name:Hol*", Matches("name", ("hol", "*", ""))),
        ("name:Ho*day", Matches("name", ("ho", "*", "day"))),
        ("name:Ho?i*day", Matches("name", ("ho", "?", "i", "*", "day"))),
        ("status:Ho??", Matches("status", ("ho", "?", "", "?", ""))),
        (r"status:a\*b*c\?", Matches("status", ("a*b", "*", "c?"))),
        (r"status:In\ \ P*", Matches("status", ("in p", "*", ""))),
        (r"status:In\ *", Matches("status", ("in ", "*", ""))),
        ("status:ﬁ*", Matches("status", ("fi", "*", ""))),
        ("phone:+1555*", Matches("phone", ("+1555", "*", ""))),
        ("name:Q4-Ren*", All((Is("name", "q4"), Matches("name", ("ren", "*", ""))))),
        ("name:Q4-*", Is("name", "q4")),
        ("name:a*b-c*d", All((Matches("name", ("a", "*", "b")), Matches("name", ("c", "*", "d"))))),
    ],
)
def test_wildcards_stand_behind_the_beginning(text, query):
    assert read(text) == query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a AND b", All((A, B))),
        ("a && b", All((A, B))),
        ("a b", All((A, B))),
        ("a +b", All((A, B))),
        ("a OR b", Any((A, B))),
        ("a || b", Any((A, B))),
        ("NOT a", Not(A)),
        ("-a", Not(A)),
        ("!a", Not(A)),
        ("!!a", Not(Not(A))),
        ("NOT name:a", Not(A)),
        ("-name:a", Not(A)),
        ("!name:a", Not(A)),
        ("name:!a", Not(A)),
        ("a -b", All((A, Not(B)))),
        ("a AND NOT b", All((A, Not(B)))),
        ("a OR NOT b", Any((A, Not(B)))),
        ("!(a b)", Not(All((A, B)))),
        ("-(a OR b)", Not(Any((A, B)))),
        ("a AND b OR c", Any((All((A, B)), C))),
        ("a OR b AND c", Any((A, All((B, C))))),
        ("a && b || !c", Any((All((A, B)), Not(C)))),
        ("a b OR c", All((A, Any((B, C))))),
        ("a OR b c", All((Any((A, B)), C))),
        ("(a OR b) AND c", All((Any((A, B)), C))),
        ("a (b c)", All((A, B, C))),
        ("name:(a OR b)", Any((A, B))),
        ("name:(a -b)", All((A, Not(B)))),
        ("name:(a OR (b AND NOT c))", Any((A, All((B, Not(C)))))),
        ("name:a phone:b", All((A, Is("phone", "b")))),
        ("* -a", All((Everything(), Not(A)))),
        ("and or not", All((Is("name", "and"), Is("name", "or"), Is("name", "not")))),
        ("a\u3000b", All((A, B))),
    ],
)
def test_conditions_are_joined(text, query):
    assert read(text) == query


def between(low: str | None, high: str | None, brackets: str = "[]", field: str = "priority") -> Between:
    return Between(field, low, high, brackets[0] == "[", brackets[1] == "]")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("priority:[1 TO 5]", between(number_term(1), number_term(5))),
        ("priority:{1 TO 5}", between(number_term(1), number_term(5), "{}")),
        ("priority:[1 TO 5}", between(number_term(1), number_term(5), "[}")),
        ("priority:{1 TO *}", between(number_term(1), None, "{]")),
        ("priority:[* TO 5]", between(None, number_term(5))),
        ("priority:[* TO *]", Exists("priority")),
        ("priority:[-5 TO +5]", between(number_term(-5), number_term(5))),
        ("priority:>5", between(number_term(5), None, "{]")),
        ("priority:>=5", between(number_term(5), None)),
        ("priority:<5", between(None, number_term(5), "[}")),
        ("priority:<=-5", between(None, number_term(-5))),
        ("priority:(>1 AND <5)", All((between(number_term(1), None, "{]"), between(None, number_term(5), "[}")))),
        ("status:[Active TO Done]", between("active", "done", field="status")),
        ('status:{"In Progress" TO *}', between("in progress", None, "{]", "status")),
        ("phone:[+1555 TO +1666]", between("+1555", "+1666", field="phone")),
    ],
)
def test_ranges(text, query):
    assert read(text) == query


DAY, NEXT_DAY, LAST_DAY = at(2026, 11, 23), at(2026, 11, 24), at(2026, 12, 1)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("1795428000000", Is("createdAt", number_term(1795428000000))),
        ("2026-11-23T10:00:00Z", Is("createdAt", at(2026, 11, 23, 10))),
        ("2026-11-23T10:00", Is("createdAt", at(2026, 11, 23, 10))),
        ('"2026-11-23 10:00"', Is("createdAt", at(2026, 11, 23, 10))),
        ('"2026-11-23T10:00:00.500+02:00"', Is("createdAt", at(2026, 11, 23, 8, 0, 0, 500_000))),
        ("2026-11-23", between(DAY, NEXT_DAY, "[}", "createdAt")),
        ("[2026-11-23 TO 2026-11-30]", between(DAY, LAST_DAY, "[}", "createdAt")),
        ("{2026-11-23 TO 2026-11-30}", between(NEXT_DAY, at(2026, 11, 30), "[}", "createdAt")),
        (">2026-11-23", between(NEXT_DAY, None, "[]", "createdAt")),
        (">=2026-11-23", between(DAY, None, "[]", "createdAt")),
        ("<2026-11-23", between(None, DAY, "[}", "createdAt")),
        ("<=2026-11-23", between(None, NEXT_DAY, "[}", "createdAt")),
        (">2026-11-23T10:00:00Z", between(at(2026, 11, 23, 10), None, "{]", "createdAt")),
        ("[0 TO 2026-11-23T10:00:00Z]", between(number_term(0), at(2026, 11, 23, 10), "[]", "createdAt")),
        ("<=9999-12-31", between(None, number_term(253402300800000), "[}", "createdAt")),
    ],
)
def test_a_date_is_the_whole_of_its_day_and_a_time_is_a_moment(text, query):
    assert read(f"createdAt:{text}") == query


def test_a_bare_word_is_looked_for_in_each_free_field():
    free = ("name", "status", "campaignId", "priority")
    assert read("Q4-x", *free) == Any((Says("name", ("q4", "x")), Is("status", "q4-x"), Is("campaignId", "Q4-x")))
    assert read('"In Progress"', "name", "status") == Any(
        (Says("name", ("in", "progress")), Is("status", "in progress"))
    )
    assert read("Hol*", *free) == Any((Matches("name", ("hol", "*", "")), Matches("status", ("hol", "*", ""))))
    assert read("b OR c", "name", "status") == Any((B, Is("status", "b"), C, Is("status", "c")))


def test_a_value_without_a_letter_is_looked_for_where_it_can_be():
    assert read(r"\#", "name", "status") == Is("status", "#")


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_every_type_can_be_asked_for_each_field_and_for_a_bare_word(kind):
    for name in kind.fields:
        assert parse(f"_exists_:{name}", kind.fields, kind.free) == Exists(name)
    assert parse("word", kind.fields, kind.free) == parse("(word)", kind.fields, kind.free)


def test_as_much_as_is_allowed_is_read():
    assert len(read("a " * 50).parts) == 50
    assert len(read("a " * 50, "name", "status").parts) == 50
    assert read("(" * 10 + "a" + ")" * 10) == A
    assert read("status:" + "x" * 1993) == Is("status", "x" * 200)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("name", Order("name")),
        ("name asc", Order("name")),
        ("-modifiedAt", Order("modifiedAt", descending=True)),
        (" modifiedAt  DESC ", Order("modifiedAt", descending=True)),
    ],
)
def test_an_order_is_a_field_and_a_direction(text, order):
    assert parse_order(text, ("name", "modifiedAt")) == order
