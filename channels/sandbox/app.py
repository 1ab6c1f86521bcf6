"""Builds a sandbox from its settings, opens its port, and closes it again.

1. Nothing runs before `start`, nothing is left running after `stop`; stopping does not wait for messages under way.
2. The ledger is opened for appending: a second start in the same folder goes on with it. Messages of before are gone.
"""

import asyncio
import errno
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from channels.sandbox.account_api import AccountApi
from channels.sandbox.agenda import Agenda
from channels.sandbox.callbacks import Courier
from channels.sandbox.calls_api import CallsApi
from channels.sandbox.control_api import ControlApi
from channels.sandbox.core import Core, Refused
from channels.sandbox.faults import FaultPlan
from channels.sandbox.ledger import FILE_NAME, Ledger
from channels.sandbox.mail_api import MOST_BYTES, MailApi, SendGrid
from channels.sandbox.messages_api import MessagesApi
from channels.sandbox.people import load_people
from channels.sandbox.records import Shelf
from channels.sandbox.settings import SandboxSettings
from channels.sandbox.signing import load_event_signer
from channels.sandbox.twilio_wire import VERSION, Twilio

_ACCOUNT: Final = f"/{VERSION}/Accounts/{{account}}"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PortInUse(OSError):
    """Another program listens on the port; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A sandbox that answers at `url`. `sendgrid_public_key` verifies its mail events."""

    url: str
    ledger_path: Path
    sendgrid_public_key: str
    _core: Core = field(repr=False)
    _runner: web.AppRunner = field(repr=False)

    async def stop(self) -> None:
        """Close the port and the ledger at once. What was planned does not happen."""
        self._core.agenda.close()
        await self._core.courier.close()
        await self._runner.cleanup()
        self._core.ledger.close()


async def start(settings: SandboxSettings) -> RunningSandbox:
    """Start a sandbox in this event loop. Raises PortInUse, BadPeople, BadKey or OSError, with nothing left open."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    people = load_people(settings.people_file, settings.seed)
    signer = load_event_signer(settings.data_dir, settings.sendgrid_private_key)
    agenda = Agenda(settings.speed)
    ledger = Ledger(settings.data_dir / FILE_NAME, fsync=settings.ledger_fsync)
    faults = FaultPlan(settings.faults, settings.seed)
    connections, waiting = settings.callback_connections, settings.callbacks_waiting
    core = Core(
        settings=settings,
        agenda=agenda,
        courier=Courier(agenda, ledger, faults, connections=connections, waiting=waiting),
        faults=faults,
        ledger=ledger,
        people=people,
        signer=signer,
        messages=Shelf(settings.retention),
        calls=Shelf(settings.retention),
    )
    runner = web.AppRunner(
        _application(core), access_log=None, handler_cancellation=True, shutdown_timeout=0.05, keepalive_timeout=75
    )
    running = RunningSandbox(
        url="",
        ledger_path=ledger.path,
        sendgrid_public_key=signer.public_key,
        _core=core,
        _runner=runner,
    )
    try:
        port = await _listen(runner, settings)
    except OSError:
        await running.stop()
        raise
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return RunningSandbox(
        url=f"http://{host}:{port}",
        ledger_path=ledger.path,
        sendgrid_public_key=signer.public_key,
        _core=core,
        _runner=runner,
    )


async def serve(settings: SandboxSettings, ready: Callable[[RunningSandbox], None] = lambda _: None) -> None:
    """Run a sandbox until SIGTERM or SIGINT. `ready` is told once it answers."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows has no signal handlers in its loop; Ctrl-C ends it there
            loop.add_signal_handler(number, over.set)
    sandbox = await start(settings)
    try:
        ready(sandbox)
        await over.wait()
    finally:
        await sandbox.stop()


async def _listen(runner: web.AppRunner, settings: SandboxSettings) -> int:
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                errno.EADDRINUSE,
                f"port {settings.port} on {settings.host} is in use; stop what listens there, or choose another --port",
            ) from error
        raise
    return int(runner.addresses[0][1])


def _application(core: Core) -> web.Application:
    twilio = Twilio(core.settings)
    messages, calls = MessagesApi(core, twilio), CallsApi(core, twilio)
    sendgrid = SendGrid(core.settings)
    mail, control = MailApi(core, sendgrid), ControlApi(core, messages.life)
    account = AccountApi(core, twilio, sendgrid)
    app = web.Application(client_max_size=MOST_BYTES)
    for resource, api in (("Messages", messages), ("Calls", calls)):
        app.router.add_routes(
            [
                web.post(f"{_ACCOUNT}/{resource}.json", api.create),
                web.get(f"{_ACCOUNT}/{resource}.json", _answering(twilio, api.list)),
                web.get(f"{_ACCOUNT}/{resource}/{{sid}}.json", _answering(twilio, api.fetch)),
                web.post(f"{_ACCOUNT}/{resource}/{{sid}}.json", _answering(twilio, api.update)),
                web.delete(f"{_ACCOUNT}/{resource}/{{sid}}.json", _answering(twilio, api.delete)),
            ]
        )
    for resource, key in (
        ("IncomingPhoneNumbers", "incoming_phone_numbers"),
        ("OutgoingCallerIds", "outgoing_caller_ids"),
    ):
        app.router.add_get(f"{_ACCOUNT}/{resource}.json", _answering(twilio, account.numbers(key)))
    app.router.add_routes(
        [
            web.get(f"{_ACCOUNT}.json", _answering(twilio, account.fetch)),
            web.get("/v3/scopes", account.scopes),
            web.post("/v3/mail/send", mail.send),
            web.get("/sandbox/health", control.health),
            web.get("/sandbox/keys", control.keys),
            web.get("/sandbox/ledger", control.ledger),
            web.get("/sandbox/faults", control.show_faults),
            web.post("/sandbox/faults", control.change_faults),
            web.post("/sandbox/replies", control.reply),
        ]
    )
    return app


def _answering(twilio: Twilio, handler: Handler) -> Handler:
    """Turn Refused into Twilio's error."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return twilio.answer(refused)

    return answer
