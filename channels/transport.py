"""The SDKs' HTTP clients over our connections, and what a broken exchange means.

1. NOT_SENT only where it is sure that no byte of the request left: name, connection or TLS failed.
   Everything else that breaks is UNKNOWN, the cautious side.
2. The vendors' SDKs run unmodified on top of this; only their HTTP client is ours.
"""

import re
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from python_http_client.client import Client as SendGridHttpClient
from python_http_client.client import Response as SendGridResponse
from python_http_client.exceptions import handle_error
from twilio.http import AsyncHttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response as TwilioResponse  # type: ignore[import-untyped]

from channels.connections import Connections, NotSent
from channels.results import Certainty, Reason

_NUMBER: Final = re.compile(r"\d{1,12}(\.\d+)?", re.ASCII)

LONGEST_WAIT: Final = 86_400.0
"""A provider that asks for more than a day is misread; we ask again tomorrow."""


@dataclass(slots=True)
class Captured:
    """What came back over HTTP in one call of an SDK: the SDK's exceptions drop the headers. `status` 0: nothing."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


_CAPTURED: Final[ContextVar[Captured | None]] = ContextVar("captured", default=None)


@contextmanager
def captured() -> Iterator[Captured]:
    """Keep status and headers of the exchange made inside. Every task has its own context, so calls cannot mix."""
    answer = Captured()
    token = _CAPTURED.set(answer)
    try:
        yield answer
    finally:
        _CAPTURED.reset(token)


class AioTwilioHttpClient(AsyncHttpClient):  # type: ignore[misc]
    """The HTTP client given to Twilio's SDK. It logs nothing: the SDK's own logs URLs with numbers in them."""

    def __init__(self, connections: Connections) -> None:
        self.is_async = True
        self._connections = connections

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
        """One exchange, in the shape the SDK expects. Raises what our connections raise; `certainty_of` reads it."""
        headers = {**(headers or {})}
        if auth is not None:
            headers["Authorization"] = _basic_auth(auth)
        url = f"{uri}{'&' if '?' in uri else '?'}{urlencode(params, doseq=True)}" if params else uri
        body = urlencode(data, doseq=True).encode() if data else b""
        answer = await self._connections.request(method, url, headers, body)
        if (captured := _CAPTURED.get()) is not None:
            captured.status, captured.headers = answer.status, answer.headers
        return TwilioResponse(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)


@lru_cache(maxsize=16)
def _basic_auth(auth: tuple[str, str]) -> str:
    return f"Basic {b64encode(':'.join(auth).encode()).decode()}"


class AioSendGridClient(SendGridHttpClient):  # type: ignore[misc]
    """The HTTP client given to SendGrid's SDK: `post` returns an awaitable, which `SendGridAPIClient.send` hands on.

    The SDK's own opens a connection and a TLS context for each call, has no timeout, and formats the payload for a
    debug log whether or not one is wanted.
    """

    def __init__(self, connections: Connections, *, host: str, headers: dict[str, str], path: tuple[str, ...]) -> None:
        super().__init__(host=host, request_headers=headers, version=3, url_path=list(path))
        self._connections = connections

    def _build_client(self, name: str | None = None) -> "AioSendGridClient":
        path = (*self._url_path, name) if name else tuple(self._url_path)
        return AioSendGridClient(self._connections, host=self.host, headers=self.request_headers, path=path)

    async def post(self, request_body: dict[str, Any]) -> SendGridResponse:
        """One POST. Raises the SDK's exceptions for any status but 2xx, and what our connections raise."""
        return await self._exchange("POST", orjson.dumps(request_body))

    async def get(self) -> SendGridResponse:
        """One GET, as `post`."""
        return await self._exchange("GET", b"")

    async def _exchange(self, method: str, body: bytes) -> SendGridResponse:
        answer = await self._connections.request(method, self._build_url(None), self.request_headers, body)
        exchange = _Exchange(answer.status, answer.reason, answer.body, answer.headers)
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
        case NotSent():
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
