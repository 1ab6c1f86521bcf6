"""The courier: carries callbacks to us, signed, over one pool of kept-alive connections.

1. A bounded number is under way at once; the rest waits in memory, bounded too.
2. What is not answered is tried again, at least three times, with short pauses. A 2xx ends it.
3. Every try is a line of the ledger.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, assert_never
from urllib.parse import parse_qsl, urlencode

import aiohttp
import orjson
from yarl import URL

from channels.sandbox.agenda import Agenda
from channels.sandbox.faults import CallbackFault, FaultPlan
from channels.sandbox.ledger import Ledger, LineKind
from channels.sandbox.signing import EventSigner, sign_twilio

_ANSWER_SECONDS: Final = 15.0
"""How long Twilio waits for an answer by default; real seconds."""
_RETRIES: Final = 3
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Real seconds before the first, second … retry."""
_DUPLICATE_SECONDS: Final = 0.2

Then = Callable[[int, bytes], None]
"""Told the HTTP status (0: no answer) and the body of the last try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One HTTP request of the sandbox."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


class Callback(Protocol):
    """What the courier carries."""

    @property
    def line(self) -> Mapping[str, Any]:
        """Its fields in the ledger: channel, ref, attempt, status."""

    @property
    def retries(self) -> int:
        """How often it is tried after the first time."""

    def outgoing(self) -> Outgoing:
        """The request to make now, signed."""

    def worth_retrying(self, http: int) -> bool:
        """Whether an answer with this HTTP status (0: none) is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioCallback:
    """A form, sent as Twilio does. `url` may carry settings in its fragment (#rc=5&rp=all), which is not signed."""

    url: str = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    auth_token: str = field(repr=False)
    line: Mapping[str, Any] = field(repr=False)
    method: str = "POST"

    @property
    def retries(self) -> int:
        """As many as the fragment says (#rc), three at least."""
        wish = self._wishes().get("rc", "")
        return max(_RETRIES, min(int(wish), 5)) if wish.isdigit() else _RETRIES

    def outgoing(self) -> Outgoing:
        """A form POST, or a GET with the form as its query."""
        url = self.url.partition("#")[0]
        headers = {"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"}
        if self.method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(self.form)
            headers["X-Twilio-Signature"] = sign_twilio(self.auth_token, url, {})
            return Outgoing(method="GET", url=url, headers=headers, body=None)
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        headers["X-Twilio-Signature"] = sign_twilio(self.auth_token, url, self.form)
        return Outgoing(method="POST", url=url, headers=headers, body=urlencode(self.form).encode())

    def worth_retrying(self, http: int) -> bool:
        """No answer and 5xx always; 4xx where the fragment asks for it (#rp=4xx or #rp=all)."""
        policies = set(self._wishes().get("rp", "").split(","))
        return _is_lost(http) or (http >= 400 and not policies.isdisjoint({"4xx", "all"}))  # noqa: PLR2004 - HTTP

    def _wishes(self) -> dict[str, str]:
        return dict(parse_qsl(self.url.partition("#")[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Mail events, posted as one JSON array with SendGrid's line ends, which are part of what is signed.

    `attempts`: our id of each event's mail.
    """

    url: str = field(repr=False)
    events: Sequence[Mapping[str, Any]] = field(repr=False)
    attempts: Sequence[str]
    signer: EventSigner = field(repr=False)
    retries: int = 5

    @property
    def line(self) -> Mapping[str, Any]:
        """A batch is one line, which names the attempts it tells of."""
        line = {"channel": "email", "ref": "", "attempt": "", "status": "batch", "events": len(self.events)}
        return {**line, "attempts": self.attempts}

    def outgoing(self) -> Outgoing:
        """Signed anew at every try, as the timestamp is part of it."""
        body = b"[" + b",\r\n".join(orjson.dumps(event) for event in self.events) + b"]\r\n"
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json;charset=utf-8",
            "User-Agent": "SendGrid Event API",
            "X-Twilio-Email-Event-Webhook-Signature": self.signer.sign(timestamp, body),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
        return Outgoing(method="POST", url=self.url, headers=headers, body=body)

    def worth_retrying(self, http: int) -> bool:
        """Anything but a 2xx."""
        return http // 100 != 2  # noqa: PLR2004 - HTTP


@dataclass(slots=True)
class _Job:
    callback: Callback
    then: Then | None
    tries: int = 0


class Courier:
    """Carries callbacks. Made and closed inside one event loop."""

    def __init__(self, agenda: Agenda, ledger: Ledger, faults: FaultPlan, *, connections: int, waiting: int) -> None:
        self._agenda = agenda
        self._ledger = ledger
        self._faults = faults
        self._waiting = waiting
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )
        self._carriers = [asyncio.create_task(self._carry_on()) for _ in range(connections)]

    def __len__(self) -> int:
        return self._queue.qsize()

    def tell(self, channel: str, callback: Callback) -> None:
        """Carry a callback, or lose, double or delay it as the faults have it."""
        fault = self._faults.draw_callback(channel)
        if fault is not CallbackFault.NONE:
            self._ledger.write([{"kind": LineKind.FAULT, **callback.line, "fault": fault}])
        match fault:
            case CallbackFault.NONE:
                self.carry(callback)
            case CallbackFault.CALLBACK_MISSING:
                pass
            case CallbackFault.CALLBACK_DUPLICATE:
                self.carry(callback)
                self._agenda.after_real(_DUPLICATE_SECONDS, lambda: self.carry(callback))
            case CallbackFault.CALLBACK_REORDERED:
                self._agenda.after_real(self._faults.faults.reorder_seconds, lambda: self.carry(callback))
            case _:
                assert_never(fault)

    def carry(self, callback: Callback, then: Then | None = None) -> None:
        """Carry a callback; `then` hears how it ended."""
        if self._queue.qsize() >= self._waiting:
            self._ledger.write([{"kind": LineKind.FAULT, **callback.line, "fault": "too_many_callbacks_waiting"}])
            if then:
                then(0, b"")
            return
        self._queue.put_nowait(_Job(callback, then))

    async def carried(self, callback: Callback, seconds: float) -> None:
        """Carry a callback without faults and wait for its end, so many real seconds at most."""
        ended = asyncio.Event()
        self.carry(callback, lambda _http, _body: ended.set())
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), seconds)

    async def close(self) -> None:
        """Stop at once; what still waits is dropped."""
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)
        await self._session.close()

    async def _carry_on(self) -> None:
        while True:
            job = await self._queue.get()
            job.tries += 1
            asked = time.perf_counter()
            http, body = await self._try(job.callback.outgoing())
            line = {"http": http, "ms": round((time.perf_counter() - asked) * 1000, 1), "try": job.tries}
            self._ledger.write([{"kind": LineKind.CALLBACK, **job.callback.line, **line}])
            if job.tries <= job.callback.retries and job.callback.worth_retrying(http):
                pause = _PAUSES[min(job.tries, len(_PAUSES)) - 1]
                self._agenda.after_real(pause, lambda job=job: self._queue.put_nowait(job))  # type: ignore[misc]
            elif job.then:
                job.then(http, body)

    async def _try(self, outgoing: Outgoing) -> tuple[int, bytes]:
        """The HTTP status and body; 0 where no answer came. The URL goes out as it was given, not re-quoted."""
        try:
            async with self._session.request(
                outgoing.method,
                URL(outgoing.url, encoded=True),
                data=outgoing.body,
                headers=outgoing.headers,
                allow_redirects=False,
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, b""


def _is_lost(http: int) -> bool:
    return http == 0 or http >= 500  # noqa: PLR2004 - HTTP
