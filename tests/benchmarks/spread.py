"""Whether more senders send more, each in a network namespace of its own: as on machines of their own.

    python tests/benchmarks/spread.py            # texts, 1, 2 and 4 senders, PostgreSQL; as root; about five minutes

1. Senders reach PostgreSQL, Redis and the stub over TCP and a bridge; nothing else of theirs is shared.
2. A sender is one program with one process. The two processes of `control`, beat and the launch are in the machine's
   own namespace. All share its cores.
3. What a session waits for is looked at a hundred times a second. To wait for a row is to stand behind another's claim.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import namespaces
import once
import psycopg
import redis
from designs import HERE, Ours, Place
from jobs import JOB
from server import postgres, postmaster

from worker.runtime.embedded import redis_binary
from worker.runtime.machine import free_port
from worker.runtime.stack import program
from worker.runtime.supervisor import Program, Supervisor, wait_until

SENDERS = tuple(int(count) for count in os.environ.get("SENDERS", "1,2,4").split(","))
CONTACTS = int(os.environ.get("CONTACTS") or 10_000)
RUNS = int(os.environ.get("RUNS") or 5)
_WORKER = {"texts": "sms", "mail": "email"}


class Spread(Ours):
    """The product with its senders apart."""

    def __init__(self, place: Place, senders: int) -> None:
        super().__init__(place)
        self._homes = {f"{_WORKER[JOB]}-{number + 1}": namespaces.inside(number) for number in range(senders)}
        self.programs = (*self._homes, "control", "beat")

    def _program(self, name: str) -> Program:
        if name not in self._homes:
            return super()._program(name)
        own = program(_WORKER[JOB], f"-c 1 -n {name}@%h")
        return replace(own, name=name, command=(*self._homes[name], *own.command))


@contextmanager
def place(folder: Path, database_url: str) -> Iterator[Place]:
    """Redis and the stub where the namespaces reach them, and a new database."""
    with Supervisor(folder) as supervisor:
        stub_port, redis_port = free_port(), free_port()
        stub = (sys.executable, str(HERE / "stub.py"), str(stub_port), "0", namespaces.HOST)
        supervisor.start(Program(name="stub", command=stub))
        yield Place(
            supervisor=supervisor,
            data_dir=folder,
            redis_url=_start_redis(supervisor, redis_port),
            database_url=database_url,
            stub_url=f"http://{namespaces.HOST}:{stub_port}",
        )


def _start_redis(supervisor: Supervisor, port: int) -> str:
    own = ("--bind", namespaces.HOST, "--port", str(port), "--protected-mode", "no")
    words = (redis_binary(), *own, "--save", "", "--appendonly", "no")
    supervisor.start(Program(name="redis", command=words, serves=True))
    url = f"redis://{namespaces.HOST}:{port}/0"
    with redis.Redis.from_url(url) as client:
        wait_until(lambda: _answers(client), seconds=10, what="redis-server to answer")
    return url


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


def repeat(senders: int, folder: Path, admin: str, server: dict[str, int]) -> dict[str, Any]:
    """The figures of one repetition, in namespaces that are there."""
    folder.mkdir()
    name = folder.name
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    with place(folder, admin.rpartition("/")[0] + f"/{name}") as ours:
        stub = once.Stub(int(ours.stub_url.rpartition(":")[2]), namespaces.HOST)
        wait_until(stub.answers, seconds=10, what="the stub to answer")
        design = Spread(ours, senders)
        try:
            return once.measure(design, ours, stub, CONTACTS, server)
        finally:
            design.close()


def main() -> int:
    if reason := namespaces.why_not():
        sys.exit(f"{reason}; `make bench WORKERS=4` counts processes without namespaces")
    found: dict[int, list[dict[str, Any]]] = {count: [] for count in SENDERS}
    with (
        tempfile.TemporaryDirectory(prefix="campaigns-spread-", dir="/tmp") as name,
        namespaces.namespaces(max(SENDERS)),
        postgres(Path(name), namespaces.HOST, namespaces.SUBNET) as url,
    ):
        admin = f"postgresql://postgres@{namespaces.HOST}/postgres"
        for number in range(RUNS):
            for count in SENDERS if number % 2 == 0 else reversed(SENDERS):
                words = (sys.executable, __file__, str(count), f"{name}/senders_{count}_{number}", admin, url)
                ended = subprocess.run(words, stdout=subprocess.PIPE, check=True)  # Celery keeps its first broker
                found[count].append(json.loads(ended.stdout))
                print(f"  {number + 1} {count} {line(found[count][-1:])}", flush=True)
    print(f"\n{CONTACTS} contacts, {JOB}, {os.cpu_count()} cores; medians of {RUNS}")
    for count, results in found.items():
        print(f"{count} senders {line(results)}")
    return 0 if all(one["exactly_once"] for results in found.values() for one in results) else 1


def line(results: list[dict[str, Any]]) -> str:
    """The medians of some repetitions."""
    figures = ("messages_per_second", "total_cpu_us_per_message", "waiting_for_rows", "waiting_for_pages")
    rate, cpu, rows, pages = (median(one[figure] for one in results) for figure in figures)
    return f"{rate:9,.0f} messages/s {cpu:6.0f} us; waiting for rows {rows:.1%}, for pages {pages:.1%}"


if __name__ == "__main__":
    if sys.argv[1:]:
        senders, own_folder, admin_url, local_url = sys.argv[1:]
        print(json.dumps(repeat(int(senders), Path(own_folder), admin_url, postmaster(local_url))))
    else:
        sys.exit(main())
