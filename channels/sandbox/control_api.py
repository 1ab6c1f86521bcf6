"""The sandbox's own resources, under /sandbox: what a test or a person asks it that no provider would answer.

1. They are open to whoever reaches the port; the sandbox listens on loopback unless told otherwise.
2. No answer shows the auth token, the API key or the private key.
"""

import asyncio
from dataclasses import asdict

import orjson
from aiohttp import web

from channels.sandbox.core import Core
from channels.sandbox.faults import BadFaults, faults_from
from channels.sandbox.ledger import read_ledger, summarize
from channels.sandbox.message_life import MessageLife
from channels.sandbox.twilio_wire import NUMBER, as_json


class ControlApi:
    """Answers requests to /sandbox."""

    def __init__(self, core: Core, life: MessageLife) -> None:
        self._core = core
        self._life = life

    async def health(self, _: web.Request) -> web.Response:
        """GET /sandbox/health: how much it holds, and how much is still to come."""
        core = self._core
        return as_json(
            {
                "status": "ok",
                "messages": len(core.messages),
                "calls": len(core.calls),
                "planned": len(core.agenda),
                "callbacks_waiting": len(core.courier),
            }
        )

    async def keys(self, _: web.Request) -> web.Response:
        """GET /sandbox/keys: what our side needs to verify callbacks."""
        core = self._core
        return as_json({"sendgrid_public_key": core.signer.public_key, "twilio_account_sid": core.settings.account_sid})

    async def ledger(self, _: web.Request) -> web.Response:
        """GET /sandbox/ledger: the ledger in numbers, read from the file beside the work of the event loop."""
        path = self._core.ledger.path
        summary = await asyncio.to_thread(lambda: summarize(read_ledger(path)))
        return as_json({"path": str(path), **asdict(summary)})

    async def show_faults(self, _: web.Request) -> web.Response:
        """GET /sandbox/faults"""
        plan = self._core.faults
        faults = {**asdict(plan.faults), "channels": sorted(plan.faults.channels)}
        return as_json({**faults, "seed": plan.seed})

    async def change_faults(self, request: web.Request) -> web.Response:
        """POST /sandbox/faults: the fields of Faults, and `seed`. What is not named is off. Counters start over."""
        try:
            document = orjson.loads(await request.read())
            if not isinstance(document, dict):
                raise BadFaults("expected a JSON object")
            seed = int(document.pop("seed", self._core.faults.seed))
            self._core.faults.change(faults_from(document), seed)
        except (ValueError, TypeError) as error:  # BadFaults and JSON errors are ValueErrors
            return as_json({"error": str(error)}, 400)
        return await self.show_faults(request)

    async def reply(self, request: web.Request) -> web.Response:
        """POST /sandbox/replies {person, to, body}: let a person text us, whatever their script says."""
        try:
            document = orjson.loads(await request.read())
            person, ours, body = document["person"], document["to"], document["body"]
        except (ValueError, TypeError, KeyError):
            return as_json({"error": "expected {person, to, body}"}, 400)
        if not isinstance(person, str) or not NUMBER.fullmatch(person) or not isinstance(body, str):
            return as_json({"error": "person: expected a number in E.164; body: some text"}, 400)
        return as_json({"sid": self._life.person_texts(person, str(ours), body)}, 201)
