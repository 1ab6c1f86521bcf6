"""The programs of a whole system on one machine.

The Procfile and docker-compose.yml name the same ones; a test compares them.
"""

import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from worker.runtime.errors import FolderInUse, NotWritable, PortInUse
from worker.runtime.supervisor import Program

_CELERY = "celery -A worker.tasks.app"
_WORKER_OPTIONS = "--without-mingle --without-gossip -l warning"

COMMANDS: Mapping[str, str] = {
    "web": "campaigns web",
    "sms": f"{_CELERY} worker -Q sms -n sms@%h -c 2 {_WORKER_OPTIONS}",
    "email": f"{_CELERY} worker -Q email -n email@%h -c 1 {_WORKER_OPTIONS}",
    "voice": f"{_CELERY} worker -Q voice -n voice@%h -c 1 {_WORKER_OPTIONS}",
    "control": f"{_CELERY} worker -Q control,inbox,reconcile -n control@%h -c 2 {_WORKER_OPTIONS}",
    "events": f"{_CELERY} worker -Q events -n events@%h -c 1 {_WORKER_OPTIONS}",
    "beat": f"{_CELERY} beat -l warning",
    "flower": f"{_CELERY} flower --conf=worker/tasks/flowerconfig.py",
}
"""Name -> command line, as the Procfile has it."""

LOCK_FILE = "lock"
WORKERS = ("sms", "email", "voice", "control", "events")


def program(name: str, extra: str = "") -> Program:
    """One of the system's programs, run by the Python we run in, from wherever we are installed."""
    words = f"{COMMANDS[name]} {extra}".split()
    config = str(Path(__file__).parent.parent / "tasks" / "flowerconfig.py")
    words = [word.replace("worker/tasks/flowerconfig.py", config) for word in words]
    start = {"campaigns": ("-m", "worker.cli.main"), "celery": ("-m", "celery")}[words[0]]
    return Program(name=name, command=(sys.executable, *start, *words[1:]), restart=True)


def free_port(wanted: int = 0) -> int:
    """The wanted port, or a free one if it is 0 or another program listens there."""
    if wanted:
        with contextlib.suppress(PortInUse):
            require_port(wanted)
            return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_port(port: int, host: str = "127.0.0.1") -> None:
    """Raise PortInUse if another program listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = error.strerror
            raise PortInUse(
                f"port {port} on {host} cannot be used ({why}); stop the other program or choose another"
            ) from None


@contextmanager
def own(folder: Path) -> Iterator[None]:
    """Make the folder and keep every other system out of it. Raises NotWritable, FolderInUse."""
    require_writable(folder)
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"{folder.resolve()} is in use by another `campaigns` that runs; stop it first") from None
        yield


def require_writable(folder: Path, setting: str = "DATA_DIR") -> None:
    """Make the folder, or raise NotWritable, which names the setting to change."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        place, why = folder.resolve(), error.strerror
        raise NotWritable(f"cannot write to {place} ({why}); set {setting} to another place") from None
