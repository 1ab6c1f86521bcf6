"""Held messages on the command line: what a person sees, and what they decide."""

import json
from datetime import timedelta

import pytest

from channels.messages import ChannelKind
from channels.results import Reason
from tests.cli.conftest import RENEWAL, SANDBOX
from worker.domain.attempt import WORKER_DIED, AttemptStatus, Finding, MessageStatus, Settlement, Shown
from worker.runtime.advance import advance
from worker.runtime.bootstrap import Runtime
from worker.runtime.settings import Settings
from worker.store.facade import Store

REFS = tuple(f"SM{number:032x}" for number in range(2))


@pytest.fixture
def launched(desk, run):
    """A run of the example, nobody enrolled yet."""
    assert run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv").code == 0
    return run("launch", RENEWAL, "--json", **SANDBOX).json["runId"]


@pytest.fixture
def held(desk, launched):
    """Two texts of the run that nobody knows the fate of; the ids of their attempts."""
    url = desk.env["DATABASE_URL"]
    rt = Runtime(Settings(_env_file=None, database_url=url, data_dir=desk.folder), Store(url), lambda _: None)
    tenant, store = rt.settings.tenant_id, rt.store
    rules, claimed = rt.definition(tenant, launched), []
    while len(claimed) < 2:  # not everybody has a number
        store.enroll_chunk(tenant, launched, 1, rt.now())
        advance(rt, tenant, launched)
        limits = {"limit": 1, "lease": rt.settings.lease, "now": rt.now()}
        found = store.claim_messages(tenant, launched, ChannelKind.SMS, provider="twilio-sms", rules=rules, **limits)
        claimed += found.attempts
    at = claimed[0].dispatched_at
    whys = [
        (Reason.TIMEOUT, "", Finding(shown=Shown.RECORDS, asked=3, at=at + timedelta(minutes=9), refs=REFS)),
        (Reason.NONE, WORKER_DIED, Finding(shown=Shown.CANNOT_SAY, asked=1, at=at + timedelta(minutes=2))),
    ]
    news = [
        Settlement(
            facts=facts,
            attempt_status=AttemptStatus.UNKNOWN,
            message_status=MessageStatus.HELD,
            due_at=at + timedelta(hours=1),
            reason=reason,
            code=code,
            finding=finding,
        )
        for facts, (reason, code, finding) in zip(claimed, whys, strict=True)
    ]
    assert len(store.settle(news, rt.now()).applied) == 2
    rt.close()
    return [facts.attempt_id for facts in claimed]


def test_all_that_is_known_is_in_the_json_and_nobody_is_named(run, launched, held):
    listed = run("holds", "list", launched, "--json").json["held"]

    first = next(one for one in listed if one["attemptId"] == held[0])
    assert {one["attemptId"] for one in listed} == set(held)
    assert first["to"].startswith("+***")
    assert (first["runId"], first["campaignId"], first["channel"]) == (launched, "renewal-q4", "sms")
    assert (first["reason"], first["code"], first["provider"]) == ("timeout", "", "twilio-sms")
    assert (first["asked"], first["shown"], first["records"]) == (3, "records", list(REFS))
    assert first["sentAt"] < first["askedAt"] < first["nextLookAt"]
    assert (first["number"], first["receiptRank"]) == (1, 0)
    assert first["contactId"]
    assert first["message"]


def test_people_read_why_nobody_knows_and_what_to_do(run, held):
    said = run("holds", "list")

    assert said.code == 0
    assert "why nobody knows: timeout" in said.out
    assert "why nobody knows: its worker died" in said.out
    assert "was asked 3 times, last 20" in said.out
    assert f"records of which one may be it: {', '.join(REFS)}" in said.out
    assert "it cannot say" in said.out
    assert said.out.endswith("then: campaigns holds settle ATTEMPT sent|resend|drop\n")


def test_without_a_run_those_of_all_runs_are_listed(run, launched, held):
    everywhere = run("holds", "list", "--json").json

    assert everywhere == run("holds", "list", "last", "--json").json
    assert run("launch", RENEWAL, "--again", "--json", **SANDBOX).code == 0
    assert run("holds", "list", "last", "--json").json == {"held": []}
    assert run("holds", "list", "--json").json == everywhere
    assert run("holds", "list", "last").out == "nothing is held\n"


@pytest.mark.parametrize(("says", "status"), [("sent", "accepted"), ("resend", "queued"), ("drop", "settled")])
def test_what_a_person_says_is_done_once(run, launched, held, says, status):
    decided = run("holds", "settle", held[0], says, "--json")
    again = run("holds", "settle", held[0], "drop", "--json")

    assert (decided.code, decided.json) == (0, {"attemptId": held[0], "settled": says})
    assert (again.code, again.json["exitCode"]) == (4, 4)
    assert "its fate is known" in again.json["error"]
    assert [one["attemptId"] for one in run("holds", "list", "--json").json["held"]] == [held[1]]
    assert run("status", launched, "--json").json["messages"]["byStatus"]["sms"][status] == 1


@pytest.mark.parametrize(
    "words", [("settle", "a_1", "drop"), ("settle", "a_1", "perhaps"), ("list", "run_x"), ("lists",)]
)
def test_wrong_input_is_exit_code_2_and_changes_nothing(desk, run, words):
    before = desk.contents()

    said = run("holds", *words, "--json")

    assert (said.code, said.json["exitCode"]) == (2, 2)
    assert desk.contents() == before


def test_the_status_says_how_many_are_held_and_where_to_look(run, launched, held):
    page, counts = run("status", launched).out, json.loads(run("report", launched, "--json").out)["messages"]

    assert f"2 held: campaigns holds list {launched}" in page
    assert (counts["held"], counts["unknown"]) == (2, 2)
