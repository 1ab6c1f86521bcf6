"""How long programs take to start: `campaigns --help`, a worker until its first task is done, all workers at once.

    python -m tests.benchmarks.starting             # ROUNDS=5, DATABASES=postgresql,sqlite

1. Each worker is the command of the Procfile. Its first task waits in its queue before it starts, and is done when
   Redis knows of it no more, neither as queued nor as under way.
2. The baseline, in the same rounds, is a Celery application that imports nothing but Twilio's SDK.
3. The limits are printed beside what came out. It fails only where something breaks.
"""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from tests.benchmarks.event_site import NAIVE, Site, open_site
from worker.runtime.stack import WORKERS, program
from worker.runtime.supervisor import Program, Supervisor, wait_until
from worker.tasks.app import BROKER_OPTIONS, make_app

ROUNDS = int(os.environ.get("ROUNDS", "5"))
DATABASES = os.environ.get("DATABASES", "postgresql,sqlite").split(",")
MOST_SECONDS: Mapping[str, float] = {"campaigns --help": 0.3, **dict.fromkeys(WORKERS, 2.0)}
BARE, TOGETHER = "a bare Celery worker", "all of them at once"
_TASK, _BARE_TASK = "control.tick", "celery.backend_cleanup"
_OURS = BROKER_OPTIONS["global_keyprefix"]

Seconds = dict[str, list[float]]


def measure(database: str) -> Iterator[str]:
    """What each program took, a line each."""
    took: Seconds = defaultdict(list)
    with open_site(database) as site:
        for _ in range(ROUNDS):
            took["campaigns --help"].append(_help())
            took[BARE].append(_bare(site))
            for name in WORKERS:
                took[name].append(_ours(site, name))
            took[TOGETHER].append(_ours(site, *WORKERS))
    yield f"{database}, seconds until the first task is done, median (least - most) of {ROUNDS}"
    for name, seconds in took.items():
        yield f"  {name:<22} {_told(seconds)}{_verdict(name, seconds)}"


def _help() -> float:
    began = time.perf_counter()
    subprocess.run((sys.executable, "-m", "worker.cli.main", "--help"), check=True, capture_output=True)
    return time.perf_counter() - began


def _bare(site: Site) -> float:
    app = make_app(site.redis_url)
    app.conf.update(task_queues=None, task_create_missing_queues=True, broker_transport_options={})
    app.send_task(_BARE_TASK, queue="celery")
    return _until_done(site, [NAIVE], ["celery"], prefix="")


def _ours(site: Site, *names: str) -> float:
    app = make_app(site.redis_url)
    for name in names:
        app.send_task(_TASK, queue=name)
    return _until_done(site, [replace(program(name), restart=False) for name in names], names, prefix=_OURS)


def _until_done(site: Site, programs: Sequence[Program], queues: Sequence[str], *, prefix: str) -> float:
    """Start these, and stop them again; how long it took until the queues were empty and nothing was under way."""
    keys = [f"{prefix}{name}" for name in (*queues, "unacked")]
    names = ", ".join(one.name for one in programs)
    with Supervisor(site.folder / "started", site.supervisor.env) as supervisor:
        began = time.perf_counter()
        for one in programs:
            supervisor.start(one)
        wait_until(lambda: not site.client.exists(*keys), seconds=60, what=f"{names} to do a first task")
        took = time.perf_counter() - began
    for key in site.client.keys(f"{prefix}*"):  # hints that they gave one another
        site.client.delete(key)
    return took


def _told(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f} - {max(seconds):.2f})"


def _verdict(name: str, seconds: Sequence[float]) -> str:
    most = MOST_SECONDS.get(name)
    if most is None:
        return ""
    return f"  {'met' if median(seconds) <= most else 'NOT MET'}: at most {most}"


def main() -> None:
    for database in DATABASES:
        for line in measure(database):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
