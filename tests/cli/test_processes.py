"""The Procfile, docker-compose.yml and `campaigns up` start the same programs on the same queues."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from worker.runtime.stack import COMMANDS, WORKERS
from worker.tasks.app import app
from worker.tasks.queues import Queue

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]


def test_the_procfile_has_every_program_and_no_other():
    lines = (line.partition(": ") for line in (ROOT / "Procfile").read_text().splitlines())

    assert {name: command for name, _, command in lines} == dict(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_compose_runs_the_same_command(compose, name):
    command = shlex.split(compose[name]["command"])

    assert command[: len(shlex.split(COMMANDS[name]))] == shlex.split(COMMANDS[name])


def test_every_queue_is_read_by_exactly_one_kind_of_worker():
    read = [queue for name in WORKERS for queue in COMMANDS[name].split(" -Q ")[1].split()[0].split(",")]

    assert sorted(read) == sorted(queue.value for queue in Queue)


def test_every_task_goes_to_a_queue_that_exists():
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]

    assert ours
    named_by_others = {"campaigns.trigger"}  # its senders name the queue
    assert {name.partition(".")[0] for name in set(ours) - named_by_others} <= {queue.value for queue in Queue}


def test_compose_waits_for_the_migration_before_it_starts_anything(compose):
    for name in COMMANDS:
        assert compose[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
