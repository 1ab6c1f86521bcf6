"""With --json a command prints one JSON object on standard output, whatever happens, and nothing else there."""

import json

import pytest
import typer

from tests.cli.conftest import RENEWAL, SANDBOX
from worker.cli.errors import guarded
from worker.cli.output import AsJson


@pytest.fixture
def launched(desk, run):
    """A run of the example; nobody works on it."""
    assert run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv").code == 0
    return run("launch", RENEWAL, "--json", **SANDBOX).json["runId"]


def test_definitions_and_contacts(run):
    defined = {"campaign": 1, "disposition": 7, "workflow": 1}
    imported = run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv", "--json").json

    assert run("validate", RENEWAL, "--json").json == {"valid": True, "documents": defined}
    assert run("save", RENEWAL, "--json").json == {"saved": defined}
    assert imported["rows"] == imported["accepted"] + imported["rejected"] == 1000
    assert imported["rejects"] == "rejects.csv"
    assert run("migrate", "--json").json == {"migrated": True}


def test_the_life_of_a_run(run, launched):
    assert run("status", "last", "--json").json["status"] == "running"
    assert run("pause", "last", "--json").json == {"runId": launched, "status": "paused"}
    assert run("resume", launched, "--json").json == {"runId": launched, "status": "running"}
    assert run("cancel", launched, "--json").json == {"runId": launched, "status": "cancelled"}
    assert run("report", launched, "--json").json["status"] == "cancelled"


def test_a_watch_waits_for_the_end(run, launched):
    run("cancel", launched)

    assert run("status", "last", "--watch", "--json").json["status"] == "cancelled"


def test_a_run_that_is_not_in_a_state_for_it_is_exit_code_4(run, launched):
    run("cancel", launched)

    said = run("resume", launched, "--json")

    assert said.code == said.json["exitCode"] == 4
    assert "is cancelled and cannot become running" in said.json["error"]


@pytest.mark.parametrize(
    ("words", "env", "code"),
    [
        (["validate", "nowhere"], {}, 2),
        (["validate"], {}, 2),
        (["lunch"], {}, 2),
        (["launch", "nothing"], {}, 2),
        (["import", "nowhere.csv"], {}, 2),
        (["status", "run_x"], {}, 2),
        (["status", "last"], {"DATABASE_URL": "nonsense"}, 3),
        (["migrate"], {"DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, 3),
    ],
)
def test_errors_are_json_too(run, words, env, code):
    said = run(*words, "--json", **env)

    assert said.code == said.json["exitCode"] == code
    assert said.json["error"]
    assert said.err == ""


def test_every_fault_is_an_item_of_its_own(desk, run):
    folder = desk.renewal()
    text = (folder / "workflow.yaml").read_text()
    (folder / "workflow.yaml").write_text(text.replace("sendSms", "sendSmss").replace("onTimeout: c", "onTimeout: x"))

    details = run("validate", folder, "--json").json["details"]

    assert len(details) > 1
    assert all(detail.startswith(f"{folder}/workflow.yaml:") for detail in details)


def test_a_fault_of_ours_is_exit_code_1_with_its_traceback_on_standard_error(capfd):
    app = typer.Typer()

    @app.command()
    def broken(*, as_json: AsJson = False) -> None:
        raise ZeroDivisionError

    assert guarded(app, ["--json"]) == 1
    out, err = capfd.readouterr()
    assert "please report it" in json.loads(out)["error"]
    assert "ZeroDivisionError" in err


def test_what_is_logged_goes_to_standard_error(desk, run):
    run("import", RENEWAL / "contacts.csv", "--rejects", "rejects.csv")

    said = desk.process("launch", RENEWAL, "--json", **SANDBOX)

    assert said.json["runId"].startswith("run_")
    assert "broker away" in said.err
