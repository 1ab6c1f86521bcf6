"""The floors keep the promises their figures are quoted for, and the provider they are measured with keeps its own."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import floor
import floor_store
import jobs
import pytest
from socket_client import Client, Exchange

from worker.runtime.machine import free_port

HERE = Path(__file__).parent
LATENCY = 0.2
MAIL = json.dumps(
    {"personalizations": [{"to": [{"email": jobs.person(n)[2]}], "subject": "Hello"} for n in range(900)]}
).encode()


@pytest.fixture(scope="module")
def port():
    number = free_port()
    with subprocess.Popen([sys.executable, str(HERE / "stub.py"), str(number), str(LATENCY)]) as stub:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", number)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < until
        yield number
        stub.kill()


def text(attempt):
    form = b"To=%%2B12025000007&Body=%d&StatusCallback=http%%3A%%2F%%2Fx%%2F%%3Fattempt%%3D%d" % (attempt, attempt)
    head = b"POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(form)
    return head + form


def ask(port, path):
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


async def sent(request):
    return await Exchange(request)


def test_a_claim_is_committed_before_anything_is_sent_and_holds_no_message_twice(blank_url):
    first, second = floor_store.open_store(blank_url), floor_store.open_store(blank_url)
    first.prepare(("all" if n < 1500 else "others", *jobs.person(n)) for n in range(1600))
    first.launch("all")

    claims = [one.claim() for one in (first, second, first)]

    assert [len(claim) for claim in claims] == [floor_store.BATCH, 500, 0]
    assert len({message.id for claim in claims for message in claim}) == 1500
    first.close()
    second.close()


def test_outcomes_are_kept_and_the_next_message_waits(blank_url, monkeypatch):
    store = floor_store.open_store(blank_url)
    store.prepare([("all", *jobs.person(7))])
    now = 1_000_000
    monkeypatch.setattr(floor_store, "_now", lambda: now)
    store.launch("all")
    batch = store.claim()

    store.finish(batch, ["SM1"])

    assert store.accepted() == 1
    now += 999
    assert store.claim() == []
    now += 1
    [following] = store.claim()
    assert (following.step, *following[1:4]) == (1, *jobs.person(7))
    store.finish([following], ["SM2"])
    now += 1_000_000
    assert (store.accepted(), store.claim()) == (2, [])
    store.close()


@pytest.mark.parametrize("job", ["texts", "mail"])
def test_both_floors_send_everybody_of_a_batch_the_same(port, job):
    url = f"http://127.0.0.1:{port}"
    batch = [floor_store.Message(n, *jobs.person(n), n % jobs.MESSAGES) for n in range(5000, 5040)]
    client = Client("127.0.0.1", port, limit=40)
    reports = [ask(port, "/report")]
    for kind in ("raw", "sdk"):
        references = client.run(floor.DESIGNS[kind, job](url)(batch))
        assert all(references)
        reports.append(ask(port, "/report"))
    client.close()

    by_raw, by_both = ({name: report[name] - reports[0][name] for name in report} for report in reports[1:])
    assert by_raw == {"accepted": 40, "distinct": 40, "repeated": 0, "repeatedAttempts": 0}
    assert by_both == {"accepted": 80, "distinct": 40, "repeated": 40, "repeatedAttempts": 40}


def test_a_client_has_many_requests_under_way_and_returns_the_answers_in_order(port):
    began = time.monotonic()
    client = Client("127.0.0.1", port, limit=50)
    answers = client.run(sent(text(number)) for number in range(50))
    client.close()

    assert LATENCY <= time.monotonic() - began < 5 * LATENCY
    assert {answer.status for answer in answers} == {201}
    assert len({json.loads(answer.body)["sid"] for answer in answers}) == 50


def test_the_provider_counts_people_and_tells_what_came_twice_and_when(port):
    before = ask(port, "/report")
    mail = b"POST /v3/mail/send HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(MAIL), MAIL)
    one, again = text(100), text(100)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for piece in (mail[:30], mail[30:9000], mail[9000:] + one[:9], one[9:] + again):
            connection.sendall(piece)
        answers = b""
        while answers.count(b"SM.json") < 2:
            answers += connection.recv(4096)

    assert answers.startswith(b"HTTP/1.1 202 Accepted")
    after = ask(port, "/report")
    assert ask(port, "/count")["accepted"] == after["accepted"]
    more = {name: after[name] - before[name] for name in after}
    assert more == {"accepted": 902, "distinct": 901, "repeated": 1, "repeatedAttempts": 1}
    address, at = ask(port, "/arrivals")[-3]
    assert jobs.number_of(address) == 899
    assert abs(time.time() - at) < 10
