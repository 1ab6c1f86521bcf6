"""What all parts of one running sandbox share, and the one way every create request goes.

1. The credentials are checked, then the fault is drawn, then the request is read and accepted or refused.
2. Accepting is one synchronous act: it is recorded, in memory and in the ledger, before anything is answered.
3. A request that is refused has contacted nobody; one that was accepted stays accepted, whatever the answer looks like.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never
from urllib.parse import parse_qsl

from aiohttp import web

from channels.sandbox.agenda import Agenda
from channels.sandbox.callbacks import Courier
from channels.sandbox.faults import FaultPlan, RequestFault
from channels.sandbox.ledger import Ledger, LineKind
from channels.sandbox.people import People
from channels.sandbox.records import CallRecord, MessageRecord, Shelf
from channels.sandbox.settings import SandboxSettings
from channels.sandbox.signing import EventSigner

_ATTEMPT_NAMES: Final = ("attempt", "attempt_id", "job", "job_id")
"""Where our reference is looked for, in a callback URL's query or in custom_args; the first that is there."""


@dataclass(kw_only=True)
class Core:
    """The organs of one sandbox."""

    settings: SandboxSettings
    agenda: Agenda
    courier: Courier
    faults: FaultPlan
    ledger: Ledger
    people: People
    signer: EventSigner
    messages: Shelf[MessageRecord]
    calls: Shelf[CallRecord]
    opt_outs: set[tuple[str, str]] = field(default_factory=set, repr=False)
    """(our sender or messaging service, person) pairs that said STOP."""
    suppressed: dict[str, str] = field(default_factory=dict, repr=False)
    """Mailbox -> why later mails to it are dropped."""


class Refused(Exception):
    """The request is turned down. `code`: Twilio's error code or SendGrid's field; `document`: the answer."""

    def __init__(self, http: int, code: str, document: object) -> None:
        super().__init__(f"{http} {code}")
        self.http = http
        self.code = code
        self.document = document


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What was taken. `early`: delivers the first callback and returns when it was answered."""

    refs: Sequence[str]
    response: Callable[[], web.Response]
    early: Callable[[], Awaitable[None]]


class Vendor(Protocol):
    """How one vendor checks credentials and words its errors."""

    def check(self, request: web.Request) -> None:
        """Raise Refused where the credentials are wrong."""

    def refusal(self, fault: RequestFault, retry_after: int) -> web.Response:
        """The answer for refuse_429, refuse_503 and accept_then_500."""

    def answer(self, refused: Refused) -> web.Response:
        """The answer for a request that was turned down."""


async def create(
    core: Core, vendor: Vendor, channel: str, request: web.Request, accept: Callable[[bytes], Accepted]
) -> web.StreamResponse:
    """Handle one create request: `accept` reads the body and takes it, or raises Refused."""
    try:
        vendor.check(request)
        fault = core.faults.draw_request(channel)
        if fault in {RequestFault.REFUSE_429, RequestFault.REFUSE_503}:
            _note_fault(core, channel, fault, [""])
            return vendor.refusal(fault, core.faults.faults.retry_after_seconds)
        accepted = accept(await request.read())
    except Refused as refused:
        core.ledger.write([{"kind": LineKind.REFUSED, "channel": channel, "code": refused.code, "http": refused.http}])
        return vendor.answer(refused)
    if core.settings.latency_seconds:
        await asyncio.sleep(core.settings.latency_seconds)
    if fault is RequestFault.NONE:
        return accepted.response()
    _note_fault(core, channel, fault, accepted.refs)
    return await _misbehave(core, vendor, request, fault, accepted)


async def _misbehave(
    core: Core, vendor: Vendor, request: web.Request, fault: RequestFault, accepted: Accepted
) -> web.StreamResponse:
    match fault:
        case RequestFault.ACCEPT_THEN_TIMEOUT:
            await asyncio.sleep(core.faults.faults.hang_seconds)
            _reset(request)
        case RequestFault.ACCEPT_THEN_RESET:
            _reset(request)
        case RequestFault.ACCEPT_THEN_500:
            return vendor.refusal(fault, 0)
        case RequestFault.SLOW:
            await asyncio.sleep(core.faults.faults.slow_seconds)
        case RequestFault.EARLY_CALLBACK:
            await accepted.early()
        case RequestFault.NONE | RequestFault.REFUSE_429 | RequestFault.REFUSE_503:
            pass
        case _:
            assert_never(fault)
    return accepted.response()


def _note_fault(core: Core, channel: str, fault: RequestFault, refs: Sequence[str]) -> None:
    core.ledger.write({"kind": LineKind.FAULT, "channel": channel, "ref": ref, "fault": fault} for ref in refs)


def _reset(request: web.Request) -> None:
    """Drop the connection with a TCP reset, so that the client cannot take it for an orderly end."""
    transport = request.transport
    if transport is None:
        return
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def attempt_in_url(*urls: str) -> str:
    """Our attempt id in the query of the first URL that has one, else an empty text."""
    for url in urls:
        query = dict(parse_qsl(url.partition("#")[0].partition("?")[2]))
        if attempt := attempt_in(query):
            return attempt
    return ""


def attempt_in(values: Mapping[str, str]) -> str:
    """Our attempt id among named values such as custom_args, else an empty text."""
    return next((values[name] for name in _ATTEMPT_NAMES if name in values), "")
