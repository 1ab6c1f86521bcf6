"""Faults on demand: what was accepted stays accepted and is in the ledger, whatever the client saw."""

import json
import time

import pytest
import requests
from python_http_client.exceptions import ServiceUnavailableError, TooManyRequestsError
from sendgrid import SendGridAPIClient

from channels.sandbox import Faults, RequestFault
from channels.sandbox.faults import BadFaults, FaultPlan, faults_from
from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN

OURS = "+12125550100"
SOMEBODY = "+14155552671"
MAIL = {
    "from": {"email": "news@shop.example"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello there"}],
    "personalizations": [{"to": [{"email": "ann@example.com"}], "custom_args": {"attempt": "m1"}}],
}


@pytest.fixture
def text():
    """Ask a sandbox over plain HTTP to send a text."""

    def send(sandbox, attempt="a1", receiver=None, timeout=5.0):
        callback = f"{receiver.url if receiver else 'http://127.0.0.1:9'}/status?attempt={attempt}"
        return requests.post(
            f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json",
            data={"To": SOMEBODY, "From": OURS, "Body": "Hello", "StatusCallback": callback},
            auth=(ACCOUNT_SID, AUTH_TOKEN),
            timeout=timeout,
        )

    return send


def test_an_accepted_text_whose_answer_never_comes_is_in_the_ledger(open_sandbox, text):
    sandbox = open_sandbox(faults=Faults(accept_then_timeout=1.0))
    with pytest.raises(requests.exceptions.ReadTimeout):
        text(sandbox, timeout=0.3)
    assert [line["attempt"] for line in sandbox.lines("accepted")] == ["a1"]
    assert [line["fault"] for line in sandbox.lines("fault")] == ["accept_then_timeout"]


def test_an_accepted_text_may_be_answered_with_a_500(open_sandbox, text):
    sandbox = open_sandbox(faults=Faults(accept_then_500=1.0))
    answer = text(sandbox)
    assert (answer.status_code, answer.json()["code"]) == (500, 20500)
    assert len(sandbox.lines("accepted")) == 1


def test_an_accepted_text_may_end_in_a_reset_connection(open_sandbox, text):
    sandbox = open_sandbox(faults=Faults(accept_then_reset=1.0))
    with pytest.raises(requests.exceptions.ConnectionError, match="reset"):
        text(sandbox)
    assert len(sandbox.lines("accepted")) == 1


@pytest.mark.parametrize(("rates", "http", "code"), [({"refuse_429": 1}, 429, 20429), ({"refuse_503": 1}, 503, 20503)])
def test_a_request_that_is_too_much_is_not_accepted(open_sandbox, text, rates, http, code):
    sandbox = open_sandbox(faults=Faults(**rates, retry_after_seconds=7))
    answer = text(sandbox)
    assert (answer.status_code, answer.json()["code"]) == (http, code)
    assert answer.headers.get("Retry-After") == ("7" if http == 429 else None)
    assert sandbox.lines("accepted") == []


def test_sendgrid_refuses_in_its_own_words(open_sandbox):
    script = (RequestFault.REFUSE_429, RequestFault.REFUSE_503, RequestFault.NONE)
    sandbox = open_sandbox(faults=Faults(next=script, retry_after_seconds=7))
    client = SendGridAPIClient(API_KEY, host=sandbox.url)
    with pytest.raises(TooManyRequestsError) as caught:
        client.send(MAIL)
    assert abs(int(caught.value.headers["X-RateLimit-Reset"]) - time.time() - 7) < 3
    with pytest.raises(ServiceUnavailableError):
        client.send(MAIL)
    assert sandbox.lines("accepted") == []
    assert client.send(MAIL).status_code == 202


def test_a_slow_answer_is_slow(open_sandbox, text):
    sandbox = open_sandbox(faults=Faults(slow=1.0, slow_seconds=0.4))
    began = time.monotonic()
    assert text(sandbox).status_code == 201
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("speed", [1.0, 200.0])
def test_an_early_callback_arrives_before_the_answer(open_sandbox, text, receiver, until, speed):
    sandbox = open_sandbox(speed=speed, faults=Faults(early_callback=1.0))
    answer = text(sandbox, receiver=receiver)
    assert receiver.forms("/status")[0]["MessageSid"] == answer.json()["sid"]
    assert answer.json()["status"] == "queued"
    until(lambda: len(receiver.forms("/status")) == 3)
    assert sorted(line["status"] for line in sandbox.lines("status")) == ["delivered", "sending", "sent"]


def test_an_early_mail_event_arrives_before_the_answer(open_sandbox, receiver, until):
    sandbox = open_sandbox(faults=Faults(early_callback=1.0))
    SendGridAPIClient(API_KEY, host=sandbox.url).send(MAIL)
    assert [event["event"] for event in json.loads(receiver.received[0].body)] == ["processed"]
    until(lambda: len(receiver.received) == 2)
    assert [event["event"] for event in json.loads(receiver.received[1].body)] == ["delivered"]


def test_callbacks_can_be_missing_doubled_and_overtaken(open_sandbox, text, receiver, until):
    sandbox = open_sandbox(faults=Faults(callback_missing=1.0))
    text(sandbox, receiver=receiver)
    until(lambda: requests.get(f"{sandbox.url}/sandbox/health", timeout=5).json()["planned"] == 0)
    assert receiver.received == []
    faults = {"callback_duplicate": 1.0}
    assert requests.post(f"{sandbox.url}/sandbox/faults", json=faults, timeout=5).status_code == 200
    text(sandbox, receiver=receiver)
    until(lambda: len(receiver.received) == 6)
    receiver.received.clear()
    faults = {"callback_reordered": 0.5, "reorder_seconds": 0.3, "seed": 3}
    assert requests.post(f"{sandbox.url}/sandbox/faults", json=faults, timeout=5).json()["seed"] == 3
    for number in range(4):
        text(sandbox, attempt=f"a{number}", receiver=receiver)
    until(lambda: len(receiver.received) == 12)
    told = [(call.url, call.form["MessageStatus"]) for call in receiver.received]
    stories = [[status for url, status in told if url.endswith(f"=a{number}")] for number in range(4)]
    assert all(sorted(story) == ["delivered", "sending", "sent"] for story in stories)
    assert any(story[-1] != "delivered" for story in stories)


def test_the_same_seed_gives_the_same_faults_channel_by_channel():
    def story(seed, others):
        plan = FaultPlan(Faults(accept_then_500=0.2, refuse_429=0.3), seed)
        drawn = []
        for number in range(200):
            drawn.append(plan.draw_request("sms"))
            if number % others == 0:
                plan.draw_request("voice")
        return drawn

    assert story(1, 2) == story(1, 7)
    assert story(1, 2) != story(2, 2)
    assert 40 < story(1, 2).count(RequestFault.REFUSE_429) < 80


def test_faults_can_be_kept_to_one_channel():
    plan = FaultPlan(Faults(refuse_503=1.0, channels=frozenset({"email"})), 0)
    assert plan.draw_request("sms") is RequestFault.NONE
    assert plan.draw_request("email") is RequestFault.REFUSE_503


@pytest.mark.parametrize(
    "document",
    [
        {"refuse_430": 1},
        {"refuse_429": 1.1},
        {"refuse_429": -0.1},
        {"refuse_429": 0.6, "slow": 0.6},
        {"refuse_429": "often"},
        {"next": ["explode"]},
        {"channels": ["fax"]},
        {"seed": "x"},
        [],
    ],
)
def test_bad_faults_are_refused_and_change_nothing(open_sandbox, document):
    sandbox = open_sandbox(faults=Faults(slow=0.25, slow_seconds=0))
    answer = requests.post(f"{sandbox.url}/sandbox/faults", json=document, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert requests.get(f"{sandbox.url}/sandbox/faults", timeout=5).json()["slow"] == 0.25


def test_an_unknown_fault_names_the_known_ones():
    with pytest.raises(BadFaults, match=r"refuse_430: no such fault; expected one of .*refuse_429"):
        faults_from({"refuse_430": 1})
