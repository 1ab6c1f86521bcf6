"""A sandbox and a receiver of callbacks: real servers on loopback, in a thread of their own, for sync SDKs to call."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from channels.sandbox import RunningSandbox, SandboxSettings, read_ledger, start
from channels.sandbox.settings import ACCOUNT_SID, AUTH_TOKEN
from tests.loop_thread import DEADLINE_SECONDS, LoopThread


@dataclass(frozen=True)
class Received:
    """One request the receiver got. `url` is as the caller wrote it."""

    url: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Receiver:
    """What we would be: takes callbacks. `answers`: HTTP statuses for the next ones; then 204. `twiml`: for /twiml.

    `seconds`: how long it takes to answer.
    """

    url: str = ""
    seconds: float = 0.0
    received: list[Received] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    twiml: str = "<Response><Say>Hello</Say></Response>"

    async def take(self, request: web.Request) -> web.Response:
        url = self.url + request.raw_path
        self.received.append(Received(url, request.path, dict(request.headers), await request.read()))
        await asyncio.sleep(self.seconds)
        if self.answers:
            return web.Response(status=self.answers.popleft())
        if request.path == "/twiml":
            return web.Response(text=self.twiml, content_type="text/xml")
        return web.Response(status=204)

    def forms(self, path: str) -> list[dict[str, str]]:
        return [call.form for call in list(self.received) if call.path == path]


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox, as a test sees it."""

    running: RunningSandbox

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def ledger_path(self) -> Path:
        return self.running.ledger_path

    def twilio(self, token: str = AUTH_TOKEN) -> Client:
        """The vendor's own sync client, pointed at this sandbox."""
        twilio = Client(ACCOUNT_SID, token)
        twilio.api.base_url = self.url
        return twilio

    def lines(self, kind: str) -> list[Mapping[str, Any]]:
        """The ledger's lines of one kind."""
        return [line for line in read_ledger(self.ledger_path) if line["kind"] == kind]


def _until(holds: Callable[[], Any], what: str = "it") -> Any:
    """Poll until something holds, and return it."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if result := holds():
            return result
        time.sleep(0.005)
    pytest.fail(f"waited {DEADLINE_SECONDS} s for {what}")


@pytest.fixture
def until() -> Callable[..., Any]:
    return _until


@pytest.fixture
def beside() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture
def receiver(beside: LoopThread) -> Iterator[Receiver]:
    receiver = Receiver()

    async def open_port() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", receiver.take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = beside.run(open_port())
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    beside.run(runner.cleanup())


@pytest.fixture
def open_sandbox(beside: LoopThread, receiver: Receiver, tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Start a sandbox with these settings, two hundred times faster than a provider unless they say otherwise."""
    opened: list[RunningSandbox] = []

    def open_one(**settings: Any) -> Sandbox:
        defaults = {
            "data_dir": tmp_path,
            "speed": 200.0,
            "sms_inbound_url": f"{receiver.url}/inbound",
            "sendgrid_events_url": f"{receiver.url}/events",
        }
        sandbox: RunningSandbox = beside.run(start(SandboxSettings(**{**defaults, **settings})))
        opened.append(sandbox)
        return Sandbox(sandbox)

    yield open_one
    for sandbox in opened:
        beside.run(sandbox.stop())


@pytest.fixture
def refusal() -> Callable[[Callable[[], Any]], TwilioRestException]:
    """The vendor's exception that an action raises."""

    def catch(action: Callable[[], Any]) -> TwilioRestException:
        with pytest.raises(TwilioRestException) as caught:
            action()
        return caught.value

    return catch
