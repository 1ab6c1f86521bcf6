"""The ledger: the evidence of what a provider accepted."""

import json

import pytest
import requests
from sendgrid import SendGridAPIClient

from channels.sandbox.ledger import Ledger, LineKind, read_ledger, summarize
from channels.sandbox.settings import API_KEY

OURS = "+12125550100"


def accepted(ref, attempt, to="+14155552671", body_hash="h1", channel="sms"):
    line = {"channel": channel, "ref": ref, "attempt": attempt, "to": to, "body_hash": body_hash}
    return {"kind": LineKind.ACCEPTED, **line}


def status(ref, word, *, final, to="+14155552671", channel="sms"):
    return {"kind": LineKind.STATUS, "channel": channel, "ref": ref, "to": to, "status": word, "final": final}


def test_an_attempt_that_was_accepted_twice_is_named():
    summary = summarize([accepted("SM1", "a1"), accepted("SM2", "a2"), accepted("SM3", "a1"), accepted("SM4", "")])
    assert summary.accepted == {"sms": 4}
    assert summary.accepted_per_attempt_max == 2
    assert summary.attempts_accepted_again == {"a1": 2}
    assert summary.accepted_without_attempt == 1


def test_the_same_text_to_the_same_person_is_a_repeat_under_any_attempt():
    summary = summarize(
        [
            accepted("SM1", "a1"),
            accepted("SM2", "a2"),
            accepted("SM3", "a3", body_hash="h2"),
            accepted("SM4", "a4", to="+14155552672"),
            accepted("x", "a5", channel="email"),
        ]
    )
    [repeat] = summary.repeats
    assert (repeat.channel, repeat.refs) == ("sms", ("SM1", "SM2"))
    assert "+1415" not in repr(repeat)


def test_each_recipient_has_one_fate_the_last_final_one():
    summary = summarize(
        [
            accepted("SM1", "a1"),
            status("SM1", "sent", final=False),
            accepted("x", "b1", to="ann@example.com", channel="email"),
            accepted("x", "b2", to="bob@example.com", channel="email"),
            status("x", "delivered", final=True, to="ann@example.com", channel="email"),
            status("x", "bounce", final=True, to="ann@example.com", channel="email"),
            status("x", "delivered", final=True, to="bob@example.com", channel="email"),
        ]
    )
    assert summary.final_statuses == {"sms": {}, "email": {"bounce": 1, "delivered": 1}}
    assert summary.pending == {"sms": 1, "email": 0}


def test_the_ledger_of_nothing_is_empty(tmp_path):
    ledger = Ledger(tmp_path / "deep" / "ledger.jsonl", fsync=True)
    ledger.close()
    summary = summarize(read_ledger(ledger.path))
    assert (summary.accepted, summary.accepted_per_attempt_max, summary.repeats) == ({}, 0, [])


def test_a_line_that_is_still_being_written_is_left_out(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.write([accepted("SM1", "a1"), accepted("SM2", "a2")])
    ledger.close()
    with ledger.path.open("ab") as file:
        file.write(b'{"kind":"acc')
    assert [line["ref"] for line in read_ledger(ledger.path)] == ["SM1", "SM2"]


def test_a_torn_line_does_not_spoil_the_next_start(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"kind":"acc')
    ledger = Ledger(path)
    ledger.write([accepted("SM1", "a1")])
    ledger.close()
    assert [line["ref"] for line in read_ledger(path)] == ["SM1"]


def test_every_acceptance_is_on_disk_when_the_answer_arrives(open_sandbox):
    sandbox = open_sandbox(speed=1.0)
    for number in range(20):
        sid = sandbox.twilio().messages.create(to="+14155552671", from_=OURS, body=f"Number {number}").sid
        assert list(read_ledger(sandbox.ledger_path))[-1]["ref"] == sid


def test_texts_are_in_the_ledger_only_when_asked_for(open_sandbox, tmp_path):
    silent, open_one = open_sandbox(), open_sandbox(data_dir=tmp_path / "open", ledger_bodies=True)
    for sandbox in (silent, open_one):
        sandbox.twilio().messages.create(to="+14155552671", from_=OURS, body="Very private")
    assert "Very private" not in silent.ledger_path.read_text()
    assert "Very private" in open_one.ledger_path.read_text()


def test_a_restart_goes_on_with_the_same_ledger(open_sandbox):
    for _ in range(2):
        open_sandbox(speed=1.0).twilio().messages.create(to="+14155552671", from_=OURS, body="Hello")
    assert summarize(read_ledger(open_sandbox().ledger_path)).accepted == {"sms": 2}


def test_the_summary_over_http_counts_all_channels(open_sandbox, receiver, until):
    sandbox = open_sandbox()
    twilio = sandbox.twilio()
    twilio.messages.create(to="+14155550937", from_=OURS, body="Hi", status_callback=f"{receiver.url}/s?attempt=s1")
    twilio.calls.create(to="+14155552671", from_=OURS, url=f"{receiver.url}/twiml?attempt=c1")
    document = {
        "from": {"email": "news@shop.example"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hi"}],
        "personalizations": [{"to": [{"email": "ann@example.com"}], "custom_args": {"attempt": "e1"}}],
    }
    SendGridAPIClient(API_KEY, host=sandbox.url).send(document)

    def settled():
        summary = requests.get(f"{sandbox.url}/sandbox/ledger", timeout=5).json()
        return summary if summary["replies"] and not any(summary["pending"].values()) else None

    summary = until(settled)
    assert summary["accepted"] == {"sms": 1, "voice": 1, "email": 1}
    assert (summary["accepted_per_attempt_max"], summary["accepted_without_attempt"]) == (1, 0)
    assert summary["final_statuses"] == {
        "sms": {"delivered": 1},
        "voice": {"completed": 1},
        "email": {"delivered": 1},
    }
    assert json.loads(sandbox.ledger_path.read_text().splitlines()[0])["kind"] == "accepted"


@pytest.mark.parametrize("name", ["attempt", "attempt_id", "job"])
def test_the_attempt_is_found_under_its_usual_names(open_sandbox, name):
    sandbox = open_sandbox()
    url = f"http://127.0.0.1:9/s?x=1&{name}=a%2D1#rc=3"
    sandbox.twilio().messages.create(to="+14155552671", from_=OURS, body="Hi", status_callback=url)
    assert sandbox.lines("accepted")[0]["attempt"] == "a-1"
