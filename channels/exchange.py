"""One connection and the exchanges on it: a request in one piece, and the answer to it.

1. What does not fit into the socket is written in pieces, each after a look at the clock: whoever stood still in
   between completes nothing that others have given up.
2. Answers are read by llhttp, the parser of Node.js, through httptools. What it cannot read ends the connection.
3. An answer is complete when its own framing says so (RFC 9112, section 6). One without a length ends with the
   connection; any other that the connection ends is cut.
4. A connection is used again only where both sides keep it, all was written, and nothing unasked has come over it.
"""

import asyncio
import select
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from channels.elapsed import elapsed

MOST_BYTES: Final = 64 * 1024 * 1024
"""An answer is at most so long; a page of a thousand of Twilio's records has about two million bytes."""
_PIECE_BYTES: Final = 16 * 1024
_FINAL: Final = 200
"""Answers below it announce another one (RFC 9110, section 15.2)."""


class Cut(Exception):
    """The connection ended, or what came over it was not HTTP, before the answer was complete."""


class Headers(Mapping[str, str]):
    """Header fields as they came, found whatever the case of their names. Of several alike the first counts."""

    __slots__ = ("_raw",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        wanted = name.lower().encode("latin-1")
        for key, value in self._raw:
            if key.lower() == wanted:
                return value.decode("latin-1")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({key.decode("latin-1").title(): None for key, _ in self._raw})

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `reason` is the phrase behind the status, often empty."""

    status: int
    reason: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)


class Connection(asyncio.Protocol):
    """A connection to one provider, in the loop it was opened in. One exchange at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._full = False
        self._keeps = True
        self._since = elapsed()
        self.on_message_begin()

    # What its owner asks of it

    async def exchange(self, request: bytes, seconds: float) -> Answer:
        """Write a request and wait so long for the answer. Raises TimeoutError and Cut; then the connection is over."""
        if self._transport is None or self._transport.is_closing():
            raise Cut
        self._answer = self._loop.create_future()
        self._size = 0
        timer = self._loop.call_later(seconds, self._fail, TimeoutError())
        try:
            await self._write(request, elapsed() + seconds)
            return await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            self._answer = None
            self._since = elapsed()

    async def _write(self, request: bytes, until: float) -> None:
        """All of it, unless the answer comes first; then the other side does not want the rest."""
        assert self._transport is not None and self._answer is not None  # noqa: PT018, S101 - as `exchange` has found
        for start in range(0, len(request), _PIECE_BYTES):
            if self._answer.done():
                self._keeps = False
                return
            if elapsed() > until:
                raise TimeoutError
            self._transport.write(request[start : start + _PIECE_BYTES])
            if self._full:
                self._drained = self._loop.create_future()
                await asyncio.wait((self._drained, self._answer), return_when=asyncio.FIRST_COMPLETED)

    def is_free(self, seconds: float) -> bool:
        """Whether another request may go over it: kept, not idle for longer than `seconds`, nothing unread on it.

        The loop may have stood still since it was last used. Then nobody has told us yet that the other side is gone.
        """
        transport = self._transport
        if transport is None or not self._keeps or transport.is_closing() or elapsed() - self._since > seconds:
            return False
        if self._full:
            return False
        unread = select.poll()
        unread.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not unread.poll(0)

    def close(self) -> None:
        """End it at once; what has not left stays here."""
        self._keeps = False
        if self._transport is not None:
            self._transport.abort()

    # What the loop tells it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)  # with 0, TLS pauses over nothing and never goes on

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # nobody has asked for it
            return
        self._size += len(data)
        if self._size > MOST_BYTES:
            self._fail(Cut())
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._keeps = False  # behind a complete answer it breaks nothing but the next
            self._fail(Cut())

    def connection_lost(self, exc: Exception | None) -> None:
        self._keeps = False
        if self._until_closed and exc is None:
            self.on_message_complete()
        self._fail(Cut())

    # What the parser tells it

    def on_message_begin(self) -> None:
        if self._answer is not None and self._answer.done():
            self._keeps = False  # an answer nobody has asked for, right behind ours
        self._reason = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._until_closed = False

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        framed = {b"content-length", b"transfer-encoding"}.intersection(name.lower() for name, _ in self._fields)
        self._until_closed = not framed and self._parser.get_status_code() >= _FINAL

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._until_closed = False
        if status < _FINAL or self._answer is None or self._answer.done():
            return
        self._keeps = self._keeps and self._parser.should_keep_alive()
        reason = self._reason.decode("latin-1")
        self._answer.set_result(Answer(status, reason, Headers(self._fields), b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
