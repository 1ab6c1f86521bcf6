"""Ports and folders of this machine: free or taken, ours or another's."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.runtime.errors import FolderInUse, NotWritable, PortInUse

LOCK_FILE = "lock"


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
