"""`campaigns audience` as an operator meets it: counts that add up, ten people, no address unless it is asked for."""

import re

import pytest

from tests.cli.conftest import RENEWAL, SANDBOX

ADDRESS = re.compile(r"\+\d{7,}|\w+@example")


@pytest.fixture
def imported(run):
    """The example's people are on a list."""
    assert run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv").code == 0


@pytest.mark.usefixtures("imported")
def test_a_preview_tells_who_is_reached_and_shows_ten_people(run):
    said = run("audience", RENEWAL, "--list", "renewal", "--preview", **SANDBOX)
    assert said.code == 0, said.err
    assert said.out.startswith("965 people of 965")
    for part in ("by channel", "by country", "by time zone", "Reply STOP to opt out", "{{ vars.subject }}"):
        assert part in said.out
    assert said.out.count("  call: voice to") == 10
    assert not ADDRESS.search(said.out)
    assert ADDRESS.search(run("audience", RENEWAL, "--list", "renewal", "--preview", "--show-addresses").out)


@pytest.mark.usefixtures("imported")
def test_as_json_the_counts_add_up(run):
    words = ("--segment", "plan:Business", "--exclude-segment", "country:DE", "--json")
    shown = run("audience", RENEWAL, *words, **SANDBOX).json
    left_out = sum(each["people"] for each in shown["excluded"])
    assert shown["total"] + shown["outsideSegment"] + left_out == shown["candidates"] == 965
    assert sum(shown["countries"].values()) == shown["total"] > 0
    assert "DE" not in shown["countries"]
    assert shown["sample"] == []


@pytest.mark.usefixtures("imported")
def test_what_would_be_refused_is_said(run):
    said = run("audience", RENEWAL, "--list", "renewal", "--largest", "100", **SANDBOX)
    assert (said.code, "would be refused: 965 people belong" in said.out) == (0, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--list", "nobody"], "there is no contact list 'nobody'"),
        (["--segment", "plan:(gold"], "character 11"),
        (["--segment", "gold"], "there is no segment 'gold'"),
        (["--not-contacted-within", "soon"], "--not-contacted-within"),
    ],
)
def test_names_that_lead_nowhere_are_wrong_input(run, words, sentence):
    said = run("audience", RENEWAL, *words, **SANDBOX)
    assert (said.code, sentence in said.err) == (2, True)


def test_a_token_that_may_not_read_people_sees_none(run):
    made = run("tokens", "create", "--user", "usr_ann", "--scope", "campaigns:read", "--json").json
    said = run("audience", RENEWAL, CAMPAIGNS_TOKEN=made["token"], **SANDBOX)
    assert (said.code, "contacts:read" in said.err) == (2, True)
