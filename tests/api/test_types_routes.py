"""Documents over HTTP: what each request is answered, when all goes well and when it does not."""

import base64
import json
import logging
import socket
import time
from urllib.parse import urlsplit

import requests

from tests.api.desk import make_runtime, make_token
from tests.api.web import Port, Web
from worker.schema import tokens
from worker.schema.errors import ERRORS

PROMPT = {"promptId": "pmt_1", "name": "Notice", "text": "This call may be recorded."}


def problem(answer: requests.Response) -> tuple[int, str]:
    """Status and message of an answer that has the shape of every error."""
    told = answer.json()
    assert list(told) == ["type", "message", "code", "timestamp", "faults"]
    assert told["code"] == answer.status_code
    assert abs(told["timestamp"] - time.time() * 1000) < 60_000
    assert all(set(fault) == {"path", "message", "hint"} for fault in told["faults"])
    if answer.status_code in ERRORS:
        assert told["type"] == ERRORS[answer.status_code].__name__
    return answer.status_code, json.dumps(told)


# The six requests


def test_what_is_created_is_given_back_with_its_place_and_its_etag(desk):
    made = desk.post("prompt", PROMPT)

    assert made.status_code == 201
    assert made.json() | PROMPT == made.json()
    assert made.headers["location"] == "/data/api/types/prompt/pmt_1"
    assert made.headers["etag"] == f'"{made.json()["modifiedAt"]}"'
    found = requests.get(
        desk.url + made.headers["location"], headers={"Authorization": f"Bearer {desk.token}"}, timeout=10
    )
    assert (found.status_code, found.json(), found.headers["etag"]) == (200, made.json(), made.headers["etag"])


def test_an_id_is_written_into_the_place_so_that_it_leads_there(desk):
    made = desk.post("prompt", PROMPT | {"promptId": "50%&more+é"})

    assert made.headers["location"] == "/data/api/types/prompt/50%25%26more%2B%C3%A9"
    assert desk.get("prompt/50%25%26more%2B%C3%A9").json()["promptId"] == "50%&more+é"


def test_a_change_merges_and_null_or_an_empty_text_unsets(desk):
    desk.post("prompt", PROMPT | {"language": "en", "description": "Old"})

    changed = desk.patch("prompt/pmt_1", {"language": None, "description": "", "extra": {"kept": [1]}})

    assert changed.status_code == 200
    assert not {"language", "description"} & set(changed.json())
    assert changed.json()["extra"] == {"kept": [1]}
    assert desk.get("prompt/pmt_1").json() == changed.json()


def test_a_search_tells_count_total_and_where_to_go_on(desk):
    for number in range(3):
        desk.post("prompt", {"name": f"Notice {number}"})

    first = desk.get("prompt?q=name:Notice*&rows=2&sort=-name").json()
    rest = desk.get("prompt", params={"q": "name:Notice*", "rows": 2, "sort": "-name", "cursor": first["next"]}).json()

    assert (first["count"], first["total"], rest["count"], rest["total"], rest["next"]) == (2, 3, 1, 3, "")
    assert [one["name"] for one in first["objects"] + rest["objects"]] == ["Notice 2", "Notice 1", "Notice 0"]
    assert desk.get("prompt?start=2&rows=2").json()["count"] == 1


def test_what_is_deleted_is_gone_unless_it_is_asked_for(desk):
    desk.post("prompt", PROMPT)

    gone = desk.delete("prompt/pmt_1")

    assert (gone.status_code, gone.content) == (204, b"")
    assert desk.get("prompt/pmt_1").status_code == 404
    assert desk.get("prompt").json()["total"] == 0
    assert desk.get("prompt/pmt_1?deleted=true").json()["deletedAt"] > 0
    assert desk.delete("prompt/pmt_1").status_code == 404


def test_the_history_tells_who_changed_what_from_what_to_what(desk):
    desk.post("prompt", PROMPT)
    desk.patch("prompt/pmt_1", {"name": "Warning"})
    desk.delete("prompt/pmt_1")

    told = desk.get("prompt/pmt_1/history").json()

    assert (told["count"], told["total"]) == (3, 3)
    assert [one["action"] for one in told["objects"]] == ["created", "updated", "deleted"]
    assert {one["by"] for one in told["objects"]} == {"usr_test"}
    assert told["objects"][1]["changes"] == [{"path": "name", "from": "Notice", "to": "Warning"}]


