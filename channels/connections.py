"""The one place that opens sockets: HTTP/1.1 to providers, over connections that are kept.

1. Nothing is retried and no redirect is followed: a request leaves once or not at all.
2. NotSent is raised only where no byte of the request has left: name, connection or TLS failed, or it was too late.
   Whatever else breaks may have been read.
3. No request is written after its caller stopped waiting for it: a process that was frozen in between wakes up and
   does not send what others have given up and may have sent again.
4. Addresses of both families are tried as RFC 8305 says. No proxy, no cookies: the environment decides nothing here.
"""

import asyncio
import math
import re
import socket
import ssl
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Final
from urllib.parse import urlsplit

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType, SocketFactoryType

from channels.elapsed import elapsed
from channels.exchange import Answer, Connection

IDLE_SECONDS: Final = 15.0
"""Idle connections are dropped before a load balancer does it: a request into a dead one would end UNKNOWN."""
_RESOLVED_SECONDS: Final = 10.0
"""So long the addresses of a name hold: many connections at once ask for them once."""
_SECOND_FAMILY_SECONDS: Final = 0.25
"""RFC 8305, section 8: how long one address is tried before the next is tried beside it."""
_TARGET: Final = re.compile(r"/[!-~]*")
_PORTS: Final = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class NotSent(Exception):
    """No byte of the request has left. Its cause, if any, is what failed."""


class TooLate(NotSent):
    """The time for it was over before a byte of the request was written."""


_BEGIN_BY: Final[ContextVar[float]] = ContextVar("begin_by", default=math.inf)


@contextmanager
def begun_by(moment: float) -> Iterator[None]:
    """The requests made inside are begun before this moment (`elapsed`), or raise TooLate."""
    token = _BEGIN_BY.set(moment)
    try:
        yield
    finally:
        _BEGIN_BY.reset(token)


class Connections:
    """At most `limit` requests at once. Make it inside the running loop.

    `timeout_seconds` bounds the wait for a place, and then the whole exchange; `connect_timeout_seconds` name look-up,
    connection and TLS.
    """

    def __init__(
        self,
        *,
        limit: int,
        timeout_seconds: float,
        connect_timeout_seconds: float,
        socket_factory: SocketFactoryType | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(limit)
        self._timeout, self._connect_timeout = timeout_seconds, connect_timeout_seconds
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        self._resolved: dict[Origin, tuple[float, Sequence[AddrInfoType]]] = {}
        self._resolving: dict[Origin, asyncio.Future[Sequence[AddrInfoType]]] = {}
        self._resolver = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="names"
        )  # slow names hold up nothing else
        self.socket_factory = socket_factory

    def deadline(self) -> float:
        """The moment after which a send that begins now starts no more requests.

        Each has one timeout, so the send ends within two. Without that moment a stalled provider would hold a batch
        for (batch / limit) timeouts, longer than its lease.
        """
        return elapsed() + self._timeout

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One exchange. Raises NotSent, TimeoutError and Cut."""
        begin_by = min(_BEGIN_BY.get(), self.deadline())
        origin, head = _head(method, url, headers, body)
        await self._take_place(begin_by)
        began = elapsed()
        try:
            connection = self._kept(origin) or await self._open(origin)
            # The last look at the clock: before it lies a whole batch of others, and whatever holds the process up.
            until = min(began, begin_by) + self._timeout
            if elapsed() > until:
                connection.close()
                raise TooLate
            answer = await connection.exchange(head + body, until - elapsed())
            self._idle[origin].append(connection)
            return answer
        finally:
            self._places.release()

    async def close(self) -> None:
        """Drop the connections, all of them idle by now."""
        self._resolver.shutdown(wait=False)
        while self._idle:
            for connection in self._idle.popitem()[1]:
                connection.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    async def _take_place(self, begin_by: float) -> None:
        seconds = begin_by - elapsed()
        if seconds <= 0:
            raise TooLate
        if not self._places.locked():
            await self._places.acquire()  # does not suspend: no timer is needed
            return
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            raise TooLate from None

    def _kept(self, origin: Origin) -> Connection | None:
        idle = self._idle[origin]
        while idle:
            if (connection := idle.pop()).is_free(IDLE_SECONDS):
                return connection
            connection.close()
        return None

    async def _open(self, origin: Origin) -> Connection:
        scheme, host, _ = origin
        try:
            async with asyncio.timeout(self._connect_timeout):
                connected = await aiohappyeyeballs.start_connection(
                    await self._resolve(origin),
                    happy_eyeballs_delay=_SECOND_FAMILY_SECONDS,
                    interleave=1,
                    loop=self._loop,
                    socket_factory=self.socket_factory,
                )
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                secure = scheme == "https"
                _, connection = await self._loop.create_connection(
                    partial(Connection, self._loop),
                    sock=connected,
                    ssl=_tls() if secure else None,
                    server_hostname=host if secure else None,
                )
                return connection
        except Exception as error:
            raise NotSent from error

    async def _resolve(self, origin: Origin) -> Sequence[AddrInfoType]:
        until, addresses = self._resolved.get(origin, (0.0, ()))
        if elapsed() <= until:
            return addresses
        if (answer := self._resolving.get(origin)) is None:
            _, host, port = origin
            ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            answer = self._resolving[origin] = self._loop.run_in_executor(self._resolver, ask)
            answer.add_done_callback(partial(self._keep, origin))
        # All who wait go on at once: one after the other, each in a turn of a busy loop, the last would be too late.
        return await asyncio.shield(answer)

    def _keep(self, origin: Origin, answer: asyncio.Future[Sequence[AddrInfoType]]) -> None:
        del self._resolving[origin]
        if not answer.cancelled() and answer.exception() is None:
            self._resolved[origin] = (elapsed() + _RESOLVED_SECONDS, answer.result())


def _head(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[Origin, bytes]:
    """Where a request goes, and all of it but its body. Raises NotSent for what cannot be written as HTTP."""
    origin, host, target = _split(url)
    own = {"Host": host, "Accept-Encoding": "identity", **headers}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in own.items())]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    text = "\r\n".join(lines)
    if text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1:
        raise NotSent("a header has a line break in it")
    try:
        return origin, f"{text}\r\n\r\n".encode("latin-1")
    except UnicodeEncodeError:
        raise NotSent("a header has a character that HTTP cannot carry") from None


def _split(url: str) -> tuple[Origin, str, str]:
    """Its origin, its Host header, its path and query."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if parts.scheme not in _PORTS or not parts.hostname or not _TARGET.fullmatch(target):
        raise NotSent("not an http(s) URL")
    try:
        port = parts.port or _PORTS[parts.scheme]
        host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    except ValueError:
        raise NotSent("not an http(s) URL") from None
    shown = f"[{host}]" if ":" in host else host
    return (parts.scheme, host, port), shown if port == _PORTS[parts.scheme] else f"{shown}:{port}", target


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
