"""SendGrid's mail/send.

1. 202 with X-Message-Id and an empty body; 200 in the vendor's own sandbox mode, where nothing is delivered or told.
2. A request over 30 MB meets the web server in front of the API: 413, in HTML.
"""

import hmac
import secrets
import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

import orjson
from aiohttp import web

from channels.sandbox.core import Accepted, Core, Refused, attempt_in, create
from channels.sandbox.faults import RequestFault
from channels.sandbox.ledger import LineKind
from channels.sandbox.mail_life import MailLife, Recipient
from channels.sandbox.mail_request import Mail, hash_text, read_mail, refuse
from channels.sandbox.settings import SandboxSettings

MOST_BYTES: Final = 30 * 1024 * 1024
_TOO_LARGE: Final = (
    "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
    "<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class SendGrid:
    """SendGrid as a vendor of create requests."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._authorization = f"Bearer {settings.api_key}".encode()

    def check(self, request: web.Request) -> None:
        """A Bearer key, and JSON."""
        self.check_key(request)
        if request.content_type != "application/json":
            raise refuse(415, "Content-Type should be application/json.")

    def check_key(self, request: web.Request) -> None:
        """A Bearer key."""
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), self._authorization):
            raise refuse(401, "The provided authorization grant is invalid, expired, or revoked")

    def refusal(self, fault: RequestFault, retry_after: int) -> web.Response:
        """Too many requests, unavailable, or an internal error."""
        match fault:
            case RequestFault.REFUSE_429:
                reset = str(int(time.time()) + retry_after)
                limits = {"X-RateLimit-Limit": "10000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
                headers = {**limits, "Retry-After": str(retry_after)}
                return _as_json(refuse(429, "too many requests"), headers)
            case RequestFault.REFUSE_503:
                return _as_json(refuse(503, "service unavailable"))
            case _:
                return _as_json(refuse(500, "internal server error"))

    def answer(self, refused: Refused) -> web.Response:
        """The errors as JSON."""
        return _as_json(refused)


class MailApi:
    """Answers POST /v3/mail/send."""

    def __init__(self, core: Core, sendgrid: SendGrid) -> None:
        self._core = core
        self._sendgrid = sendgrid
        self._life = MailLife(core)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """POST /v3/mail/send"""
        try:
            return await create(self._core, self._sendgrid, "email", request, self._accept)
        except web.HTTPRequestEntityTooLarge:
            self._core.ledger.write([{"kind": LineKind.REFUSED, "channel": "email", "code": "413", "http": 413}])
            return web.Response(status=413, text=_TOO_LARGE, content_type="text/html")

    def _accept(self, body: bytes) -> Accepted:
        message_id = secrets.token_urlsafe(16)
        mail = read_mail(body)
        recipients = list(_recipients(mail, message_id))
        owned = self._core.settings.senders
        if owned and any(recipient.sender not in owned for recipient in recipients):
            raise refuse(403, "The from address does not match a verified Sender Identity.", "from")
        if mail.is_on("sandbox_mode"):
            return Accepted(refs=[], response=web.Response, early=_nothing)
        self._core.ledger.write(self._line(recipient, mail) for recipient in recipients)
        self._life.begin(recipients, bypass=mail.is_on("bypass_list_management"))
        return Accepted(
            refs=[message_id],
            response=lambda: web.Response(status=202, headers={"X-Message-Id": message_id}),
            early=lambda: self._life.hurry(recipients),
        )

    def _line(self, recipient: Recipient, mail: Mail) -> dict[str, Any]:
        line = {
            "kind": LineKind.ACCEPTED,
            "channel": "email",
            "ref": recipient.message_id,
            "attempt": recipient.attempt,
            "to": recipient.email,
            "from": recipient.sender,
            "body_hash": recipient.body_hash,
            "status": "accepted",
        }
        return {**line, "body": [part.value for part in mail.content]} if self._core.settings.ledger_bodies else line


def _recipients(mail: Mail, message_id: str) -> Iterator[Recipient]:
    numbers = count()
    for person in mail.personalizations:
        custom_args = {**mail.custom_args, **person.custom_args}
        body_hash = hash_text(mail, person)
        for _, address in person.addresses():
            yield Recipient(
                message_id=message_id,
                number=next(numbers),
                email=address.email,
                sender=(person.sender or mail.sender).email,
                attempt=attempt_in(custom_args),
                custom_args=custom_args,
                categories=mail.categories,
                body_hash=body_hash,
                send_at=float(person.send_at or mail.send_at or 0),
            )


def _as_json(refused: Refused, headers: Mapping[str, str] | None = None) -> web.Response:
    body = orjson.dumps(refused.document)
    return web.Response(body=body, status=refused.http, headers=headers, content_type="application/json")


async def _nothing() -> None:
    return
