"""The one place that opens sockets, and the one that says what a broken exchange means.

1. Nothing is retried and no redirect is followed: a request leaves once or not at all.
2. NOT_SENT only where it is sure that no byte of the request left: name, connection or TLS failed.
   Everything else that breaks is UNKNOWN, the cautious side.
3. No request is written after its caller stopped waiting for it: a process that was frozen in between wakes up and
   does not send what others have given up and may have sent again.
4. The vendors' SDKs run unmodified on top of this; only their HTTP client is ours. Both share aiohttp: kept-alive
   connections, one TLS context for the process, and a total timeout that also ends a server that drips.
"""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from python_http_client.client import Client as SendGridHttpClient
from python_http_client.client import Response as SendGridResponse
from python_http_client.exceptions import handle_error
from twilio.http import AsyncHttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response as TwilioResponse  # type: ignore[import-untyped]

from channels.elapsed import elapsed
from channels.results import Certainty, Reason

IDLE_SECONDS: Final = 15.0
"""Idle connections are dropped before a load balancer does it: a request into a dead one would end UNKNOWN."""

_NUMBER: Final = re.compile(r"\d{1,12}(\.\d+)?", re.ASCII)

LONGEST_WAIT: Final = 86_400.0
"""A provider that asks for more than a day is misread; we ask again tomorrow."""


def open_session(*, limit: int, timeout_seconds: float, connect_timeout_seconds: float) -> aiohttp.ClientSession:
    """A kept-alive session of at most `limit` connections. Call it inside the running loop.

    `timeout_seconds` bounds the whole exchange; `connect_timeout_seconds` name look-up, connection and TLS.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=IDLE_SECONDS),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=connect_timeout_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_TimelyRequest,
        trust_env=False,
    )


class TooLate(Exception):
    """The time for it was over before a byte of the request was written."""


class Slots:
    """At most `limit` requests at once, and none begun after the moment its caller stopped waiting.

    Without that moment a stalled provider would hold a batch for (batch / limit) timeouts, longer than its lease.
    """

    def __init__(self, limit: int, timeout_seconds: float) -> None:
        self._free = asyncio.Semaphore(limit)
        self._timeout = timeout_seconds

    def deadline(self) -> float:
        """The moment (`elapsed`) after which a send that begins now starts no more requests.

        Each has one timeout, so the send ends within two.
        """
        return elapsed() + self._timeout

    @asynccontextmanager
    async def one(self, until: float) -> AsyncIterator[None]:
        """A slot, taken before `until`; else TooLate. The request made inside is written within one timeout after."""
        await self._acquire(until - elapsed())
        token = _WRITE_BY.set(until + self._timeout)
        try:
            yield
        finally:
            _WRITE_BY.reset(token)
            self._free.release()

    async def _acquire(self, seconds: float) -> None:
        if seconds <= 0:
            raise TooLate
        if not self._free.locked():
            await self._free.acquire()  # does not suspend: no timer is needed
            return
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise TooLate from None


_WRITE_BY: Final[ContextVar[float]] = ContextVar("write_by", default=math.inf)


class _TimelyRequest(aiohttp.ClientRequest):
    """Looks at the clock one last time just before the first byte.

    Between building a request and writing it lies a whole batch of others, and whatever holds the process up. aiohttp
    keeps the headers back and writes them together with the body, here; so nothing has left when it is too late.
    """

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        if elapsed() <= _WRITE_BY.get():
            await super().write_bytes(writer, conn, content_length)
            return
        if conn.protocol is not None:
            conn.protocol.set_exception(TooLate())
        conn.close()


@dataclass(slots=True)
class Answer:
    """What came back over HTTP in one call of an SDK: the SDK's exceptions drop the headers. `status` 0: nothing."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


_ANSWER: Final[ContextVar[Answer | None]] = ContextVar("answer", default=None)


@contextmanager
def captured() -> Iterator[Answer]:
    """Keep status and headers of the exchange made inside. Every task has its own context, so calls cannot mix."""
    answer = Answer()
    token = _ANSWER.set(answer)
    try:
        yield answer
    finally:
        _ANSWER.reset(token)


