"""Texts through Twilio: the contract, and what is Twilio's own."""

import itertools
from dataclasses import replace

import pytest

from channels.base import BadCallback, BadSignature
from channels.messages import Call, Sms, Speech
from channels.results import Certainty, Keyword, Reason, ReceiptKind, Reply
from tests.channels import twilio_dialect as twilio
from tests.channels.contract import ChannelContract
from tests.channels.loopback import LoopbackProvider, Request, json_reply

SID = "SM" + "a" * 32
SERVICE = "MG" + "b" * 32
_numbers = itertools.count()


class TestTwilioSms(ChannelContract):
    name = "twilio-sms"
    words = frozenset(
        {
            *("accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed", "read"),
            *("partially_delivered", "canceled", "receiving", "received"),
        }
    )
    inbound_words = frozenset({"receiving", "received"})

    def settings(self, base_url, **changes):
        return twilio.settings(base_url, **changes)

    def message(self, number=1):
        return Sms(attempt_id=f"attempt-{number}", to=twilio.number(number), sender=twilio.OURS, body="Dear Ann")

    def foreign(self):
        return Call(attempt_id="c", to=twilio.PERSON, sender=twilio.OURS, speech=Speech(text="Dear Ann"))

    def welcome(self, request):
        return twilio.welcome(request)

    def accepts(self, request):
        return accepted(request)

    def refusal(self):
        return twilio.error(400, 21610), Reason.OPTED_OUT, "21610"

    def throttle(self, request, seconds):
        return twilio.error(429, 20429, Retry_After=str(seconds))

    def attempts_on_wire(self, request):
        return twilio.attempts_on_wire(request)

    def callback(self, word, attempt_id="attempt-1", key=0):
        form = {"MessageSid": SID, "SmsSid": SID, "MessageStatus": word, "SmsStatus": word, "To": twilio.PERSON}
        return twilio.signed("sms", attempt_id, form, key)


def accepted(request: Request, **changes):
    created = {
        "sid": f"SM{next(_numbers):032x}",
        "status": "queued",
        "num_segments": "1",
        "error_code": None,
        "body": request.form["Body"][0],
        **changes,
    }
    return json_reply(201, created)


async def _send(provider: LoopbackProvider, *messages: Sms, **changes):
    async with TestTwilioSms().channel(provider.url, **changes) as channel:
        return await channel.send(messages)


def a_text(**changes) -> Sms:
    return replace(TestTwilioSms().message(), **changes)


pytestmark = pytest.mark.anyio


async def test_what_is_on_the_wire(provider):
    provider.otherwise = accepted

    await _send(provider, a_text(body="Ünï & code=1 +\n😀", attempt_id="01J a/b", validity_seconds=600))

    [request] = provider.requests
    assert request.method == "POST"
    assert request.target == f"/2010-04-01/Accounts/{twilio.ACCOUNT}/Messages.json"
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.form == {
        "To": [twilio.PERSON],
        "From": [twilio.OURS],
        "Body": ["Ünï & code=1 +\n😀"],
        "ValidityPeriod": ["600"],
        "StatusCallback": [f"{twilio.PUBLIC}/webhooks/twilio/sms?attempt=01J%20a%2Fb#rc=3&rp=all"],
    }


async def test_a_messaging_service_is_named_as_one_and_its_segments_are_estimated(provider):
    provider.otherwise = lambda request: accepted(request, num_segments="0", status="accepted")

    [result] = await _send(provider, a_text(sender=SERVICE, body="x" * 161))

    assert provider.requests[0].form["MessagingServiceSid"] == [SERVICE]
    assert "From" not in provider.requests[0].form
    assert result.segments == 2


async def test_what_twilio_counts_is_what_counts(provider):
    provider.otherwise = lambda request: accepted(request, num_segments="3")

    [result] = await _send(provider, a_text())

    assert result.segments == 3


@pytest.mark.parametrize(
    ("status", "code", "certainty", "reason"),
    [
        (400, 21211, Certainty.REFUSED, Reason.INVALID_ADDRESS),
        (400, 21614, Certainty.REFUSED, Reason.LANDLINE),
        (400, 21408, Certainty.REFUSED, Reason.REGION),
        (400, 21606, Certainty.REFUSED, Reason.CONFIGURATION),
        (400, 21617, Certainty.REFUSED, Reason.CONTENT),
        (400, 99999, Certainty.REFUSED, Reason.OTHER),  # a code of tomorrow: by its HTTP class
        (401, 20003, Certainty.REFUSED, Reason.CONFIGURATION),
        (403, 99999, Certainty.REFUSED, Reason.CONFIGURATION),
        (400, 21611, Certainty.NOT_SENT, Reason.RATE_LIMITED),  # the sender's queue is full: not taken
        (429, 63038, Certainty.NOT_SENT, Reason.RATE_LIMITED),
        (429, 21610, Certainty.NOT_SENT, Reason.RATE_LIMITED),  # 429 is never processed, whatever the code
        (500, 21610, Certainty.UNKNOWN, Reason.PROVIDER_ERROR),  # 5xx proves nothing, whatever the code
        (400, 20500, Certainty.UNKNOWN, Reason.PROVIDER_ERROR),
    ],
)
async def test_error_codes(provider, status, code, certainty, reason):
    provider.script = [twilio.error(status, code)]

    [result] = await _send(provider, a_text())

    assert (result.certainty, result.reason, result.code) == (certainty, reason, str(code))


