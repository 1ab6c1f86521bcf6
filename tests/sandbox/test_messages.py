"""Texts, through the vendor's own SDK."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from channels.sandbox.settings import ACCOUNT_SID, AUTH_TOKEN

OURS = "+12125550100"
SOMEBODY = "+14155552671"
SERVICE = "MG" + "1" * 32


def test_a_text_is_queued_then_delivered_and_every_later_status_is_called_back(open_sandbox, receiver, until):
    sandbox = open_sandbox()
    callback = f"{receiver.url}/status?attempt=a1&x=%7E%20b#rc=3&rp=all"
    message = sandbox.twilio().messages.create(to=SOMEBODY, from_=OURS, body="Hello", status_callback=callback)
    assert (message.status, message.num_segments, message.date_sent) == ("queued", "1", None)
    until(lambda: len(receiver.received) == 3)
    assert {form["MessageStatus"] for form in receiver.forms("/status")} == {"sending", "sent", "delivered"}
    for call in receiver.received:
        assert call.url == callback.partition("#")[0], "the query comes back byte for byte, without the fragment"
        assert call.form["MessageSid"] == message.sid
        assert RequestValidator(AUTH_TOKEN).validate(call.url, call.form, call.headers["X-Twilio-Signature"])
    fetched = sandbox.twilio().messages(message.sid).fetch()
    assert fetched.status == "delivered"
    assert fetched.date_sent is not None


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # how the SDK uses aiohttp
@pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning")
def test_the_async_sdk_creates_fetches_and_lists(open_sandbox, until):
    sandbox = open_sandbox()

    async def talk() -> None:
        async with AsyncTwilioHttpClient() as http:
            twilio = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=http)
            twilio.api.base_url = sandbox.url
            created = await asyncio.gather(
                *(twilio.messages.create_async(to=SOMEBODY, from_=OURS, body=f"Number {n}") for n in range(20))
            )
            listed = await twilio.messages.list_async(to=SOMEBODY)
            assert {m.sid for m in created} == {m.sid for m in listed}
            assert (await twilio.messages(created[0].sid).fetch_async()).body == created[0].body

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (30003, "undelivered"),
        (30005, "undelivered"),
        (30006, "undelivered"),
        (30007, "undelivered"),
        (30001, "failed"),
    ],
)
def test_a_number_that_ends_in_an_error_code_fails_with_it(open_sandbox, receiver, until, code, status):
    twilio = open_sandbox().twilio()
    url = f"{receiver.url}/status"
    message = twilio.messages.create(to=f"+141555{code}", from_=OURS, body="Hello", status_callback=url)
    last = until(lambda: [form for form in receiver.forms("/status") if form["MessageStatus"] == status])[0]
    assert last["ErrorCode"] == str(code)
    assert twilio.messages(message.sid).fetch().error_code == code


def test_a_text_without_a_final_receipt_stays_sent(open_sandbox, until):
    sandbox = open_sandbox()
    message = sandbox.twilio().messages.create(to="+14155557368", from_=OURS, body="Hello")
    until(lambda: [line for line in sandbox.lines("status") if line["status"] == "sent"])
    assert sandbox.twilio().messages(message.sid).fetch().status == "sent"
    assert not [line for line in sandbox.lines("status") if line["final"]]


@pytest.mark.parametrize(("ending", "body"), [("0937", "YES"), ("0066", "NO"), ("8398", "Can you call me")])
def test_people_answer_as_scripted_with_a_signed_text(open_sandbox, receiver, until, ending, body):
    person = f"+1415555{ending}"
    open_sandbox().twilio().messages.create(to=person, from_=OURS, body="Coming?")
    until(lambda: receiver.forms("/inbound"))
    [call] = [call for call in receiver.received if call.path == "/inbound"]
    assert call.form["Body"].startswith(body)
    assert (call.form["From"], call.form["To"]) == (person, OURS)
    assert RequestValidator(AUTH_TOKEN).validate(call.url, call.form, call.headers["X-Twilio-Signature"])


def test_whoever_says_stop_is_not_texted_again_by_that_sender_until_they_say_start(
    open_sandbox, receiver, until, refusal, beside
):
    sandbox = open_sandbox()
    twilio, person = sandbox.twilio(), "+14155557867"
    twilio.messages.create(to=person, from_=OURS, body="Hello")
    until(lambda: [form for form in receiver.forms("/inbound") if form["Body"] == "STOP"])
    refused = refusal(lambda: twilio.messages.create(to=person, from_=OURS, body="Again"))
    assert (refused.status, refused.code) == (400, 21610)
    assert twilio.messages.create(to=person, from_="+12125550101", body="From another sender").sid
    document = {"person": person, "to": OURS, "body": "start"}
    assert post(f"{sandbox.url}/sandbox/replies", document) == 201
    assert twilio.messages.create(to=person, from_=OURS, body="Welcome back").sid


def post(url: str, document: object) -> int:
    return requests.post(url, json=document, timeout=5).status_code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": "12"}, 21211),
        ({"to": "+1415555ABCD"}, 21211),
        ({"to": ""}, 21604),
        ({"from_": "?"}, 21212),
        ({"from_": "+12125550199"}, 21606),
        ({"from_": None}, 21603),
        ({"body": None}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"status_callback": "http://under_score.example/cb"}, 21609),
        ({"status_callback": "ftp://example.com/cb"}, 21609),
        ({"validity_period": 0}, 20001),
        ({"to": "+14155521614"}, 21614),
        ({"to": "+14155521408"}, 21408),
    ],
)
def test_a_bad_request_is_refused_with_the_vendors_code_and_nobody_is_texted(open_sandbox, refusal, change, code):
    sandbox = open_sandbox(senders=frozenset({OURS}))
    good = {"to": SOMEBODY, "from_": OURS, "body": "Hello"}
    wanted = {name: value for name, value in {**good, **change}.items() if value is not None}
    refused = refusal(lambda: sandbox.twilio().messages.create(**{"to": SOMEBODY, **wanted}))
    assert (refused.status, refused.code) == (400, code)
    assert sandbox.lines("accepted") == []
    assert [line["code"] for line in sandbox.lines("refused")] == [str(code)]


def test_wrong_credentials_and_unknown_sids_are_refused_in_the_vendors_words(open_sandbox, refusal):
    sandbox = open_sandbox()
    wrong = refusal(lambda: sandbox.twilio(token="wrong").messages.create(to=SOMEBODY, from_=OURS, body="Hello"))
    assert (wrong.status, wrong.code) == (401, 20003)
    unknown = refusal(lambda: sandbox.twilio().messages("SM" + "0" * 32).fetch())
    assert (unknown.status, unknown.code) == (404, 20404)


def test_lists_are_newest_first_filtered_and_paged(open_sandbox, until):
    twilio = open_sandbox().twilio()
    sids = [twilio.messages.create(to=SOMEBODY, from_=OURS, body=f"Number {n}").sid for n in range(7)]
    other = twilio.messages.create(to="+14155552672", from_="+12125550101", body="Other").sid
    assert [m.sid for m in twilio.messages.list(to=SOMEBODY, page_size=3)] == sids[::-1]
    assert [m.sid for m in twilio.messages.list(from_="+12125550101")] == [other]
    assert [m.sid for m in twilio.messages.list(limit=2)] == [other, sids[-1]]
    second = twilio.messages.page(to=SOMEBODY, page_size=3).next_page()
    assert [m.sid for m in second] == sids[3:0:-1]
    assert [m.sid for m in second.previous_page()] == sids[:3:-1]
    until(lambda: all(m.date_sent for m in twilio.messages.list(to=SOMEBODY)))
    soon, before = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)
    assert len(twilio.messages.list(to=SOMEBODY, date_sent_after=before, date_sent_before=soon)) == 7
    assert twilio.messages.list(to=SOMEBODY, date_sent_after=soon) == []
    assert twilio.messages.list(to=SOMEBODY, date_sent_before=before) == []


def test_a_list_can_lag_behind(open_sandbox):
    twilio = open_sandbox(list_lag_seconds=60).twilio()
    message = twilio.messages.create(to=SOMEBODY, from_=OURS, body="Hello")
    assert twilio.messages.list(to=SOMEBODY) == []
    assert twilio.messages(message.sid).fetch().sid == message.sid


def test_a_messaging_service_picks_its_sender_later(open_sandbox, receiver, until):
    twilio = open_sandbox().twilio()
    message = twilio.messages.create(
        to=SOMEBODY, messaging_service_sid=SERVICE, body="Hello", status_callback=f"{receiver.url}/status"
    )
    assert (message.status, message.num_segments, message.from_) == ("accepted", "0", None)
    until(lambda: len(receiver.received) == 4)
    assert {form["MessageStatus"] for form in receiver.forms("/status")} == {"queued", "sending", "sent", "delivered"}
    assert {form["MessagingServiceSid"] for form in receiver.forms("/status")} == {SERVICE}
    assert twilio.messages(message.sid).fetch().from_ is not None


def test_only_a_scheduled_text_can_be_canceled(open_sandbox, refusal):
    twilio = open_sandbox(speed=1.0).twilio()
    at = datetime.now(UTC) + timedelta(hours=1)
    later = twilio.messages.create(
        to=SOMEBODY, messaging_service_sid=SERVICE, body="Later", schedule_type="fixed", send_at=at
    )
    assert later.status == "scheduled"
    assert twilio.messages(later.sid).update(status="canceled").status == "canceled"
    now = twilio.messages.create(to=SOMEBODY, from_=OURS, body="Now")
    assert refusal(lambda: twilio.messages(now.sid).update(status="canceled")).code == 30409


def test_a_finished_text_can_be_redacted_and_deleted(open_sandbox, until):
    twilio = open_sandbox().twilio()
    message = twilio.messages.create(to=SOMEBODY, from_=OURS, body="Secret")
    until(lambda: twilio.messages(message.sid).fetch().status == "delivered")
    assert twilio.messages(message.sid).update(body="").body == ""
    assert twilio.messages(message.sid).delete()
    with pytest.raises(TwilioRestException):
        twilio.messages(message.sid).fetch()


def test_a_callback_that_fails_is_tried_three_times_more(open_sandbox, receiver, until):
    sandbox = open_sandbox(speed=1000.0)
    receiver.answers.extend([500, 503, 500])
    sandbox.twilio().messages.create(
        to="+14155530001", from_=OURS, body="Hello", status_callback=f"{receiver.url}/status?attempt=a7"
    )
    until(lambda: len(sandbox.lines("callback")) == 4)
    assert [(line["http"], line["try"]) for line in sandbox.lines("callback")] == [
        (500, 1),
        (503, 2),
        (500, 3),
        (204, 4),
    ]
    assert {line["attempt"] for line in sandbox.lines("callback")} == {"a7"}


def test_the_ledger_says_how_long_we_took_to_answer(open_sandbox, receiver, until):
    sandbox = open_sandbox(speed=1000.0)
    receiver.seconds = 0.15
    sandbox.twilio().messages.create(to=SOMEBODY, from_=OURS, body="Hello", status_callback=f"{receiver.url}/status")
    until(lambda: len(sandbox.lines("callback")) == 3)
    assert all(150 <= line["ms"] < 5000 for line in sandbox.lines("callback"))
