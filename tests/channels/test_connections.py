"""Exchanges over kept connections: how answers end, what is kept, and what never leaves."""

import asyncio
import socket
import ssl
import threading
import time
from contextlib import asynccontextmanager, suppress

import pytest

from channels import connections as module
from channels import exchange
from channels.connections import Connections, NotSent, TooLate, begun_by
from channels.elapsed import elapsed
from channels.exchange import Cut
from tests.channels.loopback import Raw, Reply, Stall

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(**changes):
    connections = Connections(**{"limit": 4, "timeout_seconds": 5, "connect_timeout_seconds": 2, **changes})
    try:
        yield connections
    finally:
        await connections.close()


@pytest.fixture
async def connections():
    async with opened() as connections:
        yield connections


@pytest.fixture
def listener():
    """A server that does with each connection what it is told."""

    @asynccontextmanager
    async def listen(serve):
        tasks = set()

        async def handle(reader, writer):
            tasks.add(asyncio.current_task())
            with suppress(ConnectionError, asyncio.CancelledError):
                await serve(reader, writer)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return listen


ANSWERS = {
    "with a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    "until the connection ends": b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello",
    "announced before": b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "told to go on": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("framing", ANSWERS)
async def test_an_answer_is_read_to_its_end_however_it_is_framed(provider, connections, framing):
    provider.script = [Raw(ANSWERS[framing])]

    answer = await connections.request("POST", provider.url, {}, b"x")

    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"hello")


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nX: y\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
async def test_an_answer_that_ends_before_its_end_is_cut(provider, connections, begun):
    provider.script = [Raw(begun)]

    with pytest.raises(Cut):
        await connections.request("POST", provider.url, {}, b"x")


async def test_an_answer_without_end_is_given_up(provider, connections, monkeypatch):
    monkeypatch.setattr(exchange, "MOST_BYTES", 1000)
    provider.script = [Reply(200, b"x" * 2000)]

    with pytest.raises(Cut):
        await connections.request("GET", provider.url, {})


async def test_header_fields_are_found_whatever_their_case(provider, connections):
    provider.script = [Reply(200, headers={"x-mEssage-iD": "one", "X-Other": "zwei"})]

    headers = (await connections.request("GET", provider.url, {})).headers

    assert headers["X-Message-Id"] == "one"
    assert headers.get("Retry-After") is None
    assert dict(headers) == {"X-Message-Id": "one", "X-Other": "zwei", "Content-Length": "0"}


async def test_a_request_says_where_it_goes_and_how_long_it_is(provider, connections):
    provider.otherwise = lambda _: Reply(200)

    await connections.request("POST", f"{provider.url}/a/b?c=d%20e", {"Accept": "*/*"}, b"four")
    await connections.request("GET", provider.url, {})

    posted, got = provider.requests
    assert (posted.method, posted.target, posted.body) == ("POST", "/a/b?c=d%20e", b"four")
    always = {"host": provider.url.removeprefix("http://"), "accept-encoding": "identity"}
    assert posted.headers == {**always, "accept": "*/*", "content-length": "4"}
    assert (got.target, got.headers) == ("/", always)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("{}/a", {"X": "one\r\nAuthorization: two"}),
        ("{}/a", {"X": "one\ntwo"}),
        ("{}/a", {"X": "日"}),
        ("{}/a b", {}),
        ("{}/a\r\nX: y", {}),
        ("ftp://127.0.0.1/", {}),
        ("http:///a", {}),
        ("http://127.0.0.1:99999/", {}),
    ],
)
async def test_what_cannot_be_written_as_http_never_leaves(provider, connections, url, headers):
    with pytest.raises(NotSent):
        await connections.request("POST", url.format(provider.url), headers, b"x")

    assert not provider.requests


# What is kept


@pytest.mark.parametrize(
    "unkept",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Not Yours\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nwhatever",
    ],
)
async def test_a_connection_with_anything_behind_its_answer_is_not_used_again(provider, connections, unkept):
    provider.script = [Raw(unkept, stays=True)]
    provider.otherwise = lambda _: Reply(201)

    first = await connections.request("POST", provider.url, {}, b"x")
    second = await connections.request("POST", provider.url, {}, b"x")

    assert (first.status, second.status) == (200, 201)
    assert [request.connection for request in provider.requests] == [1, 2]


