"""A provider on loopback that answers as it is told, badly too. Real sockets, no HTTP library in between.

1. `script` is used up first, one answer a request; then `otherwise` answers.
2. It keeps every request it has read, so a test can say what was on the wire and how often.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer in good order."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


@dataclass(frozen=True)
class Raw:
    """These bytes, then the end of the connection, unless it stays."""

    bytes: bytes
    stays: bool = False


@dataclass(frozen=True)
class Reset:
    """The request is read, then the connection is reset."""


@dataclass(frozen=True)
class Stall:
    """The request is read and never answered."""


@dataclass(frozen=True)
class Drip:
    """An answer that begins at once and never ends."""


Answer = Reply | Raw | Reset | Stall | Drip


def json_reply(status: int, content: object, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **named})


class LoopbackProvider:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: list[Answer] = []
        self.passes_over: Callable[[Request], bool] | None = None
        """Questions that are no business of the test: answered with 404, and not kept."""
        self.otherwise: Callable[[Request], Answer] = lambda _: Reply(404)
        self.asked = asyncio.Event()
        self.in_flight = self.most_in_flight = 0
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self._connections += 1
        number = self._connections
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while request := await self._read(reader, number):
                if self.passes_over is not None and self.passes_over(request):
                    if not await self._answer(Reply(404), writer):
                        return
                    continue
                self.requests.append(request)
                self.asked.set()
                self.in_flight += 1
                self.most_in_flight = max(self.in_flight, self.most_in_flight)
                try:
                    answer = self.script.pop(0) if self.script else self.otherwise(request)
                    if not await self._answer(answer, writer):
                        break
                finally:
                    self.in_flight -= 1
        writer.close()

    async def _read(self, reader: asyncio.StreamReader, number: int) -> Request | None:
        first = await reader.readexactly(1)
        if not first.isalpha():
            return None  # no HTTP, such as the start of a TLS handshake: hang up, as servers do
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, target, headers, body, number)

    async def _answer(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        match answer:
            case Reply(status, body, headers, after):
                await asyncio.sleep(after)
                lines = [
                    f"HTTP/1.1 {status} X",
                    *(f"{k}: {v}" for k, v in headers.items()),
                    f"Content-Length: {len(body)}",
                ]
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
                return True
            case Raw(content, stays):
                writer.write(content)
                await writer.drain()
                return stays
            case Reset():
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            case Stall():
                await asyncio.Event().wait()
            case Drip():
                writer.write(b"HTTP/1.1 201 X\r\nContent-Length: 100000\r\n\r\n{")
                while True:
                    await asyncio.sleep(0.02)
                    writer.write(b" ")
        return False


def full_backlog() -> tuple[str, Sequence[socket.socket]]:
    """A URL whose port is open but takes nobody in: connections to it hang. Close the sockets afterwards."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        with suppress(BlockingIOError):
            client.connect(listener.getsockname())
        waiting.append(client)
    return f"http://127.0.0.1:{listener.getsockname()[1]}", [listener, *waiting]


def closed_port() -> str:
    """A URL nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
