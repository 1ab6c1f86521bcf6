"""The table of adapters, the settings they need, and the table of codes."""

import pytest

from channels.errors import InvalidSettings
from channels.registry import PROVIDERS, build
from channels.results import Certainty, Reason
from channels.vendors.sendgrid import SendGridSettings
from channels.vendors.twilio_codes import failure, meanings
from tests.channels import twilio_dialect as twilio

URL = "http://127.0.0.1:1"


def test_a_name_nobody_knows_says_which_there_are():
    with pytest.raises(InvalidSettings, match=r"pigeon.*sendgrid-email, twilio-sms, twilio-voice"):
        build("pigeon", twilio.settings(URL))


@pytest.mark.parametrize("name", PROVIDERS)
def test_settings_of_another_vendor_are_refused(name):
    ours = PROVIDERS[name].settings
    other = (
        SendGridSettings(api_key="x", webhook_public_keys=()) if ours is not SendGridSettings else twilio.settings(URL)
    )

    with pytest.raises(InvalidSettings, match=ours.__name__):
        build(name, other)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_sid", ""),
        ("auth_tokens", ()),
        ("auth_tokens", ("",)),
        ("public_url", "campaigns.example.com"),
        ("public_url", "https://campaigns.example.com/"),
        ("public_url", "https://my_host.example.com"),  # Twilio refuses such hosts
        ("public_url", "https://x.example.com/?a=b"),
        ("base_url", "ftp://x"),
        ("max_in_flight", 0),
        ("connect_timeout_seconds", 99.0),
    ],
)
def test_bad_settings_are_refused_by_name(field, value):
    with pytest.raises(InvalidSettings, match=field):
        twilio.settings(URL, **{field: value})


@pytest.mark.parametrize(("field", "value"), [("api_key", ""), ("max_in_flight", 0), ("base_url", "x")])
def test_bad_settings_of_sendgrid_are_refused_by_name(field, value):
    with pytest.raises(InvalidSettings, match=field):
        SendGridSettings(**{"api_key": "x", "webhook_public_keys": (), field: value})


def test_only_what_twilio_says_it_did_not_take_may_be_sent_again():
    again = {code for code, meaning in meanings().items() if meaning.certainty is Certainty.NOT_SENT}

    assert again == {20429, 21611, 22005, 63038}


def test_every_code_has_a_reason_and_says_what_it_is():
    for meaning in meanings().values():
        assert meaning.reason not in (Reason.NONE, Reason.OTHER)
        assert meaning.certainty is not Certainty.ACCEPTED
        assert meaning.about


@pytest.mark.parametrize("code", ["", "x", "-1", "²", "99999"])
def test_a_code_that_is_none_is_other(code):
    assert failure(code) is Reason.OTHER
