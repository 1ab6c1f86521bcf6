"""A command imports what it needs and nothing else; a process that nobody has timed says so by what it has loaded."""

import inspect
import json
import subprocess
import sys
from importlib import import_module

import pytest

from tests.cli.conftest import RENEWAL, SANDBOX
from worker.cli.commands import COMMANDS, GROUPS

_SAYS_WHAT_IT_LOADED = """
import atexit, gc, json, sys
atexit.register(lambda: print("\\n" + json.dumps([*sys.modules, f"frozen: {gc.get_freeze_count()}"]), file=sys.stderr))
"""
_COMMAND = _SAYS_WHAT_IT_LOADED + "from worker.cli.main import main; main()"
_WORKER = (
    _SAYS_WHAT_IT_LOADED
    + """
from celery.signals import worker_before_create_process
from worker.tasks.app import app
app.loader.import_default_modules()
worker_before_create_process.send(None)
"""
)


@pytest.fixture
def loaded(desk):
    """Runs a program with these words in a process of its own: what that process has imported."""

    def run(program, *words, **env):
        command = [sys.executable, "-c", program, *map(str, words)]
        place = {"cwd": desk.folder, "env": desk.env | env}
        done = subprocess.run(command, **place, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return set(json.loads(done.stderr.splitlines()[-1]))

    return run


def function_of(row):
    module, _, function = row.place.partition(".")
    return getattr(import_module(f"worker.cli.{module}"), function)


def test_help_loads_neither_the_database_nor_the_providers(loaded):
    found = loaded(_COMMAND, "--help")

    assert found.isdisjoint({"sqlalchemy", "pydantic", "celery", "twilio", "sendgrid", "aiohttp", "fastapi"})
    assert {name for name in found if name.startswith("worker.")} == {
        "worker.cli",
        *(f"worker.cli.{name}" for name in ("access", "commands", "errors", "main")),
    }


def test_what_asks_about_a_run_loads_neither_broker_nor_providers_nor_migrations(loaded):
    found = loaded(_COMMAND, "holds", "list")

    assert found.isdisjoint({"celery", "kombu", "redis", "twilio", "sendgrid", "aiohttp", "fastapi", "alembic"})


def test_a_launch_loads_what_it_checks_with_and_no_more(loaded, run):
    run("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv")

    found = loaded(_COMMAND, "launch", RENEWAL, "--list", "renewal", **SANDBOX)

    assert {"worker.runtime.launch", "twilio", "celery"} <= found
    assert found.isdisjoint({"pyarrow", "fastapi", "starlette", "alembic", "uvicorn", "psutil", "flower"})


def test_a_worker_loads_what_its_children_share_and_nothing_that_no_task_uses(loaded):
    found = loaded(_WORKER)

    assert {"twilio", "sendgrid", "sqlalchemy", "worker.runtime.dispatch"} <= found
    assert found.isdisjoint({"alembic", "fastapi", "starlette", "uvicorn", "typer", "pyarrow", "psutil", "worker.cli"})
    assert "frozen: 0" not in found


def test_the_table_says_of_each_command_what_the_command_says_of_itself():
    for row in COMMANDS:
        first, _, _ = (inspect.getdoc(function_of(row)) or "").partition("\n\n")
        assert row.line == first.replace("\n", " "), row.words


def test_every_command_of_a_module_stands_in_the_table():
    places = {row.place for row in COMMANDS}
    for name in {place.partition(".")[0] for place in places}:
        module = import_module(f"worker.cli.{name}")
        takes_options = {
            f"{name}.{made.__name__}"
            for made in vars(module).values()
            if inspect.isfunction(made) and made.__module__ == module.__name__ and is_command(made)
        }
        assert takes_options <= places


def is_command(made):
    """Whether Typer is told something of a parameter."""
    public = not made.__name__.startswith("_")
    return public and any(hasattr(kind, "__metadata__") for kind in inspect.get_annotations(made).values())


def test_every_group_has_a_line_and_commands():
    assert {row.words.rpartition(" ")[0] for row in COMMANDS} == {"", *GROUPS}
