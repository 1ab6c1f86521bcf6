"""Mail through SendGrid. API: twilio.com/docs/sendgrid/api-reference/mail-send.

1. 202 with an `X-Message-Id` is ACCEPTED; what became of each mail is told by events only.
2. A request is taken or refused as a whole. After a refusal that names its culprits, or whose culprits can be found by
   halving, the rest is sent again: a 400 and a 413 sent nothing. A mail that would be refused for a header is refused
   here, and stands in nobody's way.
3. SendGrid cannot be asked about a mail without a paid add-on: `find` never knows.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import orjson
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from channels.base import Callback, Capabilities, Probe, Standing
from channels.connections import Connections, begun_by
from channels.email.sendgrid_events import receipts_of
from channels.email.sendgrid_request import MOST_RECIPIENTS, MailRequest, plan
from channels.errors import expect
from channels.messages import ChannelKind, Email
from channels.results import Certainty, Reason, Receipt, Reply, SendResult, Sighting
from channels.transport import (
    AioSendGridClient,
    certainty_of,
    certainty_of_status,
    retry_after,
)
from channels.vendors.sendgrid import SendGridSettings, SendGridWebhooks

_ACCEPTED: Final = 202
_MAY_SEND: Final = "mail.send"
_DIVISIBLE: Final = {400: Reason.OTHER, 413: Reason.CONTENT}
"""Refusals that can be the fault of one recipient, and why a single one is refused with it."""
_INDEXED: Final = re.compile(r"personalizations[.\[](\d+)\]?[.\[](\w+)", re.ASCII)

FORBIDDEN_HEADERS: Final = frozenset(
    {
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
        *("to", "from", "subject", "reply-to", "cc", "bcc"),
    }
)
"""Headers SendGrid writes itself; one of them refuses the whole request."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A refusal of a request as a whole. `culprits`: place in the request -> why it alone is refused."""

    status: int
    culprits: Mapping[int, Reason]
    shared: Reason | None
    """Why every recipient is refused, where the fault is in what they share."""
    otherwise: Reason
    """Why a single recipient is refused, where nothing names the fault."""

    def result(self, reason: Reason) -> SendResult:
        return SendResult(certainty=Certainty.REFUSED, reason=reason, code=str(self.status))