class AioTwilioHttpClient(AsyncHttpClient):  # type: ignore[misc]
    """The HTTP client given to Twilio's SDK. It logs nothing: the SDK's own logs URLs with numbers in them."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.is_async = True
        self._session = session

    async def request(  # noqa: PLR0917 - the SDK's signature
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the SDK's signature; the session's timeouts hold
        allow_redirects: bool = False,  # noqa: ARG002, FBT001, FBT002 - the SDK's signature; redirects turn POST into GET
    ) -> TwilioResponse:
        """One exchange, in the shape the SDK expects. Raises what aiohttp raises; `certainty_of` reads it."""
        headers = {**(headers or {})}
        if auth is not None:
            headers["Authorization"] = _basic_auth(auth)
        body = urlencode(data, doseq=True).encode() if data else None
        async with self._session.request(
            method, uri, params=params, data=body, headers=headers, allow_redirects=False
        ) as response:
            if (answer := _ANSWER.get()) is not None:
                answer.status, answer.headers = response.status, response.headers
            text = (await response.read()).decode("utf-8", "replace")
            return TwilioResponse(response.status, text, response.headers)


@lru_cache(maxsize=16)
def _basic_auth(auth: tuple[str, str]) -> str:
    return aiohttp.encode_basic_auth(*auth)


class AioSendGridClient(SendGridHttpClient):  # type: ignore[misc]
    """The HTTP client given to SendGrid's SDK: `post` returns an awaitable, which `SendGridAPIClient.send` hands on.

    The SDK's own opens a connection and a TLS context for each call, has no timeout, and formats the payload for a
    debug log whether or not one is wanted.
    """

    def __init__(
        self, session: aiohttp.ClientSession, *, host: str, headers: dict[str, str], path: tuple[str, ...]
    ) -> None:
        super().__init__(host=host, request_headers=headers, version=3, url_path=list(path))
        self._session = session

    def _build_client(self, name: str | None = None) -> "AioSendGridClient":
        path = (*self._url_path, name) if name else tuple(self._url_path)
        return AioSendGridClient(self._session, host=self.host, headers=self.request_headers, path=path)

    async def post(self, request_body: dict[str, Any]) -> SendGridResponse:
        """One POST. Raises the SDK's exceptions for any status but 2xx, and what aiohttp raises."""
        return await self._exchange("POST", orjson.dumps(request_body))

    async def get(self) -> SendGridResponse:
        """One GET, as `post`."""
        return await self._exchange("GET", None)

    async def _exchange(self, method: str, body: bytes | None) -> SendGridResponse:
        async with self._session.request(
            method, self._build_url(None), data=body, headers=self.request_headers, allow_redirects=False
        ) as response:
            exchange = _Exchange(response.status, response.reason or "", await response.read(), response.headers)
        if not HTTPStatus.OK <= exchange.code < HTTPStatus.MULTIPLE_CHOICES:
            raise handle_error(exchange)
        return SendGridResponse(exchange)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A finished exchange with the names SendGrid's SDK reads from urllib's responses and errors."""

    code: int
    reason: str
    content: bytes = field(repr=False)
    hdrs: Mapping[str, str] = field(repr=False)

    def getcode(self) -> int:
        return self.code

    def read(self) -> bytes:
        return self.content

    def info(self) -> Mapping[str, str]:
        return self.hdrs


def certainty_of(error: Exception) -> tuple[Certainty, Reason]:
    """What an exception out of a send proves about the message."""
    match error:
        case TooLate() | aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.InvalidURL():
            # Refused, no such name, TLS failed, no connection in time, or its time was over: no byte was written.
            return Certainty.NOT_SENT, Reason.CONNECTION
        case TimeoutError():
            return Certainty.UNKNOWN, Reason.TIMEOUT
        case _:
            # Reset, cut, unreadable: the request may have been read before.
            return Certainty.UNKNOWN, Reason.PROVIDER_ERROR


def certainty_of_status(status: int) -> tuple[Certainty, Reason]:
    """What an HTTP status alone proves, where the provider's own code says nothing better."""
    match status:
        case 429:
            return Certainty.NOT_SENT, Reason.RATE_LIMITED
        case 401 | 402 | 403 | 404 | 405:
            return Certainty.REFUSED, Reason.CONFIGURATION
        case 413 | 415 | 422:
            return Certainty.REFUSED, Reason.CONTENT
        case _ if 400 <= status < 500 and status != HTTPStatus.REQUEST_TIMEOUT:  # noqa: PLR2004 - the 4xx class
            return Certainty.REFUSED, Reason.OTHER
        case _:
            # 2xx that could not be read, 3xx, 408, 5xx: it may have been taken.
            return Certainty.UNKNOWN, Reason.PROVIDER_ERROR


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a provider asks us to wait: `Retry-After` (seconds or date), else `X-RateLimit-Reset` (Unix time).

    Dates are read against the provider's own `Date`, so a wrong clock here does not matter. Between 0 and a day.
    """
    now = _timestamp(headers.get("Date", "")) or time.time()  # noqa: TID251 - as the docstring says
    wanted, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    if _NUMBER.fullmatch(wanted):
        seconds = float(wanted)
    elif moment := _timestamp(wanted) or (_NUMBER.fullmatch(reset) and float(reset)):
        seconds = moment - now
    else:
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _timestamp(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except ValueError:
        return None
