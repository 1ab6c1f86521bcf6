"""The stub provider, which also writes down when each text came in: `GET /times`, seconds of the machine's own clock.

Run it: `python -m tests.benchmarks.event_stub PORT`.
"""

import json
import sys
import time
from urllib.parse import parse_qs

from tests.benchmarks import stub

_TIMES: list[tuple[str, float]] = []


def _answer(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"GET /times"):
        return stub._http(b"200 OK", json.dumps(_TIMES).encode())
    if b"/Messages.json" in head.split(b"\r\n", 1)[0] and head.startswith(b"POST"):
        _TIMES.append((parse_qs(body.decode())["To"][0], time.monotonic()))
    return _plain_answer(head, body)


_plain_answer, stub._answer = stub._answer, _answer

if __name__ == "__main__":
    stub.serve(int(sys.argv[1]), 0.0)