class SendGridEmail:
    """The email channel of one SendGrid account."""

    name = "sendgrid-email"
    kind = ChannelKind.EMAIL
    can = Capabilities(batch=MOST_RECIPIENTS)

    def __init__(self, settings: SendGridSettings) -> None:
        self._connections = Connections(
            limit=settings.max_in_flight,
            timeout_seconds=settings.timeout_seconds,
            connect_timeout_seconds=settings.connect_timeout_seconds,
        )
        self._api = SendGridAPIClient(settings.api_key, host=settings.base_url)
        headers = {**self._api.client.request_headers, "Content-Type": "application/json"}
        self._api.client = AioSendGridClient(self._connections, host=settings.base_url, headers=headers, path=())
        self._webhooks = SendGridWebhooks(settings)

    async def send(self, messages: Sequence[Email]) -> Sequence[SendResult]:
        """Send all in as few requests as they fit in. Ends within two timeouts; what did not start by then is NOT_SENT.

        `provider_ref` is the id of the request; where it carried several mails, with the place of this one after it.
        """
        expect(messages, Email)
        until = self._connections.deadline()
        results = dict(_refused_here(messages))
        sendable = {position: message for position, message in enumerate(messages) if position not in results}
        await asyncio.gather(*(self._deliver(request, until, results) for request in plan(sendable)))
        return [results[position] for position in range(len(messages))]

    async def _deliver(self, request: MailRequest, until: float, results: dict[int, SendResult]) -> None:
        """Send until every recipient has a result."""
        pending = [request]
        while pending:
            request = pending.pop()
            answer = await self._post(request, until)
            if isinstance(answer, SendResult):
                results.update(_shared(request, answer))
                continue
            if answer.shared is not None:
                results.update(_shared(request, answer.result(answer.shared)))
            elif answer.culprits:
                for place, reason in answer.culprits.items():
                    results[request.recipients[place].position] = answer.result(reason)
                if (rest := request.without(answer.culprits)).recipients:
                    pending.append(rest)
            elif len(request.recipients) > 1:
                pending.extend(request.halves())
            else:
                results.update(_shared(request, answer.result(answer.otherwise)))

    async def _post(self, request: MailRequest, until: float) -> SendResult | _Refusal:
        """One request. A result holds for all its recipients."""
        try:
            body = request.body()
            with begun_by(until):
                response = await self._api.send(body)
        except HTTPError as error:
            if error.status_code in _DIVISIBLE:
                return _refusal(error.status_code, error.body, len(request.recipients))
            certainty, reason = certainty_of_status(error.status_code)
            wait = retry_after(error.headers) if certainty is Certainty.NOT_SENT else None
            return SendResult(certainty=certainty, reason=reason, code=str(error.status_code), retry_after=wait)
        except Exception as error:  # noqa: BLE001 - whatever broke, the results of the other requests must survive
            certainty, reason = certainty_of(error)
            return SendResult(certainty=certainty, reason=reason)
        reference = response.headers.get("X-Message-Id", "")
        if response.status_code != _ACCEPTED or not reference:
            unread = Reason.PROVIDER_ERROR
            return SendResult(certainty=Certainty.UNKNOWN, reason=unread, code=str(response.status_code))
        return SendResult(certainty=Certainty.ACCEPTED, provider_ref=reference)

    async def find(self, message: Email, *, since: datetime) -> Sighting:  # noqa: ARG002 - the contract's signature
        """Never knows: wait for the events, they carry our attempt id."""
        return Sighting(seen=None)

    async def probe(self, senders: Sequence[str] = ()) -> Probe:  # noqa: ARG002 - verified senders need another right
        """Ask which rights the key has."""
        try:
            response = await self._api.client.scopes.get()
            scopes = orjson.loads(response.body)["scopes"]
        except HTTPError as error:
            if error.status_code == HTTPStatus.UNAUTHORIZED:
                return Probe(standing=Standing.REFUSED, sentence="SendGrid does not know the API key")
            return Probe(standing=Standing.UNREACHABLE, sentence=f"SendGrid answered {error.status_code}")
        except Exception as error:  # noqa: BLE001 - whatever broke, the honest answer is that we could not ask
            return Probe(standing=Standing.UNREACHABLE, sentence=f"SendGrid cannot be asked: {type(error).__name__}")
        if _MAY_SEND not in scopes:
            return Probe(standing=Standing.REFUSED, sentence="the API key lacks SendGrid's Mail Send permission")
        return Probe(standing=Standing.OK)

    def receive(self, callback: Callback) -> Sequence[Receipt | Reply]:
        """The events of a batch, each a receipt."""
        self._webhooks.verify(callback)
        return receipts_of(callback.body)

    async def close(self) -> None:
        await self._connections.close()


def _refused_here(messages: Sequence[Email]) -> Iterator[tuple[int, SendResult]]:
    """The mails that have a header SendGrid writes itself."""
    for position, message in enumerate(messages):
        if forbidden := FORBIDDEN_HEADERS.intersection(map(str.lower, message.headers)):
            code = f"header:{min(forbidden)}"
            yield position, SendResult(certainty=Certainty.REFUSED, reason=Reason.CONTENT, code=code)


def _shared(request: MailRequest, result: SendResult) -> Iterator[tuple[int, SendResult]]:
    """The result of a request for each of its recipients, with a reference of their own where several share one."""
    several = len(request.recipients) > 1 and result.provider_ref
    for place, recipient in enumerate(request.recipients):
        yield recipient.position, _numbered(result, place) if several else result


def _numbered(result: SendResult, place: int) -> SendResult:
    return SendResult(certainty=result.certainty, provider_ref=f"{result.provider_ref}/{place}")


def _refusal(status: int, body: bytes, recipients: int) -> _Refusal:
    """Who or what is at fault, by the `field` of each error."""
    culprits: dict[int, Reason] = {}
    shared: Reason | None = None
    for name in _fields(body):
        if indexed := _INDEXED.match(name):
            if (place := int(indexed[1])) < recipients:
                culprits[place] = Reason.INVALID_ADDRESS if indexed[2] == "to" else Reason.CONTENT
        elif name.startswith(("from", "reply_to")):
            shared = Reason.CONFIGURATION
        elif name.startswith(("content", "subject")):
            shared = Reason.CONTENT
    return _Refusal(status, culprits, shared, _DIVISIBLE[status])


def _fields(body: bytes) -> list[str]:
    """The `field` of each error in an answer; a 413 is HTML and has none."""
    try:
        answer: Any = orjson.loads(body)
        return [str(error.get("field") or "") for error in answer["errors"]]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return []
