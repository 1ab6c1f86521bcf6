"""One repetition: starts the services and one design, warms it up, measures one job, prints the figures as JSON.

Run by `run.py`: `python once.py DESIGN CONTACTS FOLDER`, with the settings DATABASE_URL, LATENCY_SECONDS, WORKERS,
PROFILE. The designs are the names of `DESIGNS`.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg
import redis
import sqlalchemy
from designs import DESIGNS, HERE, Design, Place
from jobs import MESSAGES, WAIT_SECONDS, number_of
from lateness import lateness
from measure import Meter
from server import postmaster
from waits import Waits

from worker.runtime.embedded import start_redis
from worker.runtime.supervisor import Program, Supervisor, wait_until

WARM_UP = 200
REST_SECONDS = 1.0
"""What the warm-up set in motion comes to rest before the measurement begins."""

SLOWEST = 50.0
"""Messages a second; below that a repetition is given up."""


class Stub:
    """The running stub, asked over one connection."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._connection = HTTPConnection(host, port, timeout=60)

    def ask(self, path: str) -> Any:
        self._connection.request("GET", path)
        return json.load(self._connection.getresponse())

    def answers(self) -> bool:
        try:
            return "accepted" in self.ask("/count")
        except ConnectionError:
            self._connection.close()
            return False


def repeat(name: str, contacts: int, data_dir: Path) -> dict[str, Any]:
    """The figures of one repetition."""
    with ExitStack() as stack:
        supervisor = stack.enter_context(Supervisor(data_dir))
        port = _free_port()
        latency = float(os.environ.get("LATENCY_SECONDS") or 0)
        words = (sys.executable, str(HERE / "stub.py"), str(port), str(latency))
        supervisor.start(Program(name="stub", command=words))
        database_url, server = stack.enter_context(_database(data_dir, name))
        place = Place(
            supervisor=supervisor,
            data_dir=data_dir,
            redis_url=start_redis(supervisor, data_dir),
            database_url=database_url,
            stub_url=f"http://127.0.0.1:{port}",
            workers=int(os.environ.get("WORKERS") or 0) or None,
            latency_seconds=latency,
            profile=bool(os.environ.get("PROFILE")),
        )
        stub = Stub(port)
        wait_until(stub.answers, seconds=10, what="the stub to answer")
        design = DESIGNS[name](place)
        stack.callback(design.close)
        return measure(design, place, stub, contacts, server)


def measure(design: Design, place: Place, stub: Stub, contacts: int, server: dict[str, int]) -> dict[str, Any]:
    """Start a design, warm it up, and say what the job cost. `server`: the database's process, if it has one here."""
    design.start(contacts, WARM_UP)
    design.launch("warm-up")
    _wait(design, place, stub, WARM_UP * MESSAGES)
    time.sleep(REST_SECONDS)
    messages = contacts * MESSAGES
    apart = {name: place.supervisor.running[name].process.pid for name in ("stub", "redis")} | server
    meter = Meter({name: place.supervisor.running[name].process.pid for name in design.programs})
    beside = Meter(apart)
    beside.start()
    meter.start()
    with Waits(place.database_url) as waits:
        launched, begun = time.time(), time.perf_counter()
        launch_cpu = design.launch("measured")
        seconds = _wait(design, place, stub, WARM_UP * MESSAGES + messages) - begun
    cpu = meter.stop() | {"launch": launch_cpu}
    apart_cpu = _per_message(beside.stop(), messages)
    report = stub.ask("/report")
    arrived = [(number_of(address), at) for address, at in stub.ask("/arrivals")]
    measured = [(person, at) for person, at in arrived if person >= WARM_UP]
    late = lateness(measured, launched=launched, latency=place.latency_seconds, wait=WAIT_SECONDS)
    return {
        "contacts": contacts,
        "messages": messages,
        "seconds": round(seconds, 3),
        "messages_per_second": round(messages / seconds, 1),
        "cpu_us_per_message": round(sum(cpu.values()) / messages * 1e6, 1),
        "total_cpu_us_per_message": round(sum(cpu.values()) / messages * 1e6 + apart_cpu.get("postgres", 0.0), 1),
        "cpu_us_by_program": _per_message(cpu, messages),
        "apart_cpu_us_by_program": apart_cpu,
        "server_cpu_us_per_message": apart_cpu.get("postgres", 0.0),
        "peak_rss_mb": round(meter.memory.sum / 1e6, 1),
        "largest_process_mb": round(meter.memory.largest / 1e6, 1),
        "largest_process_mb_by_program": {k: round(v / 1e6, 1) for k, v in meter.memory.largest_of.items()},
        **{f"late_ms_{name}": value for name, value in late.items()},
        **waits.shares(),
        "stub": report,
        "exactly_once": _exactly_once(report, contacts + WARM_UP),
        "servers": _servers(place),
        **place.facts,
    }


def _wait(design: Design, place: Place, stub: Stub, messages: int) -> float:
    """Until the stub has accepted so many, then until the design has recorded them. Returns when the first was so."""

    def accepted() -> bool:
        for name in design.programs:
            place.supervisor.running[name].require_alive()
        return stub.ask("/count")["accepted"] >= messages

    wait_until(accepted, seconds=60 + messages / SLOWEST, what=f"{messages} messages to be accepted")
    when = time.perf_counter()
    wait_until(lambda: design.recorded() >= messages, seconds=30, what=f"{messages} messages to be recorded")
    return when


def _exactly_once(report: dict[str, int], people: int) -> bool:
    expected = {"accepted": people * MESSAGES, "distinct": people * MESSAGES}
    return expected.items() <= report.items() and not report["repeated"] and not report["repeatedAttempts"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _per_message(cpu: dict[str, float], messages: int) -> dict[str, float]:
    return {name: round(seconds / messages * 1e6, 1) for name, seconds in cpu.items()}


def _servers(place: Place) -> dict[str, str]:
    """Versions of what runs beside us."""
    with redis.Redis.from_url(place.redis_url.replace("redis+socket://", "unix://", 1)) as broker:
        told = broker.info("server")
    name = str(told.get("server_name", "redis"))
    versions = {name: str(told[f"{name}_version"])}
    if not place.database_url.startswith("sqlite"):
        with psycopg.connect(place.database_url) as connection:
            versions["postgresql"] = str(connection.info.parameter_status("server_version")).split()[0]
    return versions


@contextmanager
def _database(data_dir: Path, name: str) -> Iterator[tuple[str, dict[str, int]]]:
    """A new database: its URL, and the server's process if it has one on this machine."""
    given = os.environ.pop("DATABASE_URL", "")
    if not given:
        yield f"sqlite:///{(data_dir / f'{name}.db').resolve()}", {}
        return
    own = f"benchmark_{os.getpid()}"
    with psycopg.connect(given, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{own}"')
        try:
            url = sqlalchemy.make_url(given).set(database=own).render_as_string(hide_password=False)
            yield url, postmaster(given)
        finally:
            admin.execute(f'DROP DATABASE "{own}" WITH (FORCE)')


if __name__ == "__main__":
    folder = Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(json.dumps(repeat(sys.argv[1], int(sys.argv[2]), folder)))
