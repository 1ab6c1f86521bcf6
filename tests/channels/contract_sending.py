"""What every adapter promises about a send, however it ends."""

import asyncio
import time
from typing import Any

import pytest

from channels.connections import Connections, Origin
from channels.errors import UnsupportedMessage
from channels.exchange import Connection
from channels.messages import Message
from channels.results import Certainty, Reason, SendResult
from tests.channels.contract_hooks import ChannelHooks
from tests.channels.loopback import Answer, Drip, LoopbackProvider, Raw, Reply, Reset, Stall, closed_port

BROKEN_EXCHANGES: dict[str, tuple[Answer, Reason]] = {
    "never answered": (Stall(), Reason.TIMEOUT),
    "answered drop by drop": (Drip(), Reason.TIMEOUT),
    "reset after reading": (Reset(), Reason.PROVIDER_ERROR),
    "cut after reading": (Raw(b""), Reason.PROVIDER_ERROR),
    "cut inside the headers": (Raw(b"HTTP/1.1 201 Cre"), Reason.PROVIDER_ERROR),
    "cut inside the body": (Raw(b"HTTP/1.1 201 X\r\nContent-Length: 99\r\n\r\n{"), Reason.PROVIDER_ERROR),
    "no HTTP at all": (Raw(b"\x00\x01 hello\r\n\r\n"), Reason.PROVIDER_ERROR),
    "internal error": (Reply(500, b'{"code": 20500, "message": "oops"}'), Reason.PROVIDER_ERROR),
    "bad gateway in HTML": (Reply(502, b"<html>"), Reason.PROVIDER_ERROR),
    "unavailable": (Reply(503, b""), Reason.PROVIDER_ERROR),
    "gateway timeout": (Reply(504, b""), Reason.PROVIDER_ERROR),
    "request timeout": (Reply(408, b""), Reason.PROVIDER_ERROR),
    "sent elsewhere": (Reply(307, b"", {"Location": "/elsewhere"}), Reason.PROVIDER_ERROR),
    "accepted without an id": (Reply(200, b""), Reason.PROVIDER_ERROR),
    "accepted unreadably": (Reply(201, b"<html>"), Reason.PROVIDER_ERROR),
    "accepted with something else": (Reply(201, b"[1]"), Reason.PROVIDER_ERROR),
    "accepted with null": (Reply(201, b"null"), Reason.PROVIDER_ERROR),
}


def freeze_before_the_first_byte(channel: Any, seconds: float, times: int) -> None:
    """So often the whole process stands still between opening a connection and writing a request to it."""
    pauses = [seconds] * times
    connections: Connections = getattr(channel, "_account", channel)._connections
    find = connections._kept

    def kept(origin: Origin) -> Connection | None:
        if pauses:
            time.sleep(pauses.pop())
        return find(origin)

    connections._kept = kept  # type: ignore[method-assign]


