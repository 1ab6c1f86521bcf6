"""Our HTTP process, really listening, and a provider's way to call it: signed by the vendors' own means."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
import uvicorn
from twilio.request_validator import RequestValidator

from channels.sandbox.settings import AUTH_TOKEN
from channels.sandbox.signing import PRIVATE_KEY_FILE, EventSigner
from tests.loop_thread import LoopThread
from tests.runtime.house import House, until
from worker.api.app import make_app
from worker.runtime.bootstrap import Runtime

PUBLIC = "https://campaigns.example.com/hooks"
"""Where providers reach us, they were told: not what our process sees."""

SMS, VOICE, ANSWER, EVENTS = (
    "/webhooks/twilio/sms",
    "/webhooks/twilio/voice",
    "/webhooks/twilio/answer",
    "/webhooks/sendgrid/events",
)
OURS = "+15550001111"


class Port:
    """A port of our own, bound before anybody listens, so that it can be told around."""

    def __init__(self) -> None:
        # Named, or asyncio does not know it for TCP and leaves Nagle on: 40 ms for each answer on a kept connection.
        self.socket = socket.socket(proto=socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - nobody tells when uvicorn's own state changes
        await asyncio.sleep(0.005)


class Server(uvicorn.Server):
    """Ends at once when it should and nobody is served any more; uvicorn's own takes two tenths of a second."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await _until(lambda: self.should_exit)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        await _until(lambda: not (state.connections or state.tasks))
        await self.lifespan.shutdown()


class Web:
    """The process and its callers."""

    def __init__(self, beside: LoopThread, port: Port, make_runtime: Callable[[], Runtime]) -> None:
        self.url, self._beside = port.url, beside
        config = uvicorn.Config(make_app(make_runtime), log_config=None, access_log=False, lifespan="on")
        self._server = Server(config)
        self._serving = None
        beside.run(self._open(port))
        until(lambda: self._server.started, "the HTTP process")

    async def _open(self, port: Port) -> None:
        self._serving = self._beside.loop.create_task(self._server.serve(sockets=[port.socket]))

    def close(self) -> None:
        self._server.should_exit = True
        self._beside.run(self._closed())

    async def _closed(self) -> None:
        await self._serving

    def post(self, target: str, body: str | bytes, headers: Mapping[str, str]) -> requests.Response:
        return requests.post(self.url + target, data=body, headers=headers, timeout=10)

    def twilio(
        self, target: str, form: Mapping[str, str], *, token: str = AUTH_TOKEN, signed_for: str = PUBLIC
    ) -> requests.Response:
        """A form as Twilio posts it."""
        signature = RequestValidator(token).compute_signature(signed_for + target, form)
        return requests.post(self.url + target, data=form, headers={"X-Twilio-Signature": signature}, timeout=10)

    def text_status(self, attempt_id: str, status: str, sid: str = "SM1", **form: str) -> requests.Response:
        """News about one of our texts."""
        return self.twilio(f"{SMS}?attempt={attempt_id}", {"MessageSid": sid, "MessageStatus": status, **form})

    def inbound(self, sender: str, body: str, sid: str = "SM9", **form: str) -> requests.Response:
        """A text from a person."""
        return self.twilio(SMS, {"MessageSid": sid, "From": sender, "To": OURS, "Body": body, **form})

    def answer(self, attempt_id: str, answered_by: str, **form: str) -> requests.Response:
        """The question what to say."""
        fields = {"CallSid": "CA1", "CallStatus": "in-progress", "AnsweredBy": answered_by, **form}
        return self.twilio(f"{ANSWER}?attempt={attempt_id}", fields)

    def events(self, house: House, *events: Mapping[str, Any], at: float | None = None) -> requests.Response:
        """A batch of mail events, as SendGrid posts it."""
        body = json.dumps(events).encode()
        return self.post(EVENTS, body, signed_events(house, body, at))


def signed_events(house: House, body: bytes, at: float | None = None) -> dict[str, str]:
    """SendGrid's signature headers for these bytes."""
    timestamp = str(int(time.time() if at is None else at))
    signer = EventSigner((house.folder / PRIVATE_KEY_FILE).read_bytes())
    return {
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        "X-Twilio-Email-Event-Webhook-Signature": signer.sign(timestamp, body),
    }