async def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_ones(provider, connections):
    late = b"HTTP/1.1 500 Not Yours\r\nContent-Length: 0\r\n\r\n"
    provider.script = [Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", stays=True)]
    provider.otherwise = lambda _: Reply(201)
    await connections.request("POST", provider.url, {}, b"x")
    [task] = provider._tasks
    [writer] = [task.get_coro().cr_frame.f_locals["writer"]]

    writer.write(late)
    await writer.drain()
    answer = await connections.request("POST", provider.url, {}, b"x")

    assert answer.status == 201


def test_a_connection_closed_while_the_loop_stood_still_is_noticed_before_it_is_used():
    stands_still, closed = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            client, _ = listener.accept()
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            stands_still.wait()
            client.close()
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener, asyncio.Runner() as runner:
        listener.settimeout(5)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        async def make() -> Connections:
            return Connections(limit=1, timeout_seconds=5, connect_timeout_seconds=2)

        connections = runner.run(make())
        first = runner.run(connections.request("POST", url, {}, b"x"))
        stands_still.set()
        closed.wait()
        second = runner.run(connections.request("POST", url, {}, b"x"))
        runner.run(connections.close())
    thread.join()

    assert (first.status, second.status) == (200, 200)


async def test_whom_we_trust_we_speak_tls_with(
    untrusted_provider, untrusted_certificate_path, connections, monkeypatch
):
    context = ssl.create_default_context(cafile=untrusted_certificate_path)
    context.check_hostname = False
    monkeypatch.setattr(module, "_tls", lambda: context)
    untrusted_provider.otherwise = lambda _: Reply(200, b"x" * 300_000)

    answers = [await connections.request("POST", untrusted_provider.url, {}, b"y" * 300_000) for _ in range(2)]

    assert [len(answer.body) for answer in answers] == [300_000, 300_000]
    assert [(len(request.body), request.connection) for request in untrusted_provider.requests] == [(300_000, 1)] * 2


async def test_an_answer_before_all_was_written_ends_the_connection(listener):
    """As a 413 does: the rest of the request must not be taken for the next one."""
    begun = asyncio.Event()

    async def answer_at_once(reader, writer):
        begun.set()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async with listener(answer_at_once) as url, opened() as connections:
        answers = [await connections.request("POST", url, {}, b"x" * 20_000_000) for _ in range(2)]

    assert [answer.status for answer in answers] == [413, 413]


async def test_a_request_is_not_completed_by_whoever_stood_still_over_it():
    """The socket takes half of it; while we stand still the other side reads that and waits for the rest."""
    size, read, stands_still = 1_000_000, [], threading.Event()

    def small(address: tuple) -> socket.socket:
        made = socket.socket(*address[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
        return made

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        stands_still.wait()
        with client, suppress(ConnectionError):
            while data := client.recv(1_000_000):
                read.append(len(data))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with opened(timeout_seconds=1, socket_factory=small) as connections:
            sending = asyncio.create_task(connections.request("POST", url, {}, b"x" * size))
            await asyncio.sleep(0.3)  # it has written what the socket takes
            stands_still.set()
            time.sleep(1)  # noqa: ASYNC251 - nothing else may run meanwhile, that is the point
            with pytest.raises((TimeoutError, Cut)):
                await sending
        thread.join()

    assert 0 < sum(read) < size


# Places


async def test_who_waits_too_long_for_a_place_never_starts(provider):
    provider.script = [Stall()]
    async with opened(limit=1, timeout_seconds=1) as connections:
        first = asyncio.create_task(connections.request("POST", provider.url, {}, b"x"))
        await provider.asked.wait()
        with pytest.raises(TooLate), begun_by(elapsed() + 0.02):
            await connections.request("POST", provider.url, {}, b"x")
        with pytest.raises(TimeoutError):
            await first

    assert len(provider.requests) == 1


async def test_a_free_place_does_not_help_who_is_late_already(provider, connections):
    with pytest.raises(TooLate), begun_by(elapsed() - 0.01):
        await connections.request("POST", provider.url, {}, b"x")

    assert not provider.requests


async def test_never_more_requests_at_once_than_there_are_places(provider, connections):
    provider.otherwise = lambda _: Reply(200, after=0.01)

    await asyncio.gather(*(connections.request("POST", provider.url, {}, b"x") for _ in range(40)))

    assert provider.most_in_flight == 4
    assert {request.connection for request in provider.requests} == {1, 2, 3, 4}


async def test_many_who_wait_for_one_name_go_on_at_once_however_busy_the_loop_is(provider):
    provider.otherwise = lambda _: Reply(200)
    loop = asyncio.get_running_loop()

    def hold_up():
        time.sleep(0.02)  # each turn of the loop takes so long
        nonlocal turn
        turn = loop.call_soon(hold_up)

    async with opened(limit=100, connect_timeout_seconds=1, timeout_seconds=30) as connections:
        turn = loop.call_soon(hold_up)
        try:
            answers = await asyncio.gather(*(connections.request("GET", provider.url, {}) for _ in range(100)))
        finally:
            turn.cancel()

    assert {answer.status for answer in answers} == {200}
