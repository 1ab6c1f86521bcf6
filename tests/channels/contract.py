"""What every adapter promises, whoever the provider. A new one subclasses ChannelContract and fills in its dialect.

1. Everything runs through the vendor's real SDK over real sockets, against a provider on loopback.
2. A difference between providers is a hook or a field of `Capabilities`, never a skipped test.
3. The hooks are in `contract_hooks`, the promises about sending in `contract_sending`, those about what comes
   back here.
"""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from channels.base import BadSignature, Callback, Probe, Standing
from channels.errors import UnsupportedMessage
from channels.registry import PROVIDERS
from channels.results import Certainty, Receipt, ReceiptKind
from tests.channels.contract_hooks import NOW, PERSONAL, SECRETS
from tests.channels.contract_sending import SendingContract
from tests.channels.loopback import LoopbackProvider, Reply, Reset, closed_port


class ChannelContract(SendingContract):
    # Where requests go, and what they leave behind.

    async def test_the_environment_sends_nothing_elsewhere(self, provider: LoopbackProvider, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, closed_port())
        monkeypatch.setenv("TWILIO_REGION", "elsewhere")
        monkeypatch.setenv("TWILIO_EDGE", "elsewhere")
        provider.otherwise = self.accepts

        result = await self.send_one(provider.url)

        assert result.certainty is Certainty.ACCEPTED

    async def test_no_secret_and_nobodys_address_is_logged_or_shown(self, provider: LoopbackProvider, caplog):
        caplog.set_level(logging.DEBUG)
        provider.script = [self.refusal()[0], Reply(500), Reset()]
        provider.otherwise = self.accepts
        shown = [repr(self.settings(provider.url)), repr(self.message()), repr(self.callback(min(self.words)))]
        async with self.channel(provider.url) as channel:
            shown.append(repr(channel))
            shown += [repr(await channel.send([self.message(number)])) for number in range(4)]
            provider.otherwise = lambda _: Reply(404)
            shown.append(repr(await channel.find(self.message(), since=NOW)))
            shown.append(repr(channel.receive(self.callback(min(self.words)))))
            with pytest.raises(UnsupportedMessage) as caught:
                await channel.send([self.foreign()])
            shown.append(str(caught.value))

        text = "\n".join([*shown, caplog.text])
        assert not [word for word in (*SECRETS, *PERSONAL) if word in text]

    # What comes back later.

    async def test_the_attempt_on_the_wire_comes_back_in_the_receipt(self, provider: LoopbackProvider):
        provider.otherwise = self.accepts
        async with self.channel(provider.url) as channel:
            await channel.send([self.message(7)])
            [on_wire] = self.attempts_on_wire(provider.requests[0])
            [receipt] = channel.receive(self.callback(min(self.words), on_wire))

        assert on_wire == receipt.attempt_id == "attempt-7"

    async def test_the_same_callback_twice_is_the_same_news(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            first, again = (channel.receive(self.callback(min(self.words))) for _ in range(2))

        assert [one.event_key for one in first] == [one.event_key for one in again]
        assert first[0].event_key

    async def test_what_the_provider_wrote_stays_with_the_news_and_is_not_shown(self, provider: LoopbackProvider):
        word = min(self.words)
        async with self.channel(provider.url) as channel:
            [news] = channel.receive(self.callback(word))

        assert word in news.raw
        assert news.raw not in repr(news)

    async def test_different_news_of_one_message_have_different_keys(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            keys = [channel.receive(self.callback(word))[0].event_key for word in self.words]

        assert len(set(keys)) == len(self.words)

    async def test_every_published_word_is_known(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            kinds = {word: channel.receive(self.callback(word))[0].kind for word in self.words}

        unknown = {word for word, kind in kinds.items() if kind is ReceiptKind.UNKNOWN}
        assert unknown == self.inbound_words

    async def test_a_word_nobody_published_is_unknown_and_kept(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            [receipt] = channel.receive(self.callback("teleported"))

        assert isinstance(receipt, Receipt)
        assert receipt.kind is ReceiptKind.UNKNOWN
        assert receipt.code == "teleported"
        assert receipt.attempt_id == "attempt-1"

    async def test_both_keys_of_a_rotation_are_believed(self, provider: LoopbackProvider):
        word = min(self.words)
        async with self.channel(provider.url) as channel:
            first, second = (channel.receive(self.callback(word, key=key)) for key in (0, 1))

        assert first == second

    @pytest.mark.parametrize("altered", ["body", "signature", "no signature", "no header", "foreign key", "bytes"])
    async def test_what_the_provider_did_not_sign_is_refused(self, provider: LoopbackProvider, altered: str):
        callback = self.forged(self.callback(min(self.words)), altered)
        async with self.channel(provider.url) as channel:
            with pytest.raises(BadSignature) as caught:
                channel.receive(callback)

        assert not [word for word in (*SECRETS, *PERSONAL) if word in str(caught.value)]

    def forged(self, callback: Callback, altered: str) -> Callback:
        signature = next(name for name in callback.headers if name.endswith("-signature"))
        match altered:
            case "body":
                return replace(
                    callback, body=callback.body.replace(b"attempt", b"another").replace(b"SM", b"MM") + b" "
                )
            case "bytes":
                return replace(callback, body=callback.body + b"\xff\xfe")
            case "signature":
                return replace(callback, headers={**callback.headers, signature: "!!!"})
            case "no signature":
                return replace(callback, headers={**callback.headers, signature: ""})
            case "no header":
                return replace(callback, headers={})
            case _:
                return self.callback(min(self.words), key=2)

    # Asking.

    async def test_asking_never_raises(self, provider: LoopbackProvider):
        provider.otherwise = lambda _: Reply(500)
        async with self.channel(provider.url) as channel:
            sighting = await channel.find(self.message(), since=NOW - timedelta(minutes=1))

        assert sighting.seen is None
        assert sighting.without({"somebody's"}) == sighting  # who could not look has not seen its absence

    async def test_a_probe_of_a_good_account_is_ok_and_sends_nothing(self, provider: LoopbackProvider):
        provider.otherwise = self.welcome
        async with self.channel(provider.url) as channel:
            probe = await channel.probe([self.message().sender])

        assert probe == Probe(standing=Standing.OK)
        assert {request.method for request in provider.requests} == {"GET"}

    async def test_a_probe_with_wrong_credentials_is_refused_and_says_so(self, provider: LoopbackProvider):
        provider.otherwise = lambda _: Reply(401, b"{}")
        async with self.channel(provider.url) as channel:
            probe = await channel.probe()

        assert probe.standing is Standing.REFUSED
        assert probe.sentence
        assert not [word for word in (*SECRETS, *PERSONAL) if word in probe.sentence]

    @pytest.mark.parametrize("answer", [Reply(500), Reply(429), Reset(), Reply(200, b"<html>"), Reply(200, b"[1]")])
    async def test_a_probe_that_gets_no_proper_answer_is_unreachable(self, provider: LoopbackProvider, answer):
        provider.otherwise = lambda _: answer
        async with self.channel(provider.url) as channel:
            probe = await channel.probe()

        assert probe.standing is Standing.UNREACHABLE
        assert probe.sentence

    async def test_a_probe_of_nobody_is_unreachable(self):
        async with self.channel(closed_port()) as channel:
            assert (await channel.probe()).standing is Standing.UNREACHABLE

    async def test_the_registry_says_what_the_adapter_is(self, provider: LoopbackProvider):
        async with self.channel(provider.url) as channel:
            assert channel.name == self.name
            assert channel.kind is PROVIDERS[self.name].kind
