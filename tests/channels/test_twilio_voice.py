"""Calls through Twilio: the contract, and what is Twilio's own."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.etree import ElementTree as ET

import pytest

from channels.messages import Call, MachineDetection, Sms, Speech
from channels.results import AnsweredBy, Certainty, Reason, ReceiptKind
from channels.voice.twiml import answer_twiml
from tests.channels import twilio_dialect as twilio
from tests.channels.contract import ChannelContract
from tests.channels.contract_hooks import NOW
from tests.channels.loopback import json_reply

SID = "CA" + "a" * 32
SPEECH, VOICEMAIL = Speech(text="Dear Ann & <co>"), Speech(play_url="https://sounds.example.com/vm.mp3")
_numbers = itertools.count()

pytestmark = pytest.mark.anyio


class TestTwilioVoice(ChannelContract):
    name = "twilio-voice"
    words = frozenset(
        ("queued", "initiated", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled")
    )

    def settings(self, base_url, **changes):
        return twilio.settings(base_url, **changes)

    def message(self, number=1):
        return Call(attempt_id=f"attempt-{number}", to=twilio.number(number), sender=twilio.OURS, speech=SPEECH)

    def foreign(self):
        return Sms(attempt_id="s", to=twilio.PERSON, sender=twilio.OURS, body="Dear Ann")

    def welcome(self, request):
        return twilio.welcome(request)

    def accepts(self, request):
        return accepted(request)

    def refusal(self):
        return twilio.error(400, 21211), Reason.INVALID_ADDRESS, "21211"

    def throttle(self, request, seconds):
        return twilio.error(429, 20429, Retry_After=str(seconds))

    def attempts_on_wire(self, request):
        return twilio.attempts_on_wire(request)

    def callback(self, word, attempt_id="attempt-1", key=0):
        return told(word, attempt_id, key=key)


def accepted(request):
    return json_reply(201, {"sid": f"CA{next(_numbers):032x}", "status": "queued", "to": request.form["To"][0]})


def told(status: str, attempt_id: str = "attempt-1", path: str = "voice", key: int = 0, **more: str):
    form = {"CallSid": SID, "CallStatus": status, "To": twilio.PERSON, "From": twilio.OURS, **more}
    return twilio.signed(path, attempt_id, {"Direction": "outbound-api", **form}, key)


def a_call(**changes) -> Call:
    return replace(TestTwilioVoice().message(), **changes)


async def _on_wire(provider, call: Call) -> dict[str, list[str]]:
    provider.otherwise = accepted
    async with TestTwilioVoice().channel(provider.url) as channel:
        [result] = await channel.send([call])
    assert result.certainty is Certainty.ACCEPTED
    return provider.requests[0].form


async def _news(provider, callback):
    async with TestTwilioVoice().channel(provider.url) as channel:
        return channel.receive(callback)


def _verbs(document: str) -> list[tuple[str, str | None]]:
    return [(verb.tag, verb.text) for verb in ET.fromstring(document)]


async def test_a_plain_call_carries_what_it_says(provider):
    form = await _on_wire(provider, a_call())

    assert provider.requests[0].target == f"/2010-04-01/Accounts/{twilio.ACCOUNT}/Calls.json"
    assert _verbs(form.pop("Twiml")[0]) == [("Say", "Dear Ann & <co>")]
    assert form == {
        "To": [twilio.PERSON],
        "From": [twilio.OURS],
        "Timeout": ["25"],
        "StatusCallback": [f"{twilio.PUBLIC}/webhooks/twilio/voice?attempt=attempt-1#rc=3&rp=all"],
        "StatusCallbackEvent": ["ringing", "answered", "completed"],
    }


@pytest.mark.parametrize(
    ("detection", "asked"), [(MachineDetection.HANG_UP, "Enable"), (MachineDetection.LEAVE_MESSAGE, "DetectMessageEnd")]
)
async def test_a_call_that_listens_for_machines_asks_us_what_to_say(provider, detection, asked):
    form = await _on_wire(provider, a_call(machine_detection=detection, voicemail=VOICEMAIL))

    assert form["MachineDetection"] == [asked]
    assert form["Url"] == [f"{twilio.PUBLIC}/webhooks/twilio/answer?attempt=attempt-1#rc=3&rp=all"]
    assert "Twiml" not in form
    assert form["StatusCallbackEvent"] == ["ringing", "completed"]


async def test_a_speech_too_long_for_the_request_is_asked_for(provider):
    form = await _on_wire(provider, a_call(speech=Speech(text="x" * 4000)))

    assert "Twiml" not in form
    assert form["Url"]


HUNG_UP = [("Hangup", None)]
SAID = [("Say", "Dear Ann & <co>")]
LEFT = [("Play", "https://sounds.example.com/vm.mp3")]


@pytest.mark.parametrize(
    ("detection", "answered_by", "verbs"),
    [
        (MachineDetection.OFF, AnsweredBy.NOBODY_ASKED, SAID),
        (MachineDetection.HANG_UP, AnsweredBy.HUMAN, SAID),
        (MachineDetection.HANG_UP, AnsweredBy.MACHINE, HUNG_UP),
        (MachineDetection.HANG_UP, AnsweredBy.FAX, HUNG_UP),
        (MachineDetection.HANG_UP, AnsweredBy.UNKNOWN, SAID),  # a person must never be hung up on
        (MachineDetection.LEAVE_MESSAGE, AnsweredBy.HUMAN, SAID),
        (MachineDetection.LEAVE_MESSAGE, AnsweredBy.MACHINE, LEFT),
        (MachineDetection.LEAVE_MESSAGE, AnsweredBy.MACHINE_MESSAGE_LEFT, LEFT),
        (MachineDetection.LEAVE_MESSAGE, AnsweredBy.UNKNOWN, SAID),
        (MachineDetection.LEAVE_MESSAGE, AnsweredBy.FAX, HUNG_UP),
    ],
)
def test_what_is_said_depends_on_who_answered(detection, answered_by, verbs):
    call = a_call(machine_detection=detection, voicemail=VOICEMAIL)

    assert _verbs(answer_twiml(call, answered_by)) == verbs


def test_a_voice_and_a_language_are_named_where_given():
    [say] = ET.fromstring(answer_twiml(a_call(speech=Speech(text="x", language="de-DE", voice="Polly.Vicki"))))

    assert say.attrib == {"language": "de-DE", "voice": "Polly.Vicki"}


@pytest.mark.parametrize(
    ("status", "more", "reason", "code"),
    [
        ("busy", {}, Reason.BUSY, "busy"),
        ("busy", {"SipResponseCode": "486"}, Reason.BUSY, "486"),
        ("busy", {"SipResponseCode": "603"}, Reason.DECLINED, "603"),
        ("no-answer", {}, Reason.NO_ANSWER, "no-answer"),
        ("no-answer", {"SipResponseCode": "480"}, Reason.NO_ANSWER, "480"),
        ("no-answer", {"SipResponseCode": "487"}, Reason.NO_ANSWER, "487"),
        ("failed", {}, Reason.PROVIDER_ERROR, "failed"),
        ("failed", {"SipResponseCode": "404"}, Reason.INVALID_ADDRESS, "404"),
        ("failed", {"SipResponseCode": "503"}, Reason.PROVIDER_ERROR, "503"),
        ("failed", {"ErrorCode": "13224"}, Reason.INVALID_ADDRESS, "13224"),
        ("failed", {"SipResponseCode": "608", "ErrorCode": "99999"}, Reason.BLOCKED, "99999"),
        ("canceled", {"SipResponseCode": "487"}, Reason.CANCELED, "487"),
    ],
)
async def test_why_a_call_reached_nobody(provider, status, more, reason, code):
    [receipt] = await _news(provider, told(status, **more))

    assert (receipt.kind, receipt.reason, receipt.code) == (ReceiptKind.FAILED, reason, code)


@pytest.mark.parametrize(
    ("word", "answered_by"),
    [
        ("human", AnsweredBy.HUMAN),
        ("machine_start", AnsweredBy.MACHINE),
        ("machine_end_beep", AnsweredBy.MACHINE_MESSAGE_LEFT),
        ("machine_end_silence", AnsweredBy.MACHINE_MESSAGE_LEFT),
        ("machine_end_other", AnsweredBy.MACHINE_MESSAGE_LEFT),
        ("fax", AnsweredBy.FAX),
        ("unknown", AnsweredBy.UNKNOWN),
        ("parrot", AnsweredBy.UNKNOWN),
    ],
)
async def test_who_answered(provider, word, answered_by):
    [asked] = await _news(provider, told("in-progress", path="answer", AnsweredBy=word))
    [over] = await _news(provider, told("completed", AnsweredBy=word, Timestamp="Mon, 23 Nov 2026 12:00:00 +0000"))

    assert (asked.kind, asked.answered_by) == (ReceiptKind.ANSWERED, answered_by)
    assert (over.kind, over.answered_by, over.reason) == (ReceiptKind.COMPLETED, answered_by, Reason.NONE)
    assert over.at == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert asked.event_key != over.event_key
    assert asked.attempt_id == over.attempt_id == "attempt-1"


async def test_a_call_to_us_is_no_news_about_ours(provider):
    assert await _news(provider, told("ringing", Direction="inbound")) == []


# Asking.


def listed(**changes):
    created = format_datetime(NOW + timedelta(seconds=1))
    return {"sid": SID, "status": "completed", "answered_by": "human", "date_created": created, **changes}


async def _find(provider, *records):
    provider.script = [json_reply(200, {"calls": list(records), "next_page_uri": None})]
    async with TestTwilioVoice().channel(provider.url) as channel:
        return await channel.find(a_call(), since=NOW)


async def test_a_call_that_is_listed_was_placed(provider):
    sighting = await _find(provider, listed(), listed(date_created=format_datetime(NOW - timedelta(minutes=11))))

    assert (sighting.seen, sighting.provider_ref) == (True, SID)
    assert (sighting.receipt.kind, sighting.receipt.answered_by) == (ReceiptKind.COMPLETED, AnsweredBy.HUMAN)
    assert sighting.receipt.attempt_id == "attempt-1"
    assert provider.requests[0].query == {"To": twilio.PERSON, "From": twilio.OURS, "PageSize": "1000"}


async def test_a_call_that_is_not_listed_was_not_placed(provider):
    assert (await _find(provider)).seen is False


async def test_where_two_calls_fit_nobody_can_say_until_one_is_known_to_be_another_attempts(provider):
    sighting = await _find(provider, listed(), listed(sid="CA" + "b" * 32))

    assert sighting.seen is None
    assert sighting.without({"CA" + "b" * 32}).provider_ref == SID


async def test_a_call_is_found_though_our_clock_is_minutes_ahead(provider):
    assert (await _find(provider, listed(date_created=format_datetime(NOW - timedelta(minutes=9))))).seen is True
