"""Posts alerts to the operator's own address, signed as github.com/standard-webhooks says.

1. `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, under the
   base64 after `whsec_` in ALERT_WEBHOOK_SECRET. Any library of that name verifies it; `verify` does too.
2. A retry has the same `webhook-id` and a new timestamp: who has acted on an id acts no more.
3. The body holds ids, counts and a reason; neither it nor the address is ever logged.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from channels.connections import Connections, NotSent
from channels.exchange import Cut

PREFIX: Final = "whsec_"
SHORTEST_SECRET: Final = 24
"""Bytes, as the specification has it."""
TOLERANCE_SECONDS: Final = 300


def key_of(secret: str) -> bytes:
    """The bytes of a secret. Raises ValueError saying how to make one."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) < SHORTEST_SECRET:
        raise ValueError(f"write {PREFIX} and the base64 of {SHORTEST_SECRET} bytes or more: openssl rand -base64 32")
    return key


def signed(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that go with a body; `timestamp` in seconds since 1970."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether whoever has the secret signed exactly this, not long ago. `headers` have lower-case names."""
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now - int(stamp)) > TOLERANCE_SECONDS:
        return False
    expected = signed(secret, headers.get("webhook-id", ""), int(stamp), body)["webhook-signature"]
    given = headers.get("webhook-signature", "").split()  # several while a secret is rotated
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


async def post(
    url: str, secret: str, message_id: str, timestamp: int, content: Mapping[str, Any], *, timeout_seconds: float
) -> str:
    """One POST. Returns what went wrong, without the address; "" where it was taken (2xx)."""
    body = orjson.dumps(content)
    headers = {"content-type": "application/json", **signed(secret, message_id, timestamp, body)}
    connections = Connections(limit=1, timeout_seconds=timeout_seconds, connect_timeout_seconds=timeout_seconds)
    try:
        status = (await connections.request("POST", url, headers, body)).status
    except (NotSent, Cut, TimeoutError) as error:
        return type(error.__cause__ or error).__name__
    finally:
        await connections.close()
    return "" if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else f"answered {status}"
