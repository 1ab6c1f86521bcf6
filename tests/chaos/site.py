"""The machine of a chaos run: PostgreSQL, Redis, the provider, and the product's processes under its own supervisor.

1. The product runs as it ships, but for settings: time-outs and leases are short, so that minutes hold many of them.
2. What we take away on purpose is kept from the supervisor until it is due again; what ends by itself is a fault of the
   product and ends the run.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psutil
import sqlalchemy

from tests.chaos.schedule import WORKERS
from tests.chaos.services import answers, start_postgres, start_provider, start_redis
from worker.runtime.machine import free_port
from worker.runtime.stack import program
from worker.runtime.supervisor import Program, Supervisor, wait_until

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent

HTTP_SECONDS: Final = 3.0
LEASE_SECONDS: Final = 12.0
QUIET_SECONDS: Final = 5.0
SECOND_LOOK_SECONDS: Final = 5.0
FREEZE_SECONDS: Final = LEASE_SECONDS + QUIET_SECONDS + SECOND_LOOK_SECONDS + 3
"""Long enough that everything a frozen worker held has been given up and, wrongly or rightly, sent by another."""

SETTINGS: Final = {
    "HTTP_TIMEOUT_SECONDS": f"{HTTP_SECONDS:g}",
    "HTTP_CONNECT_TIMEOUT_SECONDS": "1",
    "LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "INBOX_LEASE_SECONDS": "5",
    "QUIET_SECONDS": f"{QUIET_SECONDS:g}",
    "SECOND_LOOK_SECONDS": f"{SECOND_LOOK_SECONDS:g}",
    "OUTCOME_DEADLINE_SECONDS": "15",
    "SLICE_SIZE": "25",
    # SendGrid cannot be asked: a worker killed between intent and request leaves its whole slice to a person.
    "EMAIL_SLICE_SIZE": "6",
    "EMAIL_PER_SECOND": "200",
    "CALLS_PER_SECOND": "60",
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to build. `database`: postgres or sqlite. `sms_per_second`: for each sender."""

    folder: Path
    database: str
    sms_per_second: float


@dataclass(kw_only=True)
class Site:
    """The running machine. Use `open_site`; call `tend` often, and always from the thread that opened it."""

    folder: Path
    supervisor: Supervisor
    env: dict[str, str]
    provider_url: str
    redis_port: int
    database_url: str
    _absent: dict[str, float] = field(default_factory=dict)
    _gone: dict[str, Program] = field(default_factory=dict)
    returned: Callable[[str], None] = lambda _: None
    """Told the name of a program that was started again after we took it away."""

    @property
    def web_url(self) -> str:
        return self.env["PUBLIC_URL"]

    @property
    def ledger(self) -> Path:
        return self.folder / "sandbox" / "ledger.jsonl"

    def campaigns(self, *words: str, seconds: float = 120) -> tuple[int, dict[str, Any]]:
        """Run a command with --json: exit code and answer."""
        done = subprocess.run(
            [BIN / "campaigns", *words, "--json"],
            env=os.environ | self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        try:
            answer = json.loads(done.stdout)
        except json.JSONDecodeError:
            answer = {"error": (done.stdout + done.stderr)[-2000:]}
        return done.returncode, answer

    def must(self, *words: str) -> dict[str, Any]:
        """The same, where nothing may go wrong."""
        code, answer = self.campaigns(*words)
        assert code == 0, f"campaigns {words[0]}: {answer}"
        return answer

    def pid(self, name: str) -> int | None:
        """The leader of a program, None while it is away."""
        running = self.supervisor.running.get(name)
        return running.process.pid if running is not None and running.process.poll() is None else None

    def children(self, name: str) -> list[int]:
        """The processes a program has started."""
        pid = self.pid(name)
        try:
            return [child.pid for child in psutil.Process(pid).children(recursive=True)] if pid else []
        except psutil.NoSuchProcess:
            return []

    def signal_all(self, name: str, number: int) -> None:
        """Signal a program and all it has started. PostgreSQL's processes are in sessions of their own."""
        for pid in [self.pid(name), *self.children(name)]:
            if pid is not None:
                send(pid, number)

    def take_away(self, name: str, number: int, seconds: float = 0.0) -> None:
        """End a program with this signal, and start it again when it has ended and so many seconds have gone."""
        self._absent[name] = time.monotonic() + seconds
        if (pid := self.pid(name)) is not None:
            send(pid, number)

    def tend(self) -> None:
        """Start what is due to come back, and what was killed."""
        for name, back_at in list(self._absent.items()):
            running = self.supervisor.running.get(name)
            if running is not None and running.process.poll() is not None:
                running.signal_group(signal.SIGKILL)
                self._gone[name] = self.supervisor.running.pop(name).program
            if name in self._gone and time.monotonic() >= back_at:
                self.supervisor.start(self._gone.pop(name))
                del self._absent[name]
                self.returned(name)
        self.supervisor.watch()

    @property
    def complete(self) -> bool:
        """Whether nothing is away."""
        return not self._absent


def send(pid: int, number: int) -> None:
    """Signal a process that may just have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def open_site(plan: Plan) -> Iterator[Site]:
    """Start everything but workers and beat (`start_workers`), migrated; stop everything at the end."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    with Supervisor(plan.folder) as supervisor:
        sqlite = f"sqlite:///{(plan.folder / 'campaigns.db').resolve()}"
        database_url = sqlite if plan.database == "sqlite" else start_postgres(supervisor)
        redis_port, web_port, provider_port = free_port(), free_port(), free_port()
        start_redis(supervisor, plan.folder, redis_port)
        env = {
            **SETTINGS,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "DATA_DIR": str(plan.folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "PUBLIC_URL": f"http://127.0.0.1:{web_port}",
            "WEB_PORT": str(web_port),
            "SMS_PER_SECOND": f"{plan.sms_per_second:g}",
        }
        env |= start_provider(supervisor, plan.folder / "sandbox", provider_port, env["PUBLIC_URL"])
        supervisor.env |= env
        site = Site(
            folder=plan.folder,
            supervisor=supervisor,
            env=env,
            provider_url=env["TWILIO_BASE_URL"],
            redis_port=redis_port,
            database_url=database_url,
        )
        site.must("migrate")
        supervisor.start(program("web"))
        wait_until(lambda: answers(web_port, "/health"), seconds=30, what="web to answer")
        yield site
        for name in (*WORKERS, "beat", "web"):
            site.signal_all(name, signal.SIGKILL)  # all is over and written down; an orderly end would take seconds


def start_workers(site: Site, app: str) -> None:
    """Start the workers and beat on this Celery application."""
    for name in WORKERS:
        site.supervisor.start(_on_app(_worker(name), app))
    site.supervisor.start(_on_app(program("beat"), app))


def _worker(name: str) -> Program:
    """A worker as the product starts it; the second of its kind under a node name of its own."""
    first = name.removesuffix("2")
    plain = program(first)
    words = tuple(f"{name}@%h" if word == f"{first}@%h" else word for word in plain.command)
    return replace(plain, name=name, command=words)


def _on_app(plain: Program, app: str) -> Program:
    words = tuple(app if word == "worker.tasks.app" else word for word in plain.command)
    return replace(plain, command=words, env={"PYTHONPATH": str(ROOT)})


def engine_of(site: Site) -> sqlalchemy.Engine:
    """Our own look at the database, for what only it knows: who is held, cancelled or opted out."""
    url = sqlalchemy.make_url(site.database_url)
    driver = "sqlite+pysqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
    return sqlalchemy.create_engine(url.set(drivername=driver))