class SendingContract(ChannelHooks):
    # What a send may answer.

    async def test_an_accepted_message_carries_the_providers_id(self, provider: LoopbackProvider):
        provider.otherwise = self.accepts

        result = await self.send_one(provider.url)

        assert result.certainty is Certainty.ACCEPTED
        assert result.reason is Reason.NONE
        assert result.provider_ref

    async def test_a_known_refusal_is_refused_with_our_reason_and_their_code(self, provider: LoopbackProvider):
        reply, reason, code = self.refusal()
        provider.script = [reply]

        result = await self.send_one(provider.url)

        assert result == SendResult(certainty=Certainty.REFUSED, reason=reason, code=code)

    @pytest.mark.parametrize("status", [401, 403])
    async def test_bad_credentials_are_a_fault_of_configuration(self, provider: LoopbackProvider, status: int):
        provider.script = [Reply(status, b"")]

        result = await self.send_one(provider.url)

        assert (result.certainty, result.reason) == (Certainty.REFUSED, Reason.CONFIGURATION)

    async def test_too_fast_is_not_sent_and_says_when_to_come_back(self, provider: LoopbackProvider):
        provider.otherwise = lambda request: self.throttle(request, 17)

        result = await self.send_one(provider.url)

        assert (result.certainty, result.reason) == (Certainty.NOT_SENT, Reason.RATE_LIMITED)
        assert result.retry_after == pytest.approx(17, abs=1.1)

    @pytest.mark.parametrize("ending", BROKEN_EXCHANGES)
    async def test_what_may_have_left_is_unknown_and_left_once(self, provider: LoopbackProvider, ending: str):
        answer, reason = BROKEN_EXCHANGES[ending]
        provider.script = [answer]
        provider.otherwise = self.accepts

        result = await self.send_one(provider.url, timeout_seconds=1.0)

        assert (result.certainty, result.reason) == (Certainty.UNKNOWN, reason)
        assert len(provider.requests) == 1

    async def test_a_broken_kept_alive_connection_is_unknown_too(self, provider: LoopbackProvider):
        provider.otherwise = self.accepts
        async with self.channel(provider.url) as channel:
            await channel.send([self.message(1)])
            provider.script = [Reset()]

            [result] = await channel.send([self.message(2)])

        assert result.certainty is Certainty.UNKNOWN
        assert len(provider.requests) == 2

    async def test_a_refused_connection_is_not_sent(self):
        self.assert_never_left(await self.send_one(closed_port()))

    async def test_a_name_that_does_not_exist_is_not_sent(self):
        self.assert_never_left(await self.send_one("http://provider.invalid"))

    async def test_a_connection_that_does_not_open_in_time_is_not_sent(self, deaf_url: str):
        self.assert_never_left(await self.send_one(deaf_url, connect_timeout_seconds=0.3, timeout_seconds=5.0))

    async def test_a_server_that_does_not_speak_tls_is_not_sent(self, provider: LoopbackProvider):
        self.assert_never_left(await self.send_one(provider.url.replace("http:", "https:")))

    async def test_a_server_nobody_vouches_for_is_not_sent(self, untrusted_provider: LoopbackProvider):
        self.assert_never_left(await self.send_one(untrusted_provider.url))

        assert not untrusted_provider.requests

    def assert_never_left(self, result: SendResult) -> None:
        assert result == SendResult(certainty=Certainty.NOT_SENT, reason=Reason.CONNECTION)

    # Many at once.

    async def test_results_keep_the_order_of_the_messages(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            provider.otherwise = self.accepts
            count = 40

            results = await channel.send([self.message(number) for number in range(count)])

        assert len(results) == count
        assert {result.certainty for result in results} == {Certainty.ACCEPTED}
        assert len({result.provider_ref for result in results}) == count
        on_wire = [attempt for request in provider.requests for attempt in self.attempts_on_wire(request)]
        assert sorted(on_wire) == sorted(f"attempt-{number}" for number in range(count))

    async def test_connections_are_kept(self, provider: LoopbackProvider):
        provider.otherwise = self.accepts
        async with self.channel(provider.url) as channel:
            for number in range(5):
                await channel.send([self.message(number)])

        assert {request.connection for request in provider.requests} == {1}

    async def test_a_stalled_provider_holds_a_send_two_timeouts_at_most(self, provider: LoopbackProvider):
        provider.otherwise = lambda _: Stall()
        async with self.channel(provider.url, timeout_seconds=1.0, max_in_flight=1) as channel:
            first, second, third = self.apart(3)
            begun = time.monotonic()

            results = await channel.send([first, second, third])

        assert time.monotonic() - begun < 3
        assert sorted(result.certainty for result in results) == ["not_sent", "not_sent", "unknown"]
        assert len(provider.requests) == 1

    async def test_whoever_was_frozen_just_before_the_first_byte_sends_nothing(self, provider: LoopbackProvider):
        provider.otherwise = self.accepts
        async with self.channel(provider.url, timeout_seconds=0.3) as channel:
            freeze_before_the_first_byte(channel, seconds=0.7, times=1)

            [late] = await channel.send([self.message(1)])
            [after] = await channel.send([self.message(2)])

        assert late.certainty in {Certainty.NOT_SENT, Certainty.UNKNOWN}
        assert after.certainty is Certainty.ACCEPTED
        assert [self.attempts_on_wire(request) for request in provider.requests] == [["attempt-2"]]

    async def test_whoever_was_held_up_a_little_sends_all_the_same(self, provider: LoopbackProvider):
        provider.otherwise = self.accepts
        async with self.channel(provider.url, timeout_seconds=1.5) as channel:
            freeze_before_the_first_byte(channel, seconds=0.5, times=1)

            [result] = await channel.send([self.message()])

        assert result.certainty is Certainty.ACCEPTED

    def apart(self, count: int) -> list[Message]:
        """Messages that do not share a request."""
        return [self.message(number) for number in range(count)]

    async def test_a_cancelled_send_frees_its_place(self, provider: LoopbackProvider):
        provider.script = [Stall()]
        provider.otherwise = self.accepts
        async with self.channel(provider.url, max_in_flight=1) as channel:
            send = asyncio.create_task(channel.send([self.message(1)]))
            async with asyncio.timeout(5):
                await provider.asked.wait()
            send.cancel()
            with pytest.raises(asyncio.CancelledError):
                await send

            [result] = await channel.send([self.message(2)])

        assert result.certainty is Certainty.ACCEPTED

    async def test_nothing_to_send_asks_nothing(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            assert list(await channel.send([])) == []

        assert not provider.requests

    # Mistakes of the caller.

    async def test_a_message_of_another_kind_raises_before_any_request(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            with pytest.raises(UnsupportedMessage, match=r"messages\[1\]"):
                await channel.send([self.message(), self.foreign()])

        assert not provider.requests

    async def test_the_same_attempt_twice_raises_before_any_request(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            with pytest.raises(UnsupportedMessage, match="attempt-1"):
                await channel.send([self.message(1), self.message(1)])

        assert not provider.requests
