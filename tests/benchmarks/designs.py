"""The designs, started as processes and given the same job, one of `jobs.py`."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import jobs
import sqlalchemy
from floor_store import open_store
from stub import ACCOUNT_SID

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
DEFAULT_WORKERS = 2
"""What the product starts for texts."""
_SCALED = {"sms", "email", "control"}
"""The programs of ours whose processes WORKERS counts."""
_FLOOR_CONNECTIONS, _FLOOR_CONNECTIONS_LATE = 64, 1000
"""More at once cost more than they bring, unless the provider takes its time: then a whole batch is under way."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a design runs: the supervisor of its processes and what it connects to."""

    supervisor: Supervisor
    data_dir: Path
    redis_url: str
    database_url: str
    stub_url: str
    workers: int | None = None
    """Pool processes of each program that sends or steps; None: the product's default."""
    latency_seconds: float = 0.0
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
        words = f"-m celery -A naive worker -c {_workers(self._place)} -l warning"
        command = (sys.executable, *words.split())
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


class Floor:
    """`floor.py`: a loop of its own in each process."""

    def __init__(self, place: Place, kind: str) -> None:
        self._place, self._kind = place, kind
        self._store = open_store(place.database_url)
        self.programs = tuple(f"{kind}-{number + 1}" for number in range(int(_workers(place))))

    def start(self, contacts: int, warm_up: int) -> None:
        labels = ("warm-up" if number < warm_up else "measured" for number in range(warm_up + contacts))
        self._store.prepare((label, *jobs.person(number)) for number, label in enumerate(labels))
        connections = _FLOOR_CONNECTIONS_LATE if self._place.latency_seconds else _FLOOR_CONNECTIONS
        env = {
            "FLOOR_DATABASE_URL": self._place.database_url,
            "FLOOR_STUB_URL": self._place.stub_url,
            "FLOOR_CONNECTIONS": str(connections),
        }
        for name in self.programs:
            command = (sys.executable, str(HERE / "floor.py"), self._kind)
            self._place.supervisor.start(Program(name=name, command=command, env=env))

    def launch(self, label: str) -> float:
        begun = time.process_time()
        self._store.launch(label)
        return time.process_time() - begun

    def recorded(self) -> int:
        return self._store.accepted()

    def close(self) -> None:
        self._store.close()


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
        own = program(name, f"-c {self._place.workers}" if self._place.workers and name in _SCALED else "")
        words = tuple(application if word == Ours.application else word for word in own.command)
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


DESIGNS: Mapping[str, Callable[[Place], Design]] = {
    "naive": Naive,
    "raw": partial(Floor, kind="raw"),
    "sdk": partial(Floor, kind="sdk"),
    "ours": Ours,
    "unguarded": Unguarded,
}
"""By the names DESIGNS may have."""


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
        writer.writerows(jobs.person(number) for number in range(first, first + count))
    return path


def _workers(place: Place) -> str:
    return str(place.workers or DEFAULT_WORKERS)


def _with_driver(url: str) -> sqlalchemy.URL:
    parsed = sqlalchemy.make_url(url)
    return parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg")


def _count(engine: sqlalchemy.Engine, query: str) -> int:
    with engine.connect() as conn:
        return int(conn.execute(sqlalchemy.text(query)).scalar_one())
