"""Asking a provider about our own account: what is special about each vendor, and the sandbox's answers."""

import pytest

from channels.base import Probe, Standing
from channels.registry import build
from channels.sandbox import SandboxSettings, start
from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN
from channels.vendors.sendgrid import SendGridSettings
from channels.vendors.twilio import TwilioSettings
from tests.channels import sendgrid_dialect as sendgrid
from tests.channels import twilio_dialect as twilio
from tests.channels.loopback import LoopbackProvider, Reply, json_reply

pytestmark = pytest.mark.anyio

OURS, FOREIGN = "+12125550100", "+12125550199"


async def asked(name: str, settings: object, *senders: str) -> Probe:
    channel = build(name, settings)
    try:
        return await channel.probe(senders)
    finally:
        await channel.close()


@pytest.mark.parametrize("name", ["twilio-sms", "twilio-voice"])
async def test_a_suspended_account_of_twilio_is_refused(provider: LoopbackProvider, name: str):
    provider.otherwise = lambda _: json_reply(200, {"sid": twilio.ACCOUNT, "status": "suspended"})

    probe = await asked(name, twilio.settings(provider.url))

    assert probe == Probe(standing=Standing.REFUSED, sentence="the Twilio account is suspended")


async def test_a_key_of_sendgrid_that_may_not_send_is_refused(provider: LoopbackProvider):
    provider.otherwise = lambda _: json_reply(200, {"scopes": ["stats.read"]})

    probe = await asked("sendgrid-email", sendgrid.settings(provider.url))

    assert probe.standing is Standing.REFUSED
    assert "Mail Send" in probe.sentence


async def test_a_key_of_sendgrid_that_may_not_be_asked_about_is_no_reason_to_refuse(provider: LoopbackProvider):
    provider.otherwise = lambda _: Reply(403)

    assert (await asked("sendgrid-email", sendgrid.settings(provider.url))).standing is Standing.UNREACHABLE


async def test_only_numbers_are_looked_for_among_the_accounts_numbers(provider: LoopbackProvider):
    provider.otherwise = twilio.welcome

    await asked("twilio-sms", twilio.settings(provider.url), "MG" + "0" * 32, "72345", "ACME", twilio.OURS)

    assert sum("PhoneNumbers" in request.target for request in provider.requests) == 1


@pytest.fixture
async def sandbox(tmp_path):
    opened = await start(SandboxSettings(data_dir=tmp_path, senders=frozenset({OURS, "us@example.com"})))
    yield opened
    await opened.stop()


def at_twilio(url: str, **changes: object) -> TwilioSettings:
    given = {"account_sid": ACCOUNT_SID, "auth_tokens": (AUTH_TOKEN,), "public_url": "http://127.0.0.1:9"}
    return TwilioSettings(**{**given, "base_url": url, **changes})


def at_sendgrid(sandbox, **changes: object) -> SendGridSettings:
    given = {"api_key": API_KEY, "webhook_public_keys": (sandbox.sendgrid_public_key,), "base_url": sandbox.url}
    return SendGridSettings(**{**given, **changes})


@pytest.mark.parametrize("name", ["twilio-sms", "twilio-voice"])
async def test_the_sandbox_knows_its_account_and_its_numbers(sandbox, name: str):
    assert await asked(name, at_twilio(sandbox.url), OURS, FOREIGN) == Probe(standing=Standing.OK, strangers=(FOREIGN,))
    wrong = at_twilio(sandbox.url, auth_tokens=("wrong",))
    assert (await asked(name, wrong)).standing is Standing.REFUSED


async def test_a_sandbox_that_owns_any_number_owns_the_one_asked_about(tmp_path):
    sandbox = await start(SandboxSettings(data_dir=tmp_path))

    assert await asked("twilio-sms", at_twilio(sandbox.url), FOREIGN) == Probe(standing=Standing.OK)

    await sandbox.stop()


async def test_the_sandbox_knows_its_key(sandbox):
    assert await asked("sendgrid-email", at_sendgrid(sandbox)) == Probe(standing=Standing.OK)
    assert (await asked("sendgrid-email", at_sendgrid(sandbox, api_key="SG.wrong"))).standing is Standing.REFUSED
