"""The least that speaks HTTP/1.1 to a provider: kept-alive sockets, epoll, and coroutines that wait for an answer.

1. A sender is a coroutine that awaits `Exchange(request)`; `Client.run` drives many of them, one for each connection.
2. Left out, because a floor needs none of it: TLS, time limits, chunked answers, broken connections, names. Whatever
   goes wrong ends the process.
"""

import select
import socket
from collections.abc import Coroutine, Generator, Iterable
from dataclasses import dataclass
from typing import Any

_PIECE_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """Awaited by a sender: the request in one piece, and then the answer to it."""

    request: bytes

    def __await__(self) -> Generator[bytes, Answer, Answer]:
        return (yield self.request)


class Client:
    """At most `limit` requests at once to one address."""

    def __init__(self, host: str, port: int, limit: int) -> None:
        self._address, self._limit = (host, port), limit
        self._sockets: dict[int, socket.socket] = {}
        self._epoll = select.epoll()

    def run(self, senders: Iterable[Coroutine[bytes, Answer, Any]]) -> list[Any]:
        """What the senders return, in their order. Their requests leave as connections are free."""
        waiting = enumerate(senders)
        results: dict[int, Any] = {}
        at_work: dict[int, tuple[int, Coroutine[bytes, Answer, Any]]] = {}
        for fd, (number, sender) in zip(self._connected(), waiting, strict=False):
            at_work[fd] = number, sender
            self._sockets[fd].sendall(sender.send(None))
        while at_work:
            for fd, _ in self._epoll.poll():
                number, sender = at_work[fd]
                try:
                    self._sockets[fd].sendall(sender.send(_read(self._sockets[fd])))
                except StopIteration as ended:
                    results[number] = ended.value
                    if (following := next(waiting, None)) is None:
                        del at_work[fd]
                    else:
                        at_work[fd] = following
                        self._sockets[fd].sendall(following[1].send(None))
        return [results[number] for number in range(len(results))]

    def close(self) -> None:
        """Drop the connections."""
        self._epoll.close()
        while self._sockets:
            self._sockets.popitem()[1].close()

    def _connected(self) -> Generator[int]:
        """The connections there are, and then new ones until there are enough."""
        yield from list(self._sockets)
        while len(self._sockets) < self._limit:
            opened = socket.create_connection(self._address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[opened.fileno()] = opened
            self._epoll.register(opened, select.EPOLLIN)
            yield opened.fileno()


def _read(connection: socket.socket) -> Answer:
    data = connection.recv(_PIECE_BYTES)
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end and len(body) == int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
            return Answer(int(head[9:12]), head, body)
        more = connection.recv(_PIECE_BYTES)
        if not more:
            raise ConnectionError("the provider hung up")
        data += more