def test_contacts_come_in_batches_all_or_none(desk):
    people = [{"contactId": f"c{n}", "email": f"c{n}@example.com"} for n in range(3)]

    made = desk.post("contact/batch", people)
    refused = desk.post("contact/batch", [{"email": "new@example.com"}, {"phone": "12"}])

    assert (made.status_code, made.json()) == (201, {"count": 3, "ids": ["c0", "c1", "c2"]})
    assert problem(refused)[0] == 422
    assert refused.json()["faults"][0]["path"] == [1, "phone"]
    assert desk.get("contact").json()["total"] == 3


def test_only_contacts_have_a_batch(desk):
    assert problem(desk.post("prompt/batch", [PROMPT]))[0] == 405


def test_a_trailing_slash_is_accepted_everywhere(desk):
    assert desk.post("prompt/", PROMPT).status_code == 201
    assert desk.get("prompt/?q=name:Notice").json()["total"] == 1
    assert desk.get("prompt/pmt_1/").status_code == 200
    assert desk.patch("prompt/pmt_1/", {"language": "en"}).status_code == 200
    assert desk.get("prompt/pmt_1/history/").json()["total"] == 2
    assert desk.delete("prompt/pmt_1/").status_code == 204
    assert desk.post("contact/batch/", []).status_code in (201, 422)
    assert requests.get(f"{desk.url}/health/", timeout=10).status_code == 404


# Tokens


def test_a_token_may_be_sent_with_bearer_or_alone(desk):
    for header in (f"Bearer {desk.token}", f"bearer  {desk.token} ", desk.token):
        assert desk.get("prompt", headers={"Authorization": header}).status_code == 200


def test_without_a_token_that_holds_nothing_is_told(desk):
    revoked = desk.token_for()
    tokens.revoke(desk.store, desk.store.now(), tenant_id=desk.tenant, token_id=revoked.split("_")[1])
    basic = base64.b64encode(b"ada:secret").decode()

    for header in ("", "Bearer", "Bearer ", f"Basic {basic}", "Bearer nonsense", f"Bearer {desk.token}x", revoked):
        refused = desk.get("prompt", headers={"Authorization": header})
        assert problem(refused)[0] == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert desk.token not in refused.text


def test_a_token_is_asked_for_before_anything_is_read(desk):
    refused = desk.post("prompt", data=b"{" * 3_000_000, headers={"Authorization": "Bearer nonsense"})

    assert problem(refused)[0] == 401


def test_a_missing_scope_is_named(desk):
    header = {"Authorization": desk.token_for("prompts:read", "campaigns:write")}

    status, told = problem(desk.post("prompt", PROMPT, headers=header))

    assert status == 403
    assert "prompts:write" in told


