"""Asking Twilio whether it took a text: yes, no, or nobody can say."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

from channels.messages import Sms
from channels.registry import build
from channels.results import ReceiptKind
from tests.channels import twilio_dialect as twilio
from tests.channels.contract_hooks import NOW
from tests.channels.loopback import json_reply

SID, SECOND = "SM" + "a" * 32, "SM" + "c" * 32
SERVICE = "MG" + "b" * 32

pytestmark = pytest.mark.anyio


def a_text(sender: str = twilio.OURS, body: str = "Dear Ann") -> Sms:
    return Sms(attempt_id="attempt-1", to=twilio.PERSON, sender=sender, body=body)


def listed(**changes):
    return {
        "sid": SID,
        "status": "delivered",
        "error_code": None,
        "direction": "outbound-api",
        "from": twilio.OURS,
        "to": twilio.PERSON,
        "body": "Dear Ann",
        "messaging_service_sid": None,
        "date_created": format_datetime(NOW + timedelta(seconds=1)),
        **changes,
    }


def page(*records, next_page_uri=None):
    return json_reply(200, {"messages": list(records), "next_page_uri": next_page_uri, "page_size": 1000})


@asynccontextmanager
async def _channel(provider):
    channel = build("twilio-sms", twilio.settings(provider.url))
    try:
        yield channel
    finally:
        await channel.close()


async def _find(provider, message=None):
    async with _channel(provider) as channel:
        return await channel.find(message or a_text(), since=NOW)


async def test_a_text_that_is_listed_was_sent(provider):
    provider.script = [page(listed(body="Something else"), listed())]

    sighting = await _find(provider)

    assert sighting.seen is True
    assert sighting.provider_ref == SID
    assert sighting.receipt.kind is ReceiptKind.DELIVERED
    assert sighting.receipt.attempt_id == "attempt-1"
    assert sighting.receipt.event_key == f"{SID}:delivered"
    [request] = provider.requests
    assert request.query == {"To": twilio.PERSON, "PageSize": "1000"}  # DateSent and From are not known yet


@pytest.mark.parametrize(
    "other",
    [
        {"from": "+15555550199"},
        {"date_created": format_datetime(NOW - timedelta(minutes=11))},
        {"direction": "inbound"},
        {"direction": "outbound-reply"},  # Twilio's own answer to STOP
    ],
)
async def test_a_text_that_is_not_listed_was_not_sent(provider, other):
    provider.script = [page(listed(**other))]

    assert (await _find(provider)).seen is False


@pytest.mark.parametrize(
    "body", ["Dear Ann", "Dear Ann ", "Sent from your Twilio trial account - Dear Ann", "Déar Ann"]
)
async def test_a_text_twilio_changed_a_little_is_still_ours(provider, body):
    provider.script = [page(listed(body=body))]

    assert (await _find(provider)).seen is True


async def test_a_text_is_found_though_our_clock_is_minutes_ahead(provider):
    provider.script = [page(listed(date_created=format_datetime(NOW - timedelta(minutes=9))))]

    assert (await _find(provider)).seen is True


@pytest.mark.parametrize("body", ["Dear Ann. Reply STOP to opt out", "Something else", "", None])
async def test_another_text_to_the_same_person_may_be_ours_as_the_provider_changed_it(provider, body):
    provider.script = [page(listed(body=body))]

    sighting = await _find(provider)

    assert (sighting.seen, sighting.provider_ref, sighting.receipt) == (None, "", None)


async def test_where_several_fit_nobody_can_say(provider):
    provider.script = [page(listed(), listed(sid=SECOND))]

    assert (await _find(provider)).seen is None


@pytest.mark.parametrize(
    ("records", "owned", "seen"),
    [
        ([listed(), listed(sid=SECOND)], {SECOND}, True),
        ([listed()], {SID}, False),
        ([listed(body="Something else")], {SID}, False),
        ([listed(body=""), listed(sid=SECOND)], {SECOND}, None),
        ([listed(), listed(sid=SECOND)], {"SM" + "d" * 32}, None),
    ],
)
async def test_what_other_attempts_own_is_not_taken_for_this_one(provider, records, owned, seen):
    provider.script = [page(*records)]

    assert (await _find(provider)).without(owned).seen is seen


@pytest.mark.parametrize(("theirs", "seen"), [("\N{THUMBS UP SIGN}", True), ("\N{THUMBS DOWN SIGN}", None)])
async def test_texts_without_letters_are_told_apart(provider, theirs, seen):
    provider.script = [page(listed(body=theirs))]

    assert (await _find(provider, a_text(body="\N{THUMBS UP SIGN}"))).seen is seen


async def test_a_service_chooses_the_sender_itself(provider):
    provider.script = [page(listed(messaging_service_sid=SERVICE, **{"from": None}))]

    assert (await _find(provider, a_text(sender=SERVICE))).seen is True


async def test_all_pages_are_read(provider):
    more = f"/2010-04-01/Accounts/{twilio.ACCOUNT}/Messages.json?PageToken=x&To=%2B15555550142"
    provider.script = [page(listed(body="Other"), next_page_uri=more), page(listed())]

    assert (await _find(provider)).seen is True
    assert provider.requests[1].query == {"PageToken": "x", "To": twilio.PERSON}


async def test_a_list_without_end_leaves_it_open(provider):
    provider.otherwise = lambda _: page(listed(direction="inbound"), next_page_uri="/2010-04-01/more.json")

    assert (await _find(provider)).seen is None
    assert len(provider.requests) == 5


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"messages": [], "more": []}'])
async def test_a_list_that_cannot_be_read_leaves_it_open(provider, body):
    provider.script = [replace(json_reply(200, {}), body=body)]

    assert (await _find(provider)).seen is None


async def test_news_in_a_list_has_the_key_of_the_same_news_in_a_callback(provider):
    provider.script = [page(listed(status="undelivered", error_code=30003))]

    found = (await _find(provider)).receipt
    form = {"MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": "30003"}
    async with _channel(provider) as channel:
        [told] = channel.receive(twilio.signed("sms", "attempt-1", form))

    assert found == told
