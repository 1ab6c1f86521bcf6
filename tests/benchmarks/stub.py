"""A provider that does as little as it can: Twilio's and SendGrid's answers over kept-alive HTTP/1.1, and a count.

1. It shares the machine with what is measured, so its CPU matters: sockets and epoll by hand, answers that are ready
   but for an id, nothing read of a request but where it ends and whom it is for.
2. It calls nobody back.
3. It keeps every request and when it came. What they say is read when somebody asks: `GET /count` is how many messages
   it accepted, `GET /report` finds what came twice, `GET /arrivals` has whom each message was for and when it came.

Run it: `python stub.py PORT [LATENCY_SECONDS]`.
"""

import gc
import json
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlsplit

ACCOUNT_SID = "AC" + "5b" * 16
_PIECE_BYTES = 65_536
"""To have four times as much ready for each request costs three times the CPU: malloc maps and unmaps pages for it."""
_FOREVER = -1


def _http(status: bytes, body: bytes, headers: bytes = b"") -> bytes:
    fixed = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return fixed % (status, headers, len(body)) + body


def _numbered(kind: str, record: dict[str, object]) -> bytes:
    """The answer to a create, with a place for the number in its id."""
    common = {"account_sid": ACCOUNT_SID, "api_version": "2010-04-01", "status": "queued", "price": None}
    common |= {"price_unit": "USD", "direction": "outbound-api", "from": "+12025550100", "to": "+12025550199"}
    body = json.dumps(common | record | {"sid": f"{kind}{0:032x}"}).encode()
    return _http(b"201 Created", body).replace(b"0" * 32, b"%032x")


_MESSAGE = _numbered(
    "SM",
    {
        "body": "Hello Contact 12345, your policy ends soon. Answer YES and we renew it, STOP to hear no more.",
        "date_created": "Mon, 23 Nov 2026 09:00:00 +0000",
        "date_sent": None,
        "date_updated": "Mon, 23 Nov 2026 09:00:00 +0000",
        "error_code": None,
        "error_message": None,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/SM/Media.json"},
        "uri": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/SM.json",
    },
)
_CALL = _numbered(
    "CA",
    {
        "answered_by": None,
        "date_created": None,
        "date_updated": None,
        "duration": None,
        "end_time": None,
        "parent_call_sid": None,
        "queue_time": "0",
        "start_time": None,
        "uri": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls/CA.json",
    },
)
_MAIL = _http(b"202 Accepted", b"", b"X-Message-Id: stub-%d\r\n")
_NO_MESSAGES = _http(b"200 OK", b'{"messages": [], "next_page_uri": null, "page": 0, "page_size": 1000}')
_NOT_FOUND = _http(b"404 Not Found", b'{"code": 20404, "message": "not found", "status": 404}')

_KEPT: list[tuple[bool, bytes, float]] = []
"""Everything accepted, in order: whether it is mail, the body, and when it came, in seconds since 1970."""
_counted = [0, 0]
"""How many of them have been counted, and the messages they hold."""


def _answer(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"POST"):
        path = head[5 : head.find(b" ", 5)]
        if path.endswith(b"/Messages.json"):
            _KEPT.append((False, body, time.time()))
            return _MESSAGE % len(_KEPT)
        if path.endswith(b"/Calls.json"):
            _KEPT.append((False, body, time.time()))
            return _CALL % len(_KEPT)
        if path == b"/v3/mail/send":
            _KEPT.append((True, body, time.time()))
            return _MAIL % len(_KEPT)
        return _NOT_FOUND
    path = head.split(b" ", 2)[1].partition(b"?")[0]
    if path.endswith(b"/Messages.json"):
        return _NO_MESSAGES
    if (asked := {b"/count": _count, b"/report": _report, b"/arrivals": _arrivals}.get(path)) is not None:
        return _http(b"200 OK", json.dumps(asked()).encode())
    return _NOT_FOUND


def _count() -> dict[str, int]:
    """Messages, calls and recipients of mails."""
    for is_mail, body, _ in _KEPT[_counted[0] :]:
        _counted[1] += body.count(b'"to":[') + body.count(b'"to": [') if is_mail else 1
        _counted[0] += 1
    return {"accepted": _counted[1]}


