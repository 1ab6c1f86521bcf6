"""The designs, started as processes and given the same job, one of `jobs.py`."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jobs
import sqlalchemy

from worker.runtime.bootstrap import Runtime
from worker.runtime.import_file import import_file
from worker.runtime.launch import launch
from worker.runtime.preflight import Launch
from worker.runtime.saving import save_definitions
from worker.runtime.settings import load_settings
from worker.runtime.stack import WORKERS, program
from worker.runtime.supervisor import Program, Supervisor
from worker.store.facade import Store

HERE = Path(__file__).parent
ACCOUNT_SID = "AC" + "5b" * 16


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a design runs: the supervisor of its processes and what it connects to."""

    supervisor: Supervisor
    data_dir: Path
    redis_url: str
    database_url: str
    stub_url: str
    profile: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    """What is worth knowing besides the measurement."""


class Design(Protocol):
    """One way to do the job."""

    programs: tuple[str, ...]
    """The names, under the supervisor, of the processes whose CPU counts."""

    def start(self, contacts: int, warm_up: int) -> None:
        """Start the processes and bring in the people: `warm_up` of them for a first run that is not counted."""

    def launch(self, label: str) -> float:
        """Launch the job over `warm-up` or `measured`. Returns the CPU seconds that took in other processes."""

    def recorded(self) -> int:
        """Messages the design has recorded as sent, of all launches."""

    def close(self) -> None:
        """Release what this process holds."""


def phone(number: int) -> str:
    """A number of the fictional range that no two people share."""
    return f"+1202{5_000_000 + number}"


class Naive:
    """`naive.py`: one Celery task per message."""

    programs = ("naive",)

    def __init__(self, place: Place) -> None:
        self._place = place
        self._audience: dict[str, tuple[int, int]] = {}
        self._env = {
            "NAIVE_REDIS_URL": place.redis_url,
            "NAIVE_DATABASE_URL": place.database_url,
            "NAIVE_STUB_URL": place.stub_url,
            "PYTHONPATH": str(HERE),
        }
        self._engine = sqlalchemy.create_engine(_with_driver(place.database_url))

    def start(self, contacts: int, warm_up: int) -> None:
        self._audience = {"warm-up": (0, warm_up), "measured": (warm_up, contacts)}
        self._python("naive.prepare()")
        command = (sys.executable, "-m", "celery", "-A", "naive", "worker", "-c", "2", "-l", "warning")
        self._place.supervisor.start(Program(name="naive", command=command, env=self._env))

    def launch(self, label: str) -> float:
        first, count = self._audience[label]
        return float(json.loads(self._python(f"naive.launch({count}, {label!r}, {first})"))["cpu"])

    def recorded(self) -> int:
        return _count(self._engine, "SELECT count(*) FROM naive_sent")

    def close(self) -> None:
        self._engine.dispose()

    def _python(self, call: str) -> str:
        words = (sys.executable, "-c", f"import naive; {call}")
        return subprocess.run(words, env=os.environ | self._env, check=True, capture_output=True, text=True).stdout


class Ours:
    """The product: its workers and beat."""

    programs = (*WORKERS, "beat")
    application = "worker.tasks.app"
    guarded = True

    def __init__(self, place: Place) -> None:
        self._place = place
        os.environ |= _settings(place)
        from worker.tasks.process import send_hint  # noqa: PLC0415 - the Celery application reads REDIS_URL on import

        settings = load_settings()
        self._rt = Runtime(settings, Store(settings.database_url), send_hint)
        self._engine = sqlalchemy.create_engine(_with_driver(place.database_url))

    def start(self, contacts: int, warm_up: int) -> None:
        self._rt.store.migrate()
        save_definitions(self._rt, [jobs.FILE])
        for label, first, count in (("warm-up", 0, warm_up), ("measured", warm_up, contacts)):
            file = _write_contacts(self._place.data_dir / f"{label}.csv", first, count)
            begun = time.perf_counter()
            imported = import_file(
                self._rt, file, list_name=label, region="US", rejects=file.with_suffix(".rejects.csv")
            )
            assert imported.accepted == count, imported.sentence()
        self._place.facts["contacts_imported_per_second"] = round(contacts / (time.perf_counter() - begun))
        for name in self.programs:
            self._place.supervisor.start(self._program(name))

    def launch(self, label: str) -> float:
        tenant = self._rt.settings.tenant_id
        if label == "measured":  # by then every worker has opened the database
            assert self._refuses_a_second_send() is self.guarded, "these workers are not those that are to be measured"
        begun = time.process_time()
        launch(self._rt, Launch(tenant_id=tenant, campaign="benchmark", contact_list=label))
        return time.process_time() - begun

    def recorded(self) -> int:
        return _count(self._engine, "SELECT count(*) FROM attempts WHERE provider_ref <> ''")

    def close(self) -> None:
        self._engine.dispose()
        self._rt.close()

    def _program(self, name: str) -> Program:
        profiled = self._place.profile and name != "beat"
        application = "profiled" if profiled else self.application
        words = tuple(application if word == Ours.application else word for word in program(name).command)
        env = {"PYTHONPATH": str(HERE), "PROFILE_FILE": str(self._place.data_dir / f"profile-{name}")}
        return Program(name=name, command=words, env={**env, "PROFILED": self.application} if profiled else {})

    def _refuses_a_second_send(self) -> bool:
        """Whether the database guards a message against a second live attempt, as it stands."""
        indexes = sqlalchemy.inspect(self._engine).get_indexes("attempts")
        return "uq_attempts_live" in {index["name"] for index in indexes}


class Unguarded(Ours):
    """The product without intent and without fencing."""

    application = "tests.unguarded.no_guarantee_app"
    guarded = False


def _settings(place: Place) -> Mapping[str, str]:
    """The product's defaults, but for: no pacing, and nobody asks the stub about receipts, which it never sends."""
    return {
        "DATABASE_URL": place.database_url,
        "REDIS_URL": place.redis_url,
        "DATA_DIR": str(place.data_dir),
        "PUBLIC_URL": "http://127.0.0.1:9",
        "TWILIO_BASE_URL": place.stub_url,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": "token",
        "SENDGRID_BASE_URL": place.stub_url,
        "SENDGRID_API_KEY": "SG.stub",
        "SMS_PER_SECOND": "1000000",
        "EMAIL_PER_SECOND": "1000000",
        "CALLS_PER_SECOND": "1000000",
        "QUIET_SECONDS": "86400",
        "OUTCOME_DEADLINE_SECONDS": "86400",
        "LOG_LEVEL": "WARNING",
    }


def _write_contacts(path: Path, first: int, count: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("firstName", "phone", "email"))
        people = range(first, first + count)
        writer.writerows((f"Contact {n}", phone(n), f"contact{n}@example.com") for n in people)
    return path


def _with_driver(url: str) -> sqlalchemy.URL:
    parsed = sqlalchemy.make_url(url)
    return parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg")


def _count(engine: sqlalchemy.Engine, query: str) -> int:
    with engine.connect() as conn:
        return int(conn.execute(sqlalchemy.text(query)).scalar_one())
