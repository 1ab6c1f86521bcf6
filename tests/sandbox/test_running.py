"""The sandbox as a process, and its table of people."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from channels.sandbox.people import BadPeople, load_people
from channels.sandbox.records import MessageRecord, Shelf
from channels.sandbox.settings import BadSettings, SandboxSettings
from channels.sms.segments import count

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(tmp_path):
    """Start `python -m channels.sandbox` with these arguments; killed at the end if it still runs."""
    started = []

    def run(*arguments):
        words = [sys.executable, "-m", "channels.sandbox", "--data-dir", str(tmp_path), *arguments]
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_stops_at_once_when_told(command, tmp_path, number):
    process = command("--port", "0", "--fault", "accept_then_timeout=1", "--callback", "http://127.0.0.1:9")
    line = process.stdout.readline()
    assert line.startswith("sandbox ready at http://127.0.0.1:")
    assert str(tmp_path / "ledger.jsonl") in line
    url = line.split()[3].rstrip(",")
    assert requests.get(f"{url}/sandbox/health", timeout=5).json()["status"] == "ok"
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert time.monotonic() - began < 2
    assert process.communicate() == ("", "")


def test_a_port_in_use_is_one_clear_sentence_and_exit_code_3(command):
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = command("--port", str(other.getsockname()[1]))
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (3, "")
    assert err.count("\n") == 1
    assert "is in use; stop what listens there, or choose another --port" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fault", "explode=1"], "explode: no such fault"),
        (["--speed", "0"], "speed: expected more than 0"),
        (["--people", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
        (["--callback", "example.com"], "sms_inbound_url: expected an http or https URL"),
    ],
)
def test_bad_arguments_are_one_sentence_and_exit_code_2(command, arguments, text):
    process = command("--port", "0", *arguments)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert text in err
    assert "Traceback" not in err


def test_settings_show_no_secret(tmp_path):
    settings = SandboxSettings(data_dir=tmp_path, auth_token="hidden-token", api_key="SG.hidden")
    assert "hidden" not in repr(settings)
    with pytest.raises(BadSettings, match="account_sid"):
        SandboxSettings(data_dir=tmp_path, account_sid="AC1")


def test_everybody_is_reached_unless_the_table_says_otherwise():
    people = load_people()
    assert people.behind_number("+14155552671").name == "everybody"
    assert people.behind_mailbox("ann@example.com").name == "everybody"
    assert people.behind_number("+14155530006").name == "landline", "the longest ending wins"
    assert people.behind_mailbox("ann+bounce@example.com").name == "bounce"
    assert people.behind_mailbox("bouncer@example.com").name == "everybody"


def test_a_table_may_give_shares_of_everybody(tmp_path):
    table = tmp_path / "people.yaml"
    table.write_text("people:\n  - {name: silent, share: 0.25, sms: {steps: [sending, sent]}}\n")
    people = load_people(table, seed=1)
    names = [people.behind_number(f"+1415555{n:04}").name for n in range(1000)]
    assert 200 < names.count("silent") < 300
    assert names == [load_people(table, seed=1).behind_number(f"+1415555{n:04}").name for n in range(1000)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("people: [{name: odd, sms: {steps: [flying]}}]", "odd: 'flying'"),
        ("people: [{name: odd, height: 2}]", "odd: .*height"),
        ("people: [{name: odd, call: {end: maybe}}]", "odd: 'maybe'"),
        ("people: [{name: a, share: 0.6}, {name: b, share: 0.6}]", "more than 1"),
        ("people: [", "cannot be read"),
        ("[1]", "expected `everybody` and `people`"),
    ],
)
def test_a_table_that_makes_no_sense_names_the_row(tmp_path, text, what):
    table = tmp_path / "people.yaml"
    table.write_text(text)
    with pytest.raises(BadPeople, match=what):
        load_people(table)


def records(count, retention=200_000):
    shelf = Shelf(retention)
    for n in range(count):
        to = f"+1415555{n % 1000:04}"
        shelf.add(MessageRecord(sid=f"SM{n}", to=to, sender="+1", attempt="", status="queued", body="", segments=1))
    return shelf


def test_a_list_by_to_looks_at_that_persons_messages_only():
    looked_at = []
    found, more = records(50_000).newest_first(
        to="+14155550007", before=None, keep=lambda record: looked_at.append(record) or True, limit=20
    )
    assert [record.sid for record in found[:2]] == ["SM49007", "SM48007"]
    assert more
    assert len(looked_at) == 21


def test_memory_is_bounded_and_the_oldest_are_forgotten():
    shelf = records(5000, retention=1000)
    assert 1000 <= len(shelf) <= 1100
    assert (shelf.get("SM0"), shelf.get("SM4999").sid) == (None, "SM4999")
    found, more = shelf.newest_first(to="+14155550999", before=None, keep=lambda _: True, limit=50)
    assert (len(found), more) == (len([sid for sid in range(5000 - len(shelf), 5000) if sid % 1000 == 999]), False)


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 152 + "€" + "x" * 152, 3),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),
    ],
)
def test_parts_are_counted_as_the_network_cuts_them(body, parts):
    assert count(body).parts == parts
