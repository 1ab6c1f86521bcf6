"""Bodies: what is read, and what is refused with its place."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.api.json_body import parse_list, parse_object
from worker.schema.errors import BadRequest
from worker.schema.strict_json import MAX_DEPTH


def refusal(body: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as raised:
        parse_object(body)
    return raised.value


def test_an_object_is_read_as_json_has_it():
    body = '{"name": "Renewal Q4 · ñ", "n": -7, "share": 0.1, "on": true, "off": null, "list": [[], {}]}'.encode()

    assert parse_object(body) == {
        "name": "Renewal Q4 · ñ",
        "n": -7,
        "share": 0.1,
        "on": True,
        "off": None,
        "list": [[], {}],
    }


def test_a_batch_is_an_array():
    assert parse_list(b'[{"a": 1}, {}]') == [{"a": 1}, {}]


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', ("a",), "there twice"),
        (b'{"a": [{"b": {"c": 1, "c": 1}}]}', ("a", 0, "b", "c"), "there twice"),
        (b'{"a": NaN}', ("a",), "finite"),
        (b'{"a": [1, -Infinity]}', ("a", 1), "finite"),
        (b'{"a": 1e999}', ("a",), "finite"),
        (b'{"a": 9007199254740993}', ("a",), "2^53"),
        (b'{"a": {"b": -9007199254740993}}', ("a", "b"), "2^53"),
        (b'{"a": ' + b"9" * 5000 + b"}", ("a",), "2^53"),
        (b'{"a": "x\\u0000"}', ("a",), "NUL"),
        (b'{"a": "\\ud83d"}', ("a",), "surrogate"),
        (b'{"a": ["\\udc00\\ud800"]}', ("a", 0), "surrogate"),
        (b'{"b": {"\\u0000": 1}}', ("b",), "a key"),
        (b'{"b": {"\\ud800": {"c": 1e999}}}', ("b",), "a key"),
    ],
)
def test_what_cannot_be_kept_as_it_is_is_refused_with_its_place(body, path, says):
    [fault, *_] = refusal(body).faults

    assert fault.path == path
    assert says in fault.message
    assert fault.hint


def test_the_largest_whole_number_and_a_whole_pair_are_kept():
    body = b'{"a": 9007199254740992, "b": -9007199254740992, "c": "\\ud83d\\ude00", "d": 1e308}'

    assert parse_object(body) == {"a": 2**53, "b": -(2**53), "c": "\U0001f600", "d": 1e308}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"a": 1,}', "line 1, column 9"),
        (b'{"a": \n "b', "line 2, column 2"),
        (b'{"a": "\x01"}', "control character"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": 1} x', "extra data"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'{"a": "\xed\xa0\xbd"}', "byte 7"),
        (b'{"a": "\x00"}', "control character"),
        ("\ufeff{}".encode(), "BOM"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(body, says):
    assert says.lower() in refusal(body).message.lower()


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b'"a"', b"1", b"1.5", b"true", b"null", b"NaN"])
def test_only_an_object_is_a_document(body):
    refusal(body)


@pytest.mark.parametrize("body", [b"{}", b'"a"', b"1", b"null"])
def test_only_an_array_is_a_batch(body):
    with pytest.raises(BadRequest, match="array"):
        parse_list(body)


@pytest.mark.parametrize("level", [b"[", b'{"a":', b'{"a":[', b"[{},"])
def test_nesting_beyond_reason_is_refused_before_anything_is_built(level):
    assert "nested" in refusal(level * 10_000).message
    assert "nested" in refusal(level * 200_000).message


def test_nesting_as_deep_as_it_may_be_is_read():
    def nested(depth):
        return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)

    assert parse_object(nested(MAX_DEPTH))
    assert "nested" in refusal(nested(MAX_DEPTH + 1)).message


def test_brackets_in_texts_are_no_nesting():
    value = {"a": "[" * 1000 + '"' + "{" * 1000 + "\\", "\\[[[[": "]" * 100}

    assert parse_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 490_000, b'"' * 900_001, b"\\" * 900_000, b'["a' * 300_000])
def test_no_text_makes_reading_slow(body):
    before = time.process_time()
    refusal(body)

    assert time.process_time() - before < 1


def test_only_so_many_faults_are_told():
    assert len(refusal(b'{"a": [' + b"NaN," * 1000 + b"NaN]}").faults) == 20


def test_a_refusal_repeats_nothing_but_keys():
    said = str(refusal(b'{"phone": "+12125550100\\u0000", "n": 99999999999999999999, "phone": "Ada"}'))

    assert "phone" in said
    assert not any(secret in said for secret in ("1212", "9999", "Ada"))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_json_can_say_comes_in_as_it_was(value):
    assert parse_object(json.dumps({"a": value}).encode()) == {"a": value}


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u0d8e1-.aN \n', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(body):
    try:
        value = parse_object(body)
    except BadRequest as refused:
        str(refused).encode()
    else:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        assert all(math.isfinite(number) for number in value.values() if isinstance(number, float))
