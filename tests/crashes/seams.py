"""A process whose seams can be told apart: around each commit, within each exchange with a provider, after each hint.

1. Nothing of this is in the product: its store, its sockets and its hints are wrapped from outside.
2. A seam is where a process can end and leave something half done. `Seams.reach` is told of each; what then happens is
   the caller's: the crash points end the process there.
3. Reads are no seams: ending before a read is ending after the write before it.
"""

import socket
import threading
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any

from sqlalchemy import event

from channels.base import Channel
from channels.connections import Connections
from channels.messages import ChannelKind
from tests.runtime.house import HandRuntime
from worker.runtime.hints import Hint
from worker.runtime.settings import Settings
from worker.store import facade
from worker.store.facade import Store

HTTP, HINT = "http", "hint"
"""The seams that are no method of the store."""


class Moment(StrEnum):
    """When, at a seam."""

    BEFORE_COMMIT = "before commit"
    """All statements of the transaction are done."""
    COMMITTED = "committed"
    """The database has it; nobody else knows."""

    NOT_CONNECTED = "not connected"
    CONNECTED = "connected"
    """Nothing is written yet."""
    HALF_WRITTEN = "half written"
    WRITTEN = "written"
    ANSWERED = "answered"
    """The answer lies in our socket, unread."""
    READ = "answer read"

    SENT = "sent"
    """For hints: the broker has it."""


def is_writing(method: object) -> bool:
    """Whether this method of the store is a write transaction."""
    return getattr(getattr(method, "__code__", None), "co_qualname", "").startswith(f"{facade.writes.__name__}.")


WRITES = frozenset(name for name, method in vars(Store).items() if is_writing(method))
"""The writing methods of the store, by name."""


class Seams:
    """Calls `strike` once, when a seam is reached while `step` is what it should be. At commits it gets the connection.

    Whatever it raises there is what the commit raises.
    """

    def __init__(self, step: str, seam: str, moment: Moment, strike: Callable[[Any], Any]) -> None:
        self._wanted = (step, seam, moment)
        self._strike = strike
        self.step = ""
        self.struck = False

    def is_at(self, seam: str, moment: Moment) -> bool:
        return not self.struck and (self.step, seam, moment) == self._wanted

    def reach(self, seam: str, moment: Moment, connection: Any = None) -> None:
        if self.is_at(seam, moment):
            self.struck = True
            self._strike(connection)


class HastyStore(Store):
    """A store that waits for no disk, as the tests' PostgreSQL: processes end here, power does not."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))


class WatchedStore(HastyStore):
    """A store whose commits are seams. Which method is committing is kept by thread: a commit stays in its own."""

    def __init__(self, url: str, seams: Seams) -> None:
        super().__init__(url)
        self.seams = seams
        self.here = threading.local()
        self._commit = self.engine.dialect.do_commit
        self.engine.dialect.do_commit = self._watched_commit

    def _watched_commit(self, connection: Any) -> None:
        self.seams.reach(self.here.method, Moment.BEFORE_COMMIT, connection)
        self._commit(connection)
        self.seams.reach(self.here.method, Moment.COMMITTED, connection)


def _watched(name: str) -> Callable[..., Any]:
    original = getattr(Store, name)

    @wraps(original)
    def method(self: WatchedStore, *args: Any, **kwargs: Any) -> Any:
        self.here.method = name
        return original(self, *args, **kwargs)

    return method


for _name in WRITES:
    setattr(WatchedStore, _name, _watched(_name))


class WatchedSocket(socket.socket):
    """A connection to a provider whose system calls are seams."""

    def __init__(self, seams: Seams, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._seams = seams

    def send(self, data: Any, *flags: int) -> int:
        self._seams.reach(HTTP, Moment.CONNECTED)
        if self._seams.is_at(HTTP, Moment.HALF_WRITTEN):
            super().send(bytes(data)[: len(data) // 2])
        self._seams.reach(HTTP, Moment.HALF_WRITTEN)
        sent = super().send(data, *flags)
        self._seams.reach(HTTP, Moment.WRITTEN)
        return sent

    def sendmsg(self, buffers: Any, *_: Any) -> int:
        """What newer Pythons write long requests with."""
        return self.send(b"".join(buffers))

    def recv(self, *args: Any) -> bytes:
        self._seams.reach(HTTP, Moment.ANSWERED)
        data = super().recv(*args)
        self._seams.reach(HTTP, Moment.READ)
        return data


class WatchedRuntime(HandRuntime):
    """A runtime all of whose seams are watched."""

    def __init__(self, settings: Settings, seams: Seams, hint: Callable[[Hint], Any]) -> None:
        super().__init__(settings, WatchedStore(settings.database_url, seams), self._hint)
        self.seams = seams
        self._broker = hint

    def channel(self, kind: ChannelKind) -> Channel[Any]:
        channel: Any = super().channel(kind)
        connections: Connections = getattr(channel, "_account", channel)._connections
        connections.socket_factory = self._open
        return channel

    def _open(self, address: tuple[int, int, int, str, object]) -> WatchedSocket:
        self.seams.reach(HTTP, Moment.NOT_CONNECTED)
        return WatchedSocket(self.seams, *address[:3])

    def _hint(self, hint: Hint) -> None:
        self._broker(hint)
        self.seams.reach(HINT, Moment.SENT)
