"""A provider that does as little as it can: Twilio's and SendGrid's answers over kept-alive HTTP/1.1, and a count.

1. One write per answer, nothing parsed that the answer does not need: the provider must not be what is measured.
2. It calls nobody back.
3. It keeps every request. `GET /count` is how many it accepted; `GET /report` reads them and finds what came twice.

Run it: `python stub.py PORT [LATENCY_SECONDS]`.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from urllib.parse import parse_qs, parse_qsl, urlsplit

ACCOUNT_SID = "AC" + "5b" * 16

_MESSAGE = json.dumps(
    {
        "account_sid": ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": "Hello Contact 12345, your policy ends soon. Answer YES and we renew it, STOP to hear no more.",
        "date_created": "Mon, 23 Nov 2026 09:00:00 +0000",
        "date_sent": None,
        "date_updated": "Mon, 23 Nov 2026 09:00:00 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": "+12025550100",
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": "SM%032x",
        "status": "queued",
        "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/SM/Media.json"},
        "to": "+12025550199",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/SM.json",
    }
).encode()
_NO_MESSAGES = b'{"messages": [], "next_page_uri": null, "page": 0, "page_size": 1000}'

_CALL = json.dumps(
    {
        "account_sid": ACCOUNT_SID,
        "answered_by": None,
        "api_version": "2010-04-01",
        "date_created": None,
        "date_updated": None,
        "direction": "outbound-api",
        "duration": None,
        "end_time": None,
        "from": "+12025550100",
        "parent_call_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": "CA%032x",
        "start_time": None,
        "status": "queued",
        "to": "+12025550199",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls/CA.json",
    }
).encode()
_RECIPIENT = re.compile(rb'"to": ?\[')

_accepted = 0
"""Messages, calls and recipients of mails."""

_KEPT: list[tuple[str, bytes]] = []
"""Kind and body of everything accepted, in order."""


class Provider(asyncio.Protocol):
    """One connection."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # asyncio has set TCP_NODELAY

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next_request()) is not None:
            answer = _answer(*request)
            if self._latency and request[0].startswith(b"POST"):
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _next_request(self) -> tuple[bytes, bytes] | None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        _, found, after = head.lower().partition(b"\r\ncontent-length:")
        length = int(after.partition(b"\r\n")[0]) if found else 0
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return head, rest[:length]


def _answer(head: bytes, body: bytes) -> bytes:
    method, path = head.split(b" ", 2)[:2]
    if method == b"POST" and path.endswith(b"/Messages.json"):
        _keep("sms", body)
        return _http(b"201 Created", _MESSAGE % len(_KEPT))
    if method == b"POST" and path.endswith(b"/Calls.json"):
        _keep("voice", body)
        return _http(b"201 Created", _CALL % len(_KEPT))
    if method == b"POST" and path == b"/v3/mail/send":
        _keep("email", body)
        return _http(b"202 Accepted", b"", b"X-Message-Id: stub-%d\r\n" % len(_KEPT))
    if path.partition(b"?")[0].endswith(b"/Messages.json"):
        return _http(b"200 OK", _NO_MESSAGES)
    if path == b"/count":
        return _http(b"200 OK", json.dumps({"accepted": _accepted}).encode())
    if path == b"/report":
        return _http(b"200 OK", json.dumps(_report()).encode())
    return _http(b"404 Not Found", b'{"code": 20404, "message": "not found", "status": 404}')


def _keep(kind: str, body: bytes) -> None:
    global _accepted  # noqa: PLW0603 - one count, one loop
    _KEPT.append((kind, body))
    _accepted += len(_RECIPIENT.findall(body)) if kind == "email" else 1


def _http(status: bytes, body: bytes, headers: bytes = b"") -> bytes:
    fixed = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return fixed % (status, headers, len(body)) + body


def _report() -> dict[str, int]:
    """Counts of messages, and of those that one person got twice or that carry an attempt id seen before."""
    messages: Counter[tuple[str, str]] = Counter()
    attempts: Counter[str] = Counter()
    for kind, body in _KEPT:
        for key, attempt in _mails(body) if kind == "email" else _forms(body):
            messages[key] += 1
            if attempt:
                attempts[attempt] += 1
    return {
        "accepted": messages.total(),
        "distinct": len(messages),
        "repeated": messages.total() - len(messages),
        "repeatedAttempts": attempts.total() - len(attempts),
    }


def _forms(body: bytes) -> list[tuple[tuple[str, str], str]]:
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    attempt = parse_qs(urlsplit(form.get("StatusCallback", "")).query).get("attempt", [""])[0]
    return [((form["To"], form.get("Body") or form["Twiml"]), attempt)]


def _mails(body: bytes) -> list[tuple[tuple[str, str], str]]:
    mail = json.loads(body)
    return [
        ((person["to"][0]["email"], person.get("subject", mail.get("subject", ""))), str(person.get("custom_args", "")))
        for person in mail["personalizations"]
    ]


async def serve(port: int, latency: float) -> None:
    """Answer until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Provider(latency), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 0.0))
