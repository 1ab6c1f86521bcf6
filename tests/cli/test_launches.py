"""`campaigns launch` and what changes a run afterwards: moments as they were meant, reasons in the log, canaries."""

import sqlite3
from contextlib import closing

import pytest

from tests.cli.conftest import RENEWAL, SANDBOX

BERLIN = SANDBOX | {"DEFAULT_TIMEZONE": "Europe/Berlin"}


@pytest.fixture
def launch(run):
    """Launches the example over its people."""
    assert run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv").code == 0

    def launched(*words, **env):
        return run("launch", RENEWAL, "--list", "renewal", *words, **(env or SANDBOX))

    return launched


def test_a_moment_without_a_zone_is_the_installations_and_the_answer_says_which_instant_it_is(launch):
    said = launch("--at", "2099-07-01T09:00", **BERLIN)
    assert "it starts at 2099-07-01 09:00 Europe/Berlin (2099-07-01T07:00:00Z)" in said.out
    found = launch("--again", "--at", "2099-07-01T09:00", "--json", **BERLIN).json
    assert (found["status"], found["startsAt"]) == ("scheduled", "2099-07-01T07:00:00+00:00")


@pytest.mark.parametrize("at", ["2099-07-01T09:00-05:00", "2099-07-01T14:00Z"])
def test_a_moment_with_an_offset_is_that_instant(launch, at):
    assert launch("--at", at, "--json", **BERLIN).json["startsAt"] == "2099-07-01T14:00:00+00:00"


@pytest.mark.parametrize(
    ("at", "sentence"),
    [("tomorrow", "--at tomorrow: is no ISO date-time"), ("2020-01-01T09:00", "2020-01-01 08:00 UTC has passed")],
)
def test_a_moment_that_cannot_be_is_refused(launch, at, sentence):
    said = launch("--at", at, **BERLIN)
    assert (said.code, sentence in said.err) == (2, True)


def test_a_draft_is_checked_again_when_it_is_started(run, launch):
    assert launch("--draft").code == 0
    refused = run("start", "last", **{**SANDBOX, "TWILIO_AUTH_TOKEN": ""})
    assert (refused.code, "TWILIO_AUTH_TOKEN is not set" in refused.err) == (2, True)
    started = run("start", "last", "--json", **SANDBOX).json
    assert started["status"] == "running"
    assert any("whether it lets us send is not known" in warning for warning in started["warnings"])
    again = run("start", "last", **SANDBOX)
    assert (again.code, "is running, it waits for no start" in again.err) == (4, True)


def test_the_log_has_the_words_of_whoever_changed_a_run(run, launch):
    launch("--draft")
    for command in ("start", "pause", "resume", "cancel"):
        assert run(command, "last", "--reason", f"{command}: ask Ann", **SANDBOX).code == 0
    reasons = [change["reason"] for change in run("log", "last", "--json").json["changes"]]
    assert reasons == ["", "start: ask Ann", "pause: ask Ann", "resume: ask Ann", "cancel: ask Ann"]
    assert "resume: ask Ann" in run("log", "last").out


def test_the_others_of_a_canary_are_released_by_whoever_resumes_it(run, launch, desk):
    assert "has nobody to release" in _released(run, launch("--json").json["runId"]).err
    run_id = launch("--again", "--canary", "1%", "--json").json["runId"]
    run("pause", run_id)
    with closing(sqlite3.connect(desk.database)) as connection:
        connection.execute("UPDATE runs SET canary = 'watched' WHERE run_id = ?", (run_id,))
        connection.commit()
    over = run("resume", run_id)
    assert (over.code, "`campaigns resume --release` lets the others follow" in over.err) == (4, True)
    assert _released(run, run_id).code == 0
    assert (
        run("log", run_id, "--json").json["changes"][-1]["reason"] == "lets the others follow the canary; Ann says so"
    )


def _released(run, run_id):
    return run("resume", run_id, "--release", "--reason", "Ann says so")


CART = '{"type": "cart.abandoned", "data": {"url": "https://x.example", "items": [], "total": 1}}'


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("{oops", "--event: it is no JSON that can be read"),
        ('{"data": {}}', "--event: type: is required"),
        ("nowhere.json", "nowhere.json: no such file"),
    ],
)
def test_an_example_event_that_cannot_be_read_is_refused_in_a_sentence(run, said, sentence):
    refused = run("launch", RENEWAL.parent / "abandoned-cart", "--to", "+12125550142", "--event", said, **SANDBOX)
    assert (refused.code, sentence in refused.err) == (2, True), refused.err


def test_an_example_event_is_given_as_it_is_or_in_a_file(run, launch, desk):
    path = desk.write("cart.json", CART)
    for said in (CART, path):
        words = (
            "launch",
            RENEWAL.parent / "abandoned-cart",
            "--to",
            "umar.irwin111@example.org",
            "--again",
            "--event",
            said,
        )
        launched = run(*words, **SANDBOX)
        assert launched.code == 0, launched.err


def test_the_people_of_the_last_run_are_left_out_by_its_name(run, launch):
    first = launch("--json").json["runId"]
    words = ("--list", "renewal", "--exclude-run", "last", "--json")
    assert run("audience", RENEWAL, *words, **SANDBOX).json["excluded"][0]["of"] == first
    assert launch("--again", "--exclude-run", "last", "--at", "2099-07-01T09:00").code == 0


@pytest.mark.parametrize(("words", "about"), [(("launch", "x", "--limit", "-1"), "--limit"), (("lanch",), "lanch")])
def test_a_slip_in_the_command_itself_is_answered_in_a_sentence_as_any_other(run, words, about):
    said = run(*words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("campaigns: ")
    assert about in said.err


def test_a_command_that_needs_more_shows_its_help_and_nothing_else(run):
    said = run("holds")
    assert (said.code, "campaigns:" in said.err) == (2, False)
    assert "Usage: campaigns holds" in said.out + said.err
