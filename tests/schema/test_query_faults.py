"""Where a query is wrong, and what to write instead."""

import pytest
from luqum.parser import tokens

from tests.schema.test_query import read
from worker.schema import query_syntax
from worker.schema.errors import BadRequest
from worker.schema.query import BadQuery, parse_order


def fault(text: str, *free: str) -> BadQuery:
    with pytest.raises(BadQuery) as caught:
        read(text, *free)
    return caught.value


@pytest.mark.parametrize(
    ("text", "position", "remedy"),
    [
        ("nmae:x", 0, "did you mean name?"),
        ("a AND Usefor_sms:true", 6, "did you mean useForSMS?"),
        ("_exists_:fone", 9, "phone"),
        ("_exists_:(phone)", 9, "_exists_:name"),
        ("a zzz:x", 2, "campaignId, createdAt, email, name"),
        ("*:x", 0, "no such field"),
        ("email:a:b", 6, r"\:"),
        ("name:(a phone:b)", 8, r"\:"),
        ("useForSMS:maybe", 10, "useForSMS:true"),
        ("useForSMS:[true TO true]", 10, "no ranges"),
        ("priority:abc", 9, "digits"),
        ("priority:1_0", 9, "digits"),
        ("priority:٣", 9, "digits"),
        ("priority:nan", 9, "digits"),
        ("priority:1e999", 9, "digits"),
        ("priority:1*", 9, "no wildcards"),
        ("priority:[1 TO x]", 15, "digits"),
        ("priority>5", 8, "priority:"),
        ("priority=5", 8, "priority:"),
        ("createdAt:soon", 10, "2026-11-23"),
        ("createdAt:2026-13-01", 10, "2026-11-23"),
        ("createdAt:1795428000", 10, "times 1000"),
        ("createdAt:[0 TO 9223372036854775807]", 16, "* for no limit"),
        ("campaignId:cmp*", 11, "whole value"),
        ("campaignId:[a TO b]", 11, "no ranges"),
        ("name:[a TO b]", 5, "no ranges"),
        ("status:[a* TO b]", 8, "* alone"),
        ('status:[-"a" TO b]', 8, "within"),
        ("a [1 TO 5]", 2, "field and a colon"),
        (">5", 0, "a colon"),
        ("name:*day", 5, "Hol*"),
        ("name:?day", 5, "Hol*"),
        ("name:foo-*day", 5, "Hol*"),
        ("*day", 0, "Hol*"),
        ("status:" + "x" * 201 + "*", 7, "200"),
        ('name:"--"', 5, "write a word"),
        ('status:""', 7, "NOT _exists_"),
        (r"a \#", 2, "field and a colon"),
        ("name:-x", 5, "-name:"),
        ("name:-5", 5, "-name:"),
        ("name:x~", 6, r"\~"),
        ("name:x~2", 6, r"\~"),
        ('name:"a b"~3', 10, r"\~"),
        ("name:x^2", 6, r"\^"),
        ("name:x^1.2.3", 6, r"\^"),
        ("name:/x.*/", 5, "double quotes"),
        ("status:/a", 7, "double quotes"),
        ("status:http://x", 12, "double quotes"),
        ("name:'x'", 5, "double quotes"),
        ('name:"x', 5, "the second one"),
        ('name:5"x"', 6, r"\""),
        ('phone:+5"x"', 8, r"\""),
        ("name:x\\", 6, r"\\"),
        ("(a", 2, "closing bracket"),
        ("a)", 1, r"\)"),
        ("()", 1, r"\)"),
        ("a AND", 5, "ends too early"),
        ("AND a", 0, "lower case"),
        ("a || && b", 5, "lower case"),
        ("name:", 5, "ends too early"),
        ("name::x", 5, r"\:"),
        ("name:[1 5]", 8, "[1 TO 5]"),
        ("a]", 1, "[1 TO 5]"),
        ("a - ", 4, "ends too early"),
        ("a\0", 1, "leave it out"),
        ("a \ud800", 2, "leave it out"),
        ("x" * 2001, 2000, "2000"),
        ("(" * 11 + "a" + ")" * 11, 11, "brackets"),
        ("-" * 11 + "a", 11, "brackets"),
        ("a " * 51, 100, "50"),
        ("*:* " * 51, 200, "50"),
        (f'a "{"b " * 50}"', 2, "50"),
    ],
)
def test_a_fault_is_told_with_its_place_and_a_remedy(text, position, remedy):
    found = fault(text)
    assert found.position == position
    assert f"character {position + 1}: " in found.message
    assert remedy in found.message


def test_what_was_asked_for_is_not_repeated_in_a_message():
    texts = [
        "priority:5551234567x",
        "useForSMS:5551234567",
        "createdAt:555123456",
        "5551234567:x",
        "_exists_:5551234567",
    ]
    assert not [text for text in texts if "555123456" in str(fault(text))]


@pytest.mark.parametrize("text", ["", "email", "name,email", "-name desc", "name down", "--name", "name\0", "+name"])
def test_an_order_that_does_not_exist_names_those_that_do(text):
    with pytest.raises(BadRequest, match="one of name, modifiedAt"):
        parse_order(text, ("name", "modifiedAt"))


def test_an_order_that_is_nearly_right_is_told():
    with pytest.raises(BadRequest, match="did you mean modifiedAt"):
        parse_order("modified_at", ("name", "modifiedAt"))


def test_an_order_with_two_directions_is_not_taken_for_a_wrong_name():
    with pytest.raises(BadRequest, match="no such order; write one of"):
        parse_order("-name desc", ("name", "modifiedAt"))


def test_there_is_a_remedy_for_every_token_that_cannot_follow():
    assert {*tokens, ""} == {*query_syntax._UNEXPECTED, *query_syntax._REFUSED}