def test_who_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up(open_desk, sqlite_url):
    desk = open_desk(sqlite_url, api_requests_per_second=0.1, api_burst=2)
    other = {"Authorization": desk.token_for()}

    answers = [desk.get("prompt") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert problem(answers[2])[0] == 429
    assert 1 <= int(answers[2].headers["retry-after"]) <= 10
    assert desk.get("prompt", headers=other).status_code == 200


# Conditions


def test_if_match_changes_what_was_seen_or_nothing(desk):
    seen = desk.post("prompt", PROMPT).headers["etag"]
    now = desk.patch("prompt/pmt_1", {"language": "en"}, headers={"If-Match": seen}).headers["etag"]

    late = desk.patch("prompt/pmt_1", {"language": "es"}, headers={"If-Match": seen})

    assert now != seen
    assert problem(late)[0] == 412
    assert desk.get("prompt/pmt_1").json()["language"] == "en"
    assert problem(desk.delete("prompt/pmt_1", headers={"If-Match": seen}))[0] == 412
    assert desk.patch("prompt/pmt_1", {"language": "fr"}, headers={"If-Match": "*"}).status_code == 200
    assert desk.delete("prompt/pmt_1", headers={"If-Match": "*"}).status_code == 204


def test_an_if_match_that_is_no_etag_is_refused(desk):
    desk.post("prompt", PROMPT)

    for value in ("1", '"x"', 'W/"1764000000000"', '"1", "2"', '"-1"', '"1764000000000000"', "", '"²"'):
        header = {"If-Match": value.encode()}
        assert problem(desk.patch("prompt/pmt_1", {"language": "en"}, headers=header))[0] == 400
        assert problem(desk.delete("prompt/pmt_1", headers=header))[0] == 400
    assert desk.get("prompt/pmt_1").json().get("language") is None


def test_the_same_request_again_makes_one_document(desk):
    first, again = (desk.post("prompt", {"name": "Once"}, headers={"Idempotency-Key": "k 1"}) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert desk.get("prompt").json()["total"] == 1
    other = desk.post("prompt", {"name": "Other"}, headers={"Idempotency-Key": "k 1"})
    assert problem(other)[0] == 409


def test_a_key_that_is_none_is_refused(desk):
    for key in ("", "k" * 201, "tab\there", "é", "名"):
        assert problem(desk.post("prompt", PROMPT, headers={"Idempotency-Key": key.encode()}))[0] == 400
    assert desk.get("prompt").json()["total"] == 0


def test_a_batch_takes_no_key_rather_than_ignoring_it(desk):
    refused = desk.post("contact/batch", [{"email": "a@example.com"}], headers={"Idempotency-Key": "k"})

    assert problem(refused)[0] == 400
    assert desk.get("contact").json()["total"] == 0


# Refusals


def test_every_fault_of_a_document_is_told_with_its_place(desk):
    refused = desk.post("campaign", {"name": "A", "useForSMS": True, "recordingAnalysisPercentage": 200})

    assert problem(refused)[0] == 422
    assert {tuple(fault["path"]) for fault in refused.json()["faults"]} >= {
        ("workflowId",),
        ("smsFromAddress",),
        ("recordingAnalysisPercentage",),
    }
    assert desk.rows() == 0


def test_a_name_and_an_id_are_taken_once(desk):
    desk.post("prompt", PROMPT)

    assert problem(desk.post("prompt", {"name": "notice"}))[0] == 409
    assert problem(desk.post("prompt", PROMPT | {"name": "Other"}))[0] == 409
    assert desk.get("prompt").json()["total"] == 1


def test_a_parameter_out_of_range_is_named(desk):
    for query in ("rows=0", "rows=1001", "rows=many", "start=-1", "start=10001", "deleted=perhaps"):
        refused = desk.get(f"prompt/pmt_1?{query}" if query.startswith("deleted") else f"prompt?{query}")
        assert problem(refused)[0] == 400
        assert refused.json()["faults"][0]["path"] == ["query", query.partition("=")[0]]


def test_a_search_that_cannot_be_read_is_refused(desk):
    for query in ("q=colour:red", "q=name:(a", "sort=colour", "cursor=x", "cursor=AAAA", "q=%00", "q=%ff%00"):
        assert problem(desk.get(f"prompt?{query}"))[0] == 400


def test_an_id_that_leads_nowhere_is_not_found(open_desk, database_url):
    desk = open_desk(database_url)
    for kind in ("prompt", "contact"):
        for nobody in ("nobody", "a%00b", "%ff", "x" * 300, "%F0%9F%98%80", "a%2Fb", "a%20b", "..%2f", "batch"):
            answers = (
                desk.get(f"{kind}/{nobody}"),
                desk.get(f"{kind}/{nobody}?deleted=true"),
                desk.get(f"{kind}/{nobody}/history"),
                desk.patch(f"{kind}/{nobody}", {"name": "x"}),
                desk.delete(f"{kind}/{nobody}"),
            )
            assert {problem(answer)[0] for answer in answers} == {404}


def test_a_type_that_does_not_exist_is_told_which_was_meant(desk):
    refused = desk.post("campain", {})

    assert problem(refused)[0] == 404
    assert refused.json()["faults"][0]["hint"] == "did you mean campaign?"
    assert problem(requests.get(f"{desk.url}/data/api/nothing", timeout=10))[0] == 404


def test_a_method_that_is_not_possible_is_told_which_are(desk):
    for method, path, allowed in (
        ("PUT", "prompt", "GET, POST"),
        ("DELETE", "prompt/", "GET, POST"),
        ("POST", "prompt/pmt_1", "DELETE, GET, PATCH"),
        ("OPTIONS", "prompt/pmt_1", "DELETE, GET, PATCH"),
        ("DELETE", "prompt/pmt_1/history", "GET"),
        ("PUT", "contact/batch", "POST"),
    ):
        refused = desk.call(method, path)
        assert problem(refused)[0] == 405
        assert refused.json()["type"] == "MethodNotAllowed"
        assert refused.headers["allow"] == allowed


def test_while_the_database_is_away_it_says_so(open_desk, sqlite_url, tmp_path, beside):
    nowhere = f"sqlite:///{tmp_path / 'no' / 'such.db'}"
    web = Web(beside, Port(), lambda: make_runtime(nowhere, tmp_path))
    refused = requests.get(
        f"{web.url}/data/api/types/prompt", headers={"Authorization": f"cw_{'0' * 26}_{'x' * 43}"}, timeout=10
    )
    web.close()

    assert problem(refused)[0] == 503


def test_a_fault_of_ours_is_called_ours_and_tells_nothing_else(beside, sqlite_url, tmp_path):
    class Broken:
        def search(self, *_):
            raise RuntimeError("Ada, +12125550100")

    def runtime():
        rt = make_runtime(sqlite_url, tmp_path)
        rt.schema = Broken()
        return rt

    web, rt = Web(beside, Port(), runtime), make_runtime(sqlite_url, tmp_path)
    header = {"Authorization": make_token(rt.store)}
    refused = requests.get(f"{web.url}/data/api/types/prompt", headers=header, timeout=10)
    web.close()
    rt.close()

    status, told = problem(refused)
    assert (status, refused.json()["type"]) == (500, "InternalError")
    assert "our fault" in told
    assert "Ada" not in told


# How much is read


def test_a_body_over_a_megabyte_is_refused_whatever_it_says_about_itself(desk):
    large = b'{"name": "' + b"x" * 1_000_000 + b'"}'
    pieces = [large[n : n + 100_000] for n in range(0, len(large), 100_000)]

    assert problem(desk.post("prompt", data=large))[0] == 413
    assert problem(desk.post("prompt", data=iter(pieces)))[0] == 413
    assert problem(desk.patch("prompt/pmt_1", data=large))[0] == 413
    assert problem(desk.post("contact/batch", data=iter(pieces)))[0] == 413
    assert desk.rows() == 0


def test_a_body_of_a_megabyte_is_read(desk):
    body = json.dumps({"name": "Large", "notes": ""}).encode()
    body = body[:-2] + b"x" * (1_000_000 - len(body)) + body[-2:]

    made = desk.post("prompt", data=iter([body[:1000], body[1000:]]))

    assert made.status_code == 201
    assert len(desk.get("prompt").json()["objects"][0]["notes"]) > 990_000


def _raw(desk, length: int, body: bytes, *, close: bool) -> bytes:
    """A request whose Content-Length is not the length of its body. The answer; b"" if the caller has gone."""
    host = urlsplit(desk.url)
    with socket.create_connection((host.hostname, host.port), timeout=10) as connection:
        head = (
            f"POST /data/api/types/prompt HTTP/1.1\r\nHost: x\r\nAuthorization: {desk.token}\r\nConnection: close\r\n"
        )
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
        if close:
            return b""
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_a_content_length_that_lies_saves_nothing(desk):
    body = json.dumps(PROMPT).encode()

    assert _raw(desk, 10, body, close=False).startswith(b"HTTP/1.1 400")
    assert _raw(desk, 10**40, body, close=False).startswith(b"HTTP/1.1 4")
    assert desk.rows() == 0


def test_what_will_be_too_large_need_not_be_sent(desk):
    assert _raw(desk, 1_000_001, b"", close=False).startswith(b"HTTP/1.1 413")


def test_who_leaves_before_the_body_has_come_leaves_no_trace(desk, caplog):
    with caplog.at_level(logging.ERROR):
        _raw(desk, 1000, b'{"name": "No', close=True)
        assert desk.get("prompt").json()["total"] == 0

    assert not caplog.records
    assert desk.rows() == 0