def _report() -> dict[str, int]:
    """Counts of messages, and of those that one person got twice or that carry an attempt id seen before."""
    messages: Counter[tuple[str, str]] = Counter()
    attempts: Counter[str] = Counter()
    for person, content, attempt, _ in _read():
        messages[person, content] += 1
        if attempt:
            attempts[attempt] += 1
    return {
        "accepted": messages.total(),
        "distinct": len(messages),
        "repeated": messages.total() - len(messages),
        "repeatedAttempts": attempts.total() - len(attempts),
    }


def _arrivals() -> list[tuple[str, float]]:
    """Number or address of each message, and when it came."""
    return [(person, at) for person, _, _, at in _read()]


def _read() -> Iterator[tuple[str, str, str, float]]:
    """For each message whom it is for, what tells it from others to them, its attempt id if any, when it came."""
    for is_mail, body, at in _KEPT:
        if is_mail:
            mail = json.loads(body)
            for one in mail["personalizations"]:
                subject = one.get("subject", mail.get("subject", ""))
                yield one["to"][0]["email"], subject, str(one.get("custom_args", "")), at
        else:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            attempt = parse_qs(urlsplit(form.get("StatusCallback", "")).query).get("attempt", [""])[0]
            yield form["To"], form.get("Body") or form["Twiml"], attempt, at


class Connections:
    """All connections in one loop. What has come of a request that is not complete waits in `_begun`."""

    def __init__(self, listener: socket.socket, latency: float) -> None:
        self._listener, self._latency = listener, latency
        self._sockets: dict[int, socket.socket] = {}
        self._begun: dict[int, bytes] = {}
        self._late: deque[tuple[float, socket.socket, bytes]] = deque()
        """Answers that wait for their time: all wait equally long, so the first is the next."""
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)

    def serve(self) -> None:
        """Answer until killed."""
        sockets, listening = self._sockets, self._listener.fileno()
        while True:
            for fd, _ in self._epoll.poll(self._answer_late()):
                if fd == listening:
                    self._accept()
                    continue
                try:
                    data = sockets[fd].recv(_PIECE_BYTES)
                except ConnectionError:
                    data = b""
                if data:
                    self._take(fd, data)
                else:
                    self._close(fd)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[connection.fileno()] = connection
        self._epoll.register(connection, select.EPOLLIN)

    def _close(self, fd: int) -> None:
        self._begun.pop(fd, None)
        self._sockets.pop(fd).close()

    def _take(self, fd: int, data: bytes) -> None:
        """Answer every request that is complete."""
        data = self._begun.pop(fd, b"") + data
        while data:
            end = data.find(b"\r\n\r\n") + 4
            complete = end + _length(data[:end]) if end >= 4 else sys.maxsize
            if len(data) < complete:
                self._begun[fd] = data
                return
            answer = _answer(data[:end], data[end:complete])
            if self._latency and data.startswith(b"POST"):
                self._late.append((time.monotonic() + self._latency, self._sockets[fd], answer))
            else:
                _send(self._sockets[fd], answer)
            data = data[complete:]

    def _answer_late(self) -> float:
        """Send the answers that are due; the seconds until the next is."""
        while self._late:
            seconds = self._late[0][0] - time.monotonic()
            if seconds > 0:
                return seconds
            _, connection, answer = self._late.popleft()
            _send(connection, answer)
        return _FOREVER


def _length(head: bytes) -> int:
    at = head.find(b"Content-Length:")
    if at < 0:
        at = head.lower().find(b"content-length:")
    return int(head[at + 15 : head.find(b"\r", at)]) if at >= 0 else 0


def _send(connection: socket.socket, answer: bytes) -> None:
    try:
        connection.sendall(answer)
    except OSError:
        return  # whoever asked is gone; the loop hears of it


def serve(port: int, latency: float, host: str = "127.0.0.1") -> None:
    """Answer until killed."""
    gc.disable()  # what is kept is kept for good, and holds no cycles
    with socket.create_server((host, port), backlog=4096) as listener:
        Connections(listener, latency).serve()


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 0.0, *sys.argv[3:])
