"""How SendGrid answers and posts events, as its documentation shows it."""

import base64
import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from channels.base import Callback
from channels.messages import Email
from channels.registry import build
from channels.vendors.sendgrid import SendGridSettings
from tests.channels.contract_hooks import NOW, SECRETS, timeouts
from tests.channels.loopback import Reply, Request, json_reply

KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
"""The first two are ours; the third is a stranger's."""
PUBLIC_KEYS = tuple(
    base64.b64encode(
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    for key in KEYS
)
_numbers = itertools.count()


def settings(server: str, /, **changes: object) -> SendGridSettings:
    given = {"api_key": SECRETS[1], "webhook_public_keys": PUBLIC_KEYS[:2], "base_url": server}
    return SendGridSettings(**{**given, **timeouts(changes), **changes})


@asynccontextmanager
async def channel(server: str, **changes: object):
    channel = build("sendgrid-email", settings(server, **changes))
    try:
        yield channel
    finally:
        await channel.close()


async def send(provider, *messages: Email, **changes: object):
    async with channel(provider.url, **changes) as sendgrid:
        return await sendgrid.send(messages)


def attempts_on_wire(request: Request) -> list[str]:
    return [one["custom_args"]["attempt_id"] for one in request.json["personalizations"]]


def a_mail(number: int = 1, **changes) -> Email:
    to = f"ann@person{number}.example.com"
    mail = Email(
        attempt_id=f"attempt-{number}",
        to=to,
        sender="us@example.com",
        subject="Hello",
        text=f"Dear Ann {number},\n\nhi",
    )
    return replace(mail, **changes)


def accepted(_request=None):
    return Reply(202, b"", {"X-Message-Id": f"msg{next(_numbers)}"})


def fault(*fields: str | None):
    return json_reply(400, {"errors": [{"message": "ann@ is bad", "field": field, "help": None} for field in fields]})


def told(event: dict, attempt_id: str = "attempt-1", *, key: int = 0, at: datetime = NOW) -> Callback:
    """A batch of one event, signed as SendGrid signs: ECDSA over the timestamp and the bytes, trailing line end too."""
    common = {
        "email": "ann@person1.example.com",
        "timestamp": int(NOW.timestamp()),
        "sg_message_id": "msg1.filter0.1.0",
    }
    body = json.dumps([{**common, "attempt_id": attempt_id, **event}]).encode() + b"\r\n"
    return signed(body, key=key, at=at)


def signed(body: bytes, *, key: int = 0, at: datetime = NOW) -> Callback:
    timestamp = str(int(at.timestamp()))
    signature = base64.b64encode(KEYS[key].sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    prefix = "x-twilio-email-event-webhook-"
    headers = {f"{prefix}signature": signature, f"{prefix}timestamp": timestamp}
    return Callback(url="https://x.example.com/webhooks/sendgrid/events", headers=headers, body=body, received_at=NOW)
