"""Commands ask for scopes: whoever sits at the machine has them all, a token only its own."""

import pytest

from tests.cli.conftest import RENEWAL, SANDBOX
from worker.cli.commands import COMMANDS
from worker.schema.types import SCOPES

WORDS = {
    "import": ("import", RENEWAL / "contacts.csv", "--rejects", "rejects.csv"),
    "launch": ("launch", "Renewal Q4"),
    "status": ("status", "last"),
    "report": ("report", "last"),
    "log": ("log", "last"),
    "start": ("start", "last"),
    "close": ("close", "last"),
    "audience": ("audience", "renewal-q4"),
    "pause": ("pause", "last"),
    "resume": ("resume", "last"),
    "cancel": ("cancel", "last"),
    "archive": ("archive", "last"),
    "schedule preview": ("schedule", "preview", "renewal-q4"),
    "holds list": ("holds", "list"),
    "holds settle": ("holds", "settle", "01ABC", "drop"),
    "events list": ("events", "list"),
    "events show": ("events", "show", "k1"),
    "events replay": ("events", "replay", "k1"),
    "tokens create": ("tokens", "create", "--user", "usr_1", "--scope", "campaigns:read"),
    "tokens list": ("tokens", "list"),
    "tokens revoke": ("tokens", "revoke", "01abc"),
}
"""What to type for each command that states scopes."""


def make_token(run, *scopes, user="usr_ann"):
    words = [word for scope in scopes for word in ("--scope", scope)]
    return run("tokens", "create", "--user", user, *words, "--json").json["token"]


@pytest.fixture
def all_but(run):
    """Makes a token with every scope but these."""

    def made(*scopes):
        return make_token(run, *(word for word in map(str, SCOPES) if word not in scopes))

    return made


def test_every_command_that_states_scopes_is_refused_to_a_token_without_them(run, desk, all_but):
    stated = {row.words: row.access for row in COMMANDS if row.access}
    assert stated.keys() == WORDS.keys()
    assert {scope for needed in stated.values() for scope in needed} <= set(map(str, SCOPES))
    tokens = {scope: all_but(scope) for scope in {scope for needed in stated.values() for scope in needed}}
    before = desk.contents()

    for name, needed in stated.items():
        for scope in needed:
            said = run(*WORDS[name], CAMPAIGNS_TOKEN=tokens[scope])
            assert (name, said.code, scope in said.err) == (name, 2, True)

    assert desk.contents() == before


def test_saving_and_looking_back_ask_for_the_scope_of_each_type(run, all_but):
    without = all_but("workflows:write", "campaigns:read")

    assert "workflows:write" in run("save", RENEWAL, CAMPAIGNS_TOKEN=without).err
    assert "campaigns:read" in run("history", "campaign", "x", CAMPAIGNS_TOKEN=without).err


def test_a_launch_saves_nothing_that_its_token_may_not_write(run, desk):
    run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv")
    launcher = make_token(run, "campaigns:admin")
    before = desk.contents()

    said = run("launch", RENEWAL, "--list", "renewal", CAMPAIGNS_TOKEN=launcher, **SANDBOX)

    assert (said.code, ":write" in said.err) == (2, True)
    assert desk.contents() == before


def test_what_is_launched_from_a_file_has_an_author(run, all_but):
    run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv")

    assert run("launch", RENEWAL, "--list", "renewal", CAMPAIGNS_TOKEN=all_but(), **SANDBOX).code == 0
    [created] = run("history", "campaign", "renewal-q4", "--json").json["history"]
    assert created["by"] == "usr_ann"


def test_what_a_token_does_is_done_in_the_name_of_its_user(run, all_but):
    run("save", RENEWAL, CAMPAIGNS_TOKEN=all_but())
    campaign_id = "renewal-q4"

    [created] = run("history", "campaign", campaign_id, "--json").json["history"]
    text = run("history", "campaign", campaign_id).out

    assert (created["action"], created["by"]) == ("created", "usr_ann")
    assert "created by usr_ann" in text
    assert 'name: "Renewal Q4"' in text


def test_a_token_is_shown_once_and_ends_when_it_is_revoked(run, desk):
    token = make_token(run, "campaigns:read")
    [listed] = run("tokens", "list", "--json").json["tokens"]

    assert token.split("_", 2)[2] not in desk.contents() + run("tokens", "list").out
    assert run("holds", "list", CAMPAIGNS_TOKEN=token).code == 0
    assert run("tokens", "revoke", listed["tokenId"]).code == 0
    assert run("holds", "list", CAMPAIGNS_TOKEN=token).code == 2
    assert "revoked" in run("tokens", "list").out


def test_nobody_gives_what_they_do_not_hold(run):
    token = make_token(run, "users:admin", "campaigns:read")

    refused = run("tokens", "create", "--user", "x", "--scope", "campaigns:admin", CAMPAIGNS_TOKEN=token)
    given = run("tokens", "create", "--user", "x", "--scope", "all", "--json", CAMPAIGNS_TOKEN=token)

    assert (refused.code, "campaigns:admin" in refused.err) == (2, True)
    assert given.json["scopes"] == ["campaigns:read", "users:admin"]


def test_a_scope_that_does_not_exist_names_those_that_do(run):
    said = run("tokens", "create", "--user", "x", "--scope", "campaign:read")

    assert (said.code, "campaigns:read" in said.err) == (2, True)
