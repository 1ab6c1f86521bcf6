"""`campaigns import-ncx`: what a person reads, what a program reads, and the exit codes."""

import json

import pytest

from tests.cli.conftest import ROOT

EXPORTS = ROOT / "tests" / "ncx"
RUNS = [EXPORTS / f"{name}.json" for name in ("campaign", "workflows", "functions", "dispositions")]
SERVICE_LINE = EXPORTS / "service_line.json"


def test_what_goes_in_is_listed_with_what_was_made_of_it(run):
    said = run("import-ncx", *RUNS)

    assert (said.code, said.err) == (0, "")
    assert 'campaign 64b0f1a2c3d4e5f6a7b80001 "Renewal Q4": created\n' in said.out
    assert "  adjusted: smsFromAddress (written with its country code), maxAttempts (the text is read" in said.out
    assert "  kept as it came, without effect here (77): abandonAction, " in said.out
    assert 'function 64b0f1a2c3d4e5f6a7b80020 "Remind by text": taken in\n' in said.out
    assert said.out.endswith("created: 1 campaign, 2 workflows, 4 dispositions; taken in: 2 functions\n")


def test_what_is_left_out_has_its_reasons_and_makes_the_exit_code_2(desk, run):
    said = run("import-ncx", *RUNS, SERVICE_LINE)

    assert said.code == 2
    assert 'workflow 64b0f1a2c3d4e5f6a7b80011 "Service line": left out\n' in said.out
    assert "  states.start-state.actions.0.type: playprompt cannot run here (it belongs inside a call" in said.out
    assert said.out.endswith("left out: 1 campaign, 1 workflow\n")
    assert "Renewal Q4" in desk.contents()


def test_the_json_has_every_key_of_every_document(run):
    said = run("import-ncx", *RUNS, SERVICE_LINE, "--json")

    report = said.json
    assert (said.code, said.err, report["complete"], report["dryRun"]) == (2, "", False, False)
    assert report["counts"]["left out"] == {"campaign": 1, "workflow": 1}
    campaign = report["documents"][0]
    assert (campaign["type"], campaign["fate"], campaign["at"]) == ("campaign", "created", [])
    keys = [key for group in ("mapped", "kept", "unset", "replaced") for key in campaign[group]]
    assert sorted(keys) == sorted(json.loads(RUNS[0].read_text()))
    assert len(keys) == 113
    [left_out] = [one for one in report["documents"] if one["id"] == "64b0f1a2c3d4e5f6a7b80011"]
    assert left_out["file"] == str(SERVICE_LINE)
    assert left_out["at"] == ["workflow"]
    assert left_out["faults"][0]["path"] == ["states", "start-state", "actions", 0, "type"]


def test_a_dry_run_saves_nothing(desk, run):
    before = desk.contents()

    said = run("import-ncx", *RUNS, "--dry-run")

    assert said.code == 0
    assert "\ndry run, nothing was saved; created: 1 campaign" in said.out
    assert desk.contents() == before


def test_the_same_import_again_says_so(desk, run):
    run("import-ncx", *RUNS)
    before = desk.contents()

    said = run("import-ncx", *RUNS)

    assert said.out.endswith("unchanged: 1 campaign, 2 workflows, 4 dispositions; taken in: 2 functions\n")
    assert desk.contents() == before


def test_a_name_cannot_move_the_cursor(desk, run):
    disposition = {"_id": "d1", "objectType": "disposition", "name": "\x1b[2J\nDone", "resolved": True}

    said = run("import-ncx", desk.write("d.json", json.dumps(disposition)))

    assert said.code == 0
    assert "\x1b" not in said.out


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_file_that_cannot_be_read_stops_the_import(desk, run, more):
    before = desk.contents()
    broken = desk.write("broken.json", "<html>")

    said = run("import-ncx", *RUNS, broken, *more)

    assert said.code == 2
    told = said.json["error"] if more else said.err
    assert "1 fault, nothing was changed:" in told
    assert f"{broken}: is a web page or XML, not JSON" in told
    assert desk.contents() == before


def test_what_the_commands_show_of_it_afterwards_is_the_campaign(run):
    run("import-ncx", *RUNS)

    assert run("launch", "Renewal Q4", "--json").code == 2, "no list yet"
    assert "name the contact list" in run("launch", "64b0f1a2c3d4e5f6a7b80001").err
