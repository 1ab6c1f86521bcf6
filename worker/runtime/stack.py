"""The programs of a whole system on one machine.

The Procfile and docker-compose.yml name the same ones; a test compares them.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from worker.runtime.supervisor import Program

_CELERY = "celery -A worker.tasks.app"
_WORKER_OPTIONS = "--without-mingle --without-gossip -l warning"

COMMANDS: Mapping[str, str] = {
    "web": "campaigns web",
    "sms": f"{_CELERY} worker -Q sms -n sms@%h -c 2 {_WORKER_OPTIONS}",
    "email": f"{_CELERY} worker -Q email -n email@%h -c 2 {_WORKER_OPTIONS}",
    "voice": f"{_CELERY} worker -Q voice -n voice@%h -c 1 {_WORKER_OPTIONS}",
    "control": f"{_CELERY} worker -Q control,inbox,reconcile -n control@%h -c 2 {_WORKER_OPTIONS}",
    "events": f"{_CELERY} worker -Q events -n events@%h -c 2 {_WORKER_OPTIONS}",
    "beat": f"{_CELERY} beat -l warning",
    "flower": f"{_CELERY} flower --conf=worker/tasks/flowerconfig.py",
}
"""Name -> command line, as the Procfile has it."""

WORKERS = ("sms", "email", "voice", "control", "events")


def program(name: str, extra: str = "") -> Program:
    """One of the system's programs, run by the Python we run in, from wherever we are installed."""
    words = f"{COMMANDS[name]} {extra}".split()
    config = str(Path(__file__).parent.parent / "tasks" / "flowerconfig.py")
    words = [word.replace("worker/tasks/flowerconfig.py", config) for word in words]
    start = {"campaigns": ("-m", "worker.cli.main"), "celery": ("-m", "celery")}[words[0]]
    return Program(name=name, command=(sys.executable, *start, *words[1:]), restart=True)
