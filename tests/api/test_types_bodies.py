"""Awkward bodies: a clear answer, nothing written. And what NCX sends, which is not awkward."""

import json

import pytest

PROMPT = {"promptId": "pmt_1", "name": "Notice"}

AWKWARD = {
    "empty": b"",
    "not UTF-8": b'{"name": "\xff"}',
    "UTF-16": json.dumps({"name": "x"}).encode("utf-16"),
    "cut off": b'{"name": "x"',
    "twice": b'{"name": "x", "name": "y"}',
    "NaN": b'{"name": "x", "n": NaN}',
    "Infinity": b'{"name": "x", "n": -Infinity}',
    "overflow": b'{"name": "x", "n": 1e400}',
    "past 2^53": b'{"name": "x", "n": 9007199254740993}',
    "NUL": b'{"name": "x\\u0000"}',
    "NUL in a key": b'{"name": "x", "a\\u0000": 1}',
    "lone surrogate": b'{"name": "\\ud83d"}',
    "10,000 levels": b'{"name": "x", "a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "not closed": b"[" * 100_000,
    "an array": b'[{"name": "x"}]',
    "a text": b'"x"',
    "null": b"null",
    "a form": b"name=x",
}


@pytest.fixture
def told(open_desk, database_url):
    """What is answered to a body, and that nothing came of it."""
    desk = open_desk(database_url)
    desk.post("prompt", PROMPT)

    def tell(method: str, path: str, body: bytes) -> tuple[int, dict]:
        rows = desk.rows()
        answer = desk.call(method, path, data=body, headers={"Content-Type": "application/json"})
        assert desk.rows() == rows
        return answer.status_code, answer.json()

    return tell


def test_an_awkward_body_is_refused_with_a_reason_and_nothing_is_written(told):
    for what, body in AWKWARD.items():
        for method, path in (("POST", "prompt"), ("POST", "contact"), ("PATCH", "prompt/pmt_1")):
            status, answer = told(method, path, body)
            assert (status, answer["type"]) == (400, "BadRequest"), what
            assert answer["message"].startswith("the body"), what


def test_an_awkward_batch_is_refused_whole(told):
    for what, body in AWKWARD.items():
        if what != "an array":
            status, answer = told("POST", "contact/batch", b'[{"email": "a@example.com"}, ' + body + b"]")
            # In an array a text and null are JSON; that they are no contacts is told by the rules.
            assert (status, answer["type"]) in ((400, "BadRequest"), (422, "Invalid")), what
            assert status == 400 or what in ("a text", "null"), what


def test_a_place_is_told_where_there_is_one(told):
    _, answer = told("POST", "contact/batch", b'[{}, {"attributes": {"balance": 12345678901234567890}}]')

    assert answer["faults"] == [
        {
            "path": [1, "attributes", "balance"],
            "message": "is a whole number past 2^53, which many readers round",
            "hint": "write it as text",
        }
    ]


def test_a_document_of_another_tenant_is_refused(told):
    status, answer = told("POST", "prompt", b'{"name": "x", "tenantId": "other"}')

    assert status == 422
    assert answer["faults"][0]["path"] == ["tenantId"]


def test_unknown_keys_come_back_as_they_came(desk):
    unknown = {
        "expansions": {"workflowId": {"name": "W", "deep": [[[{"x": None}]]]}},
        "recordingAnalysisMinDuration": "0",
        "weight": 0.1,
        "big": 2**53,
        "emoji": "\U0001f600",
        "": "an empty key",
        "a.b": [1, 1.0, True, None, ""],
    }

    made = desk.post("prompt", PROMPT | unknown).json()

    assert made | unknown == made
    assert desk.get("prompt/pmt_1").json() == made


def test_numbers_as_text_and_empty_texts_are_what_ncx_sends(desk):
    made = desk.post("contactlist", {"name": "L", "priority": "7", "description": "", "campaignIds": None})

    assert made.status_code == 201
    assert made.json()["priority"] == 7
    assert not {"description", "campaignIds"} & set(made.json())


def test_the_content_type_does_not_matter_as_long_as_it_is_json(desk):
    for number, kind in enumerate(
        ("application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded")
    ):
        body = json.dumps({"name": f"N{number}"})
        assert desk.post("prompt", data=body, headers={"Content-Type": kind}).status_code == 201