async def test_errors_in_the_shape_of_rfc_9457_are_read_too(provider):
    problem = {"type": "about:blank", "title": "No", "status": 400, "code": 21610}
    provider.script = [json_reply(400, problem)]

    [result] = await _send(provider, a_text())

    assert (result.certainty, result.reason) == (Certainty.REFUSED, Reason.OPTED_OUT)


async def test_everybody_is_told_their_own_time_to_come_back(provider):
    provider.otherwise = lambda request: twilio.error(429, 20429, Retry_After=request.form["To"][0][-2:])

    results = await _send(provider, *(TestTwilioSms().message(number) for number in range(2, 60)))

    assert [result.retry_after for result in results] == list(range(2, 60))


async def test_no_more_requests_at_once_than_allowed(provider):
    provider.otherwise = lambda request: replace(accepted(request), after=0.02)

    await _send(provider, *(TestTwilioSms().message(number) for number in range(2, 30)), max_in_flight=7)

    assert provider.most_in_flight == 7


# Later news.


async def _news(provider, callback):
    async with TestTwilioSms().channel(provider.url) as channel:
        return channel.receive(callback)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("30003", Reason.UNREACHABLE),
        ("30004", Reason.BLOCKED),
        ("30005", Reason.INVALID_ADDRESS),
        ("30006", Reason.LANDLINE),
        ("30007", Reason.FILTERED),
        ("21610", Reason.OPTED_OUT),
        ("", Reason.OTHER),
        ("98765", Reason.OTHER),
    ],
)
async def test_why_a_text_was_not_delivered(provider, code, reason):
    form = {"MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": code}

    [receipt] = await _news(provider, twilio.signed("sms", "attempt-1", form))

    assert (receipt.kind, receipt.reason, receipt.code) == (ReceiptKind.FAILED, reason, code or "undelivered")
    assert receipt.provider_ref == SID
    assert receipt.event_key == f"{SID}:undelivered"


INBOUND = {"MessageSid": SID, "SmsStatus": "received", "From": twilio.PERSON, "To": twilio.OURS, "NumMedia": "0"}


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("STOP", Keyword.STOP),
        (" stop. ", Keyword.STOP),
        ("Stop All!", Keyword.STOP),
        ("opt-out", Keyword.STOP),
        ("Unsubscribe", Keyword.STOP),
        ("arrêt", Keyword.STOP),
        ("START", Keyword.START),
        ("unstop", Keyword.START),
        ("help?", Keyword.HELP),
        ("info", Keyword.HELP),
        ("yes", Keyword.NONE),  # an answer to a question
        ("Please stop by at nine", Keyword.NONE),
        ("", Keyword.NONE),
        ("🛑", Keyword.NONE),
    ],
)
async def test_a_reply_asks_for_something_only_where_the_word_is_all_of_it(provider, body, keyword):
    [reply] = await _news(provider, twilio.signed("sms", "", {**INBOUND, "Body": body}))

    assert isinstance(reply, Reply)
    assert reply == Reply(
        event_key=f"{SID}:received",
        sender=twilio.PERSON,
        to=twilio.OURS,
        body=body,
        keyword=keyword,
        provider_ref=SID,
    )


@pytest.mark.parametrize(
    "form", [{**INBOUND, "Body": "¿Qué? 🛑"}, {"MessageSid": SID, "MessageStatus": "sent", "X": ""}]
)
async def test_the_form_is_kept_as_twilio_posted_it(provider, form):
    callback = twilio.signed("sms", "attempt-1", form)

    [news] = await _news(provider, callback)

    assert news.raw.encode() == callback.body


async def test_what_twilio_took_for_an_opt_out_is_one_in_any_language(provider):
    [reply] = await _news(provider, twilio.signed("sms", "", {**INBOUND, "Body": "PARA", "OptOutType": "STOP"}))

    assert reply.keyword is Keyword.STOP


async def test_a_signed_callback_without_what_we_need_says_what_is_missing(provider):
    with pytest.raises(BadCallback, match="SmsSid"):
        await _news(provider, twilio.signed("sms", "", {"Body": "hello"}))
    with pytest.raises(BadCallback, match="From"):
        await _news(provider, twilio.signed("sms", "", {"SmsSid": SID, "Body": "hello"}))


async def test_the_attempt_in_the_url_is_covered_by_the_signature(provider):
    callback = twilio.signed("sms", "attempt-1", {"MessageSid": SID, "MessageStatus": "delivered"})

    with pytest.raises(BadSignature):
        await _news(provider, replace(callback, url=callback.url.replace("attempt-1", "attempt-2")))


async def test_a_header_that_names_another_algorithm_changes_nothing(provider):
    callback = twilio.signed("sms", "attempt-1", {"MessageSid": SID, "MessageStatus": "delivered"}, key=2)
    settings = {"x-twilio-webhooks-signature-settings": "key=mine,algorithm=HMAC_SHA256"}

    with pytest.raises(BadSignature):
        await _news(provider, replace(callback, headers={**callback.headers, **settings}))


async def test_a_person_may_write_anything(provider):
    body = "ünï + & = % 😀\r\n\x00 end"

    [reply] = await _news(provider, twilio.signed("sms", "", {**INBOUND, "Body": body, "MediaUrl0": ""}))

    assert reply.body == body
