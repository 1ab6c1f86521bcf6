"""What SendGrid posts: verified, then read, one receipt an event."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from channels.base import BadCallback, BadSignature
from channels.errors import InvalidSettings
from channels.results import Reason, ReceiptKind
from channels.vendors.sendgrid import SendGridSettings, SendGridWebhooks
from tests.channels import sendgrid_dialect as sendgrid
from tests.channels.contract_hooks import NOW
from tests.channels.sendgrid_dialect import signed, told

pytestmark = pytest.mark.anyio


async def _news(provider, callback, **changes):
    async with sendgrid.channel(provider.url, **changes) as channel:
        return channel.receive(callback)


@pytest.mark.parametrize(
    ("event", "kind", "reason", "code"),
    [
        ({"event": "processed"}, ReceiptKind.QUEUED, Reason.NONE, "processed"),
        ({"event": "deferred", "attempt": "3"}, ReceiptKind.DEFERRED, Reason.NONE, "deferred"),
        ({"event": "delivered"}, ReceiptKind.DELIVERED, Reason.NONE, "delivered"),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, ReceiptKind.FAILED, Reason.INVALID_ADDRESS, "5.1.1"),
        ({"event": "bounce", "type": "blocked"}, ReceiptKind.FAILED, Reason.BLOCKED, "blocked"),
        ({"event": "bounce", "type": "expired"}, ReceiptKind.FAILED, Reason.UNREACHABLE, "expired"),
        ({"event": "bounce", "type": "eaten"}, ReceiptKind.FAILED, Reason.OTHER, "eaten"),
        ({"event": "dropped", "reason": "Invalid"}, ReceiptKind.FAILED, Reason.INVALID_ADDRESS, "Invalid"),
        (
            {"event": "dropped", "reason": "Bounced Address"},
            ReceiptKind.FAILED,
            Reason.INVALID_ADDRESS,
            "Bounced Address",
        ),
        (
            {"event": "dropped", "reason": "Unsubscribed Address"},
            ReceiptKind.FAILED,
            Reason.OPTED_OUT,
            "Unsubscribed Address",
        ),
        ({"event": "dropped", "reason": "Whim"}, ReceiptKind.FAILED, Reason.SUPPRESSED, "Whim"),
        ({"event": "open"}, ReceiptKind.OPENED, Reason.NONE, "open"),
        ({"event": "open", "sg_machine_open": True}, ReceiptKind.UNKNOWN, Reason.NONE, "open"),
        ({"event": "click", "url": "https://x"}, ReceiptKind.CLICKED, Reason.NONE, "click"),
        ({"event": "spamreport"}, ReceiptKind.OPTED_OUT, Reason.OPTED_OUT, "spamreport"),
        ({"event": "group_unsubscribe"}, ReceiptKind.OPTED_OUT, Reason.OPTED_OUT, "group_unsubscribe"),
        ({"event": "account_status_change"}, ReceiptKind.UNKNOWN, Reason.NONE, "account_status_change"),
        ({"event": None}, ReceiptKind.UNKNOWN, Reason.NONE, ""),
    ],
)
async def test_what_an_event_means(provider, event, kind, reason, code):
    [receipt] = await _news(provider, told({"sg_event_id": "e1", **event}))

    assert (receipt.kind, receipt.reason, receipt.code) == (kind, reason, code)
    assert (receipt.event_key, receipt.attempt_id, receipt.provider_ref) == ("e1", "attempt-1", "")
    assert receipt.at == NOW


async def test_what_a_database_cannot_store_is_not_read_out_of_an_event(provider):
    [receipt] = await _news(provider, told({"event": "bounce", "type": "blo\0cked", "sg_event_id": "e\0"}))

    assert (receipt.reason, receipt.code, receipt.event_key) == (Reason.BLOCKED, "blocked", "e")


async def test_each_receipt_keeps_its_own_event_of_the_batch(provider):
    events = [{"event": "open", "ip": "::1", "n": [1, 2.5, None]}, {"event": "bounce", "reason": "550 <ann@x.example>"}]

    news = await _news(provider, signed(json.dumps(events).encode()))

    assert [json.loads(receipt.raw) for receipt in news] == events


async def test_what_the_mail_server_said_about_somebody_is_not_kept(provider):
    words = "550 5.1.1 no such user ann@person1.example.com"

    for event in ({"event": "bounce", "reason": words, "status": words}, {"event": "dropped", "reason": words}):
        [receipt] = await _news(provider, told(event))

        assert "ann@" not in repr(receipt)


async def test_a_mail_that_lost_our_id_is_still_known_by_its_request(provider):
    [receipt] = await _news(provider, told({"event": "open", "attempt_id": None}))

    assert (receipt.attempt_id, receipt.provider_ref) == ("", "msg1")


async def test_events_without_an_id_are_named_by_what_they_say(provider):
    first, again, other = [(await _news(provider, told({"event": word})))[0] for word in ("open", "open", "click")]

    assert first.event_key == again.event_key != other.event_key


async def test_events_of_mails_that_are_not_ours_have_no_attempt(provider):
    [receipt] = await _news(provider, told({"event": "open", "attempt_id": 7, "sg_message_id": None, "timestamp": "x"}))

    assert (receipt.attempt_id, receipt.provider_ref, receipt.at) == ("", "", None)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"nonsense"])
async def test_a_signed_batch_that_cannot_be_read_says_so(provider, body):
    with pytest.raises(BadCallback, match="expected"):
        await _news(provider, signed(body))


async def test_a_batch_that_waited_for_us_a_day_is_still_taken(provider):
    assert await _news(provider, told({"event": "open"}, at=NOW - timedelta(days=1)))


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_how_old_or_early_a_batch_may_be_is_a_setting(provider, seconds):
    with pytest.raises(BadSignature, match="clock"):
        await _news(provider, told({"event": "open"}, at=NOW + timedelta(seconds=seconds)), max_event_age_seconds=300)


async def test_a_timestamp_that_is_no_number_is_refused(provider):
    callback = told({"event": "open"})
    headers = {name: "²" if name.endswith("timestamp") else value for name, value in callback.headers.items()}

    with pytest.raises(BadSignature):
        await _news(provider, replace(callback, headers=headers))


def test_a_key_that_is_none_is_refused_by_name():
    with pytest.raises(InvalidSettings, match="webhook_public_keys"):
        SendGridWebhooks(SendGridSettings(api_key="x", webhook_public_keys=("nonsense",)))
