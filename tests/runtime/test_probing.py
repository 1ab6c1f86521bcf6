"""A launch asks the providers first whether they would let us send."""

from typing import Any

import pytest

from channels.sandbox.settings import API_KEY
from tests.channels.loopback import closed_port
from tests.engine.builders import a_campaign
from worker.runtime.probing import probe


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is asked of the database here is the same on both kinds."""
    return sqlite_url


def account(name: str, key: str) -> dict[str, Any]:
    return {"emailAccountId": name, "name": name, "emailAddress": f"{name}@example.com", "credentialRef": key}


def test_good_accounts_are_worth_no_word(house):
    assert probe(house.rt, a_campaign()) == ((), ())


def test_wrong_credentials_block_and_name_the_channels(open_house):
    house = open_house(twilio_auth_token="wrong", sendgrid_api_key="SG.wrong")

    blocks, warns = probe(house.rt, a_campaign())

    assert [one.partition(":")[0] for one in blocks] == ["email", "sms", "voice"]
    assert not warns


def test_a_channel_that_is_off_is_not_asked_about(open_house):
    house = open_house(twilio_auth_token="wrong")

    assert probe(house.rt, a_campaign(useForSMS=False, useForOutbound=False)) == ((), ())


def test_a_provider_that_cannot_be_reached_is_worth_a_warning(open_house):
    house = open_house(twilio_base_url=closed_port())

    blocks, warns = probe(house.rt, a_campaign())

    assert not blocks
    assert [one.partition(":")[0] for one in warns] == ["sms", "voice"]


def test_a_sender_that_is_not_the_accounts_is_worth_a_warning_without_the_number(open_house):
    house = open_house(sandbox={"senders": frozenset({"+15550002222"})})

    blocks, [warning] = probe(house.rt, a_campaign())

    assert not blocks
    assert warning == "sms: the smsFromAddress is no number of this account"


def test_missing_settings_are_said_elsewhere(open_house):
    house = open_house(twilio_account_sid="")

    assert probe(house.rt, a_campaign(useForEmail=False)) == ((), ())


def test_each_email_account_is_asked_and_a_bad_one_blocks_only_if_no_other_is_good(house, monkeypatch):
    monkeypatch.setenv("GOOD_KEY", API_KEY)
    monkeypatch.setenv("BAD_KEY", "SG.revoked")
    mail = a_campaign(useForSMS=False, useForOutbound=False)

    blocks, [warning] = probe(house.rt, mail, [account("a", "BAD_KEY"), account("b", "GOOD_KEY")])
    assert not blocks
    assert warning.startswith("email account a: SendGrid does not know the API key")

    assert len(probe(house.rt, mail, [account("a", "BAD_KEY"), account("c", "BAD_KEY")]).blocks) == 2
