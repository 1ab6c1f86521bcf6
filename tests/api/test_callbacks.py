"""What providers tell us: verified, kept, answered, applied once."""

import itertools
import json
import time
from datetime import datetime, timedelta

import pytest
import requests

from channels.email.sendgrid_request import ATTEMPT_ARG
from channels.messages import ChannelKind
from channels.results import ReceiptKind
from tests.api.web import ANSWER, EVENTS, PUBLIC, SMS, VOICE, signed_events
from tests.channels.loopback import json_reply
from tests.runtime.house import CALL, MAIL, TENANT, TEXT, until
from tests.runtime.test_doubt import hear
from worker.runtime.intake import apply_inbox
from worker.store.inbox_rows import InboxEntry
from worker.store.tables import outcomes

DELIVERED = {"MessageSid": "SM1", "MessageStatus": "delivered"}


def sent(house, action=TEXT, kind=ChannelKind.SMS):
    """One message at the provider; the id of its attempt."""
    house.launch(action)
    house.advance()
    house.dispatch(kind)
    house.hints.clear()
    return house.attempts()[0].attempt_id


def test_a_receipt_settles_the_message_and_ends_the_run(house, web):
    attempt_id = sent(house)

    answer = web.text_status(attempt_id, "delivered")
    until(lambda: house.hints, "the hint")
    house.play()

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert (house.message().disposition, house.status()) == ("SMS_DELIVERED", "completed")


@pytest.mark.parametrize("path", [SMS, VOICE, ANSWER])
@pytest.mark.parametrize("wrong", [{"token": "somebody-elses-token"}, {"signed_for": "http://127.0.0.1:8080"}])
def test_what_is_not_signed_by_the_provider_for_us_is_refused_and_not_kept(house, web, path, wrong):
    answer = web.twilio(f"{path}?attempt=a1", DELIVERED, **wrong)

    assert (answer.status_code, answer.json()["type"]) == (403, "Forbidden")
    assert house.inbox() == []


def test_what_was_altered_after_signing_is_refused_and_not_kept(house, web):
    signature = {"X-Twilio-Signature": web.twilio(f"{SMS}?attempt=a1", DELIVERED).request.headers["X-Twilio-Signature"]}
    before = len(house.inbox())
    form = "MessageSid=SM1&MessageStatus=delivered"
    headers = signature | {"Content-Type": "application/x-www-form-urlencoded"}
    assert web.post(f"{SMS}?attempt=a1", form, headers).status_code == 200, "as it was signed it is good"

    answers = [
        web.post(f"{SMS}?attempt=a2", form, headers),
        web.post(f"{SMS}?attempt=a1", form + "&ErrorCode=30003", headers),
        web.post(f"{SMS}?attempt=a1", form.replace("delivered", "failed"), headers),
        web.post(f"{SMS}?attempt=a1", form, headers | {"X-Twilio-Signature": ""}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert len(house.inbox()) == before


def test_mail_events_that_were_altered_are_refused_and_not_kept(house, web):
    body = b'[{"event": "delivered", "sg_event_id": "e1", "attempt": "a1"}]'
    answers = [
        web.post(EVENTS, body, {}),
        web.post(EVENTS, body.replace(b"delivered", b"bounce"), signed_events(house, body)),
    ]

    assert [answer.status_code for answer in answers] == [403] * 2
    assert house.inbox() == []


def test_mail_events_that_come_late_or_again_count_once(house, web):
    body = b'[{"event": "delivered", "sg_event_id": "e1", "attempt": "a1"}]'
    late = signed_events(house, body, at=time.time() - 86_400)

    assert [web.post(EVENTS, body, late).status_code for _ in range(2)] == [204] * 2
    assert len(house.inbox()) == 1


def test_both_tokens_are_good_while_one_replaces_the_other(open_house, serve):
    house = open_house(twilio_auth_token_secondary="the-next-token", public_url=PUBLIC)
    web = serve(house)

    assert web.twilio(SMS, DELIVERED).status_code == 200
    assert web.twilio(SMS, DELIVERED, token="the-next-token").status_code == 200


@pytest.mark.parametrize(
    ("post", "text"),
    [
        (lambda web, house: web.twilio(SMS, {"MessageStatus": "delivered"}), "SmsSid"),
        (lambda web, house: web.twilio(SMS, {"MessageSid": "SM1"}), "From"),
        (lambda web, house: web.twilio(VOICE, {"CallSid": "CA1"}), "CallStatus"),
        (lambda web, house: web.post(EVENTS, b"{}", signed_events(house, b"{}")), "array"),
        (lambda web, house: web.post(EVENTS, b"<xml>", signed_events(house, b"<xml>")), "JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_and_says_what_is_missing(house, web, post, text):
    answer = post(web, house)

    assert (answer.status_code, answer.json()["type"]) == (400, "BadRequest")
    assert text in answer.json()["message"]
    assert house.inbox() == []


def test_the_same_news_twice_has_one_effect(house, web):
    attempt_id = sent(house)

    for _ in range(3):
        assert web.text_status(attempt_id, "delivered").status_code == 200
        house.tick_only()

    assert len(house.inbox()) == 1
    assert [row.disposition for row in house.rows(outcomes)] == ["SMS_DELIVERED"]


@pytest.mark.parametrize("order", list(itertools.permutations(["sending", "sent", "delivered"])))
def test_in_whatever_order_it_comes_the_best_news_stands(house, web, order):
    attempt_id = sent(house)

    for status in order:
        web.text_status(attempt_id, status)
    house.tick_only()

    assert (house.message().status, house.message().disposition) == ("settled", "SMS_DELIVERED")
    assert [row.disposition for row in house.rows(outcomes)] == ["SMS_DELIVERED"]


@pytest.mark.parametrize("late", ["sent", "undelivered"])
def test_what_comes_after_a_delivery_changes_nothing(house, web, late):
    attempt_id = sent(house)
    web.text_status(attempt_id, "delivered")
    house.tick_only()

    web.text_status(attempt_id, late, ErrorCode="30003")
    house.tick_only()

    assert house.message().disposition == "SMS_DELIVERED"
    assert [row.disposition for row in house.rows(outcomes)] == ["SMS_DELIVERED"]


def test_a_call_that_was_not_answered_is_placed_again_later(house, web):
    attempt_id = sent(house, CALL, ChannelKind.VOICE)

    web.twilio(f"{VOICE}?attempt={attempt_id}", {"CallSid": "CA1", "CallStatus": "no-answer"})
    house.tick_only()
    house.later(minutes=61)
    house.tick_only()

    assert [row.status for row in house.attempts()] == ["closed", "accepted"]
    assert len(house.ledger()) == 2


def test_the_events_of_a_mail_raise_it_from_delivered_to_clicked_and_an_opt_out_suppresses(house, web):
    attempt_id = sent(house, MAIL, ChannelKind.EMAIL)

    def event(number, word):
        return {"event": word, "sg_event_id": f"e{number}", ATTEMPT_ARG: attempt_id, "sg_message_id": "m.x"}

    for words, disposition in [
        (("click", "delivered", "processed"), "EMAIL_CLICKED"),
        (("open",), "EMAIL_CLICKED"),
        (("unsubscribe",), "EMAIL_UNSUBSCRIBED"),
    ]:
        events = [event(f"{disposition}{n}", word) for n, word in enumerate(words)]
        assert web.events(house, *events).status_code == 204
        house.tick_only()
        assert house.message().disposition == disposition

    house.launch(MAIL)
    house.tick_only()
    assert len(house.ledger()) == 1, "who has unsubscribed gets no mail from the next run"


def test_news_without_our_id_that_overtakes_the_answer_is_kept_and_applied_when_the_answer_is_known(
    open_house, serve, provider
):
    provider.otherwise = lambda _: json_reply(201, {"sid": "SM1", "status": "queued", "num_segments": "1"})
    house = open_house(public_url=PUBLIC, twilio_base_url=provider.url)
    web = serve(house)
    house.launch(TEXT)
    house.advance()

    assert web.twilio(SMS, DELIVERED).status_code == 200
    apply_inbox(house.rt)
    assert [row.processed_at for row in house.inbox()] == [None]
    house.dispatch()
    until(lambda: house.store.inbox_is_waiting(TENANT), "the next look")
    house.tick_only()

    assert house.message().disposition == "SMS_DELIVERED"


def test_news_that_is_applied_while_the_answer_is_still_on_its_way_stands(open_house, provider):
    known = []

    def answer(_):
        hear(house, ReceiptKind.DELIVERED, house.attempts()[0].attempt_id, provider_ref="SM1")
        apply_inbox(house.rt)
        known.append(house.message().disposition)
        return json_reply(201, {"sid": "SM1", "status": "queued", "num_segments": "1"})

    provider.otherwise = answer
    house = open_house(twilio_base_url=provider.url)
    sent(house)
    house.tick_only()

    assert known == ["SMS_DELIVERED"]
    assert (house.message().disposition, house.status()) == ("SMS_DELIVERED", "completed")
    assert [row.disposition for row in house.rows(outcomes)] == ["SMS_DELIVERED"]


def test_what_the_provider_wrote_is_kept_as_it_came_and_never_logged(house, web, logged):
    words = "550 5.1.1 <wilhelmina@example.com> is unknown"
    mails = [{"event": "open", "sg_event_id": "e1"}, {"event": "bounce", "sg_event_id": "e2", "reason": words}]

    posted = [web.text_status("a1", "undelivered", To="+12025550142").request.body]
    posted.append(web.answer("a1", "human", To="+12025550143").request.body)
    posted.append(web.inbound("+12025550144", "Wilhelmina").request.body)
    web.events(house, *mails)
    house.tick_only()

    *forms, opened, bounced = [row.raw for row in sorted(house.inbox(), key=lambda row: row.inbox_id)]
    assert forms == posted
    assert [json.loads(opened), json.loads(bounced)] == mails
    assert not [row for row in house.inbox() if "raw" in json.loads(row.payload)], "it is kept once"
    assert not [word for word in ("wilhelmina", "Wilhelmina", "202555014") if word in logged.getvalue()]


def test_news_that_nobody_can_place_is_given_up_after_a_day(house, web):
    web.text_status("nobody", "delivered")
    house.tick_only()
    assert [row.processed_at for row in house.inbox()] == [None]

    house.later(hours=25)
    until(lambda: (house.tick_only(), house.inbox()[0].processed_at)[1], "the last look")

    assert "nobody knows its attempt" in house.inbox()[0].note


def test_health_tells_the_time_of_the_database(house, web):
    answer = requests.get(f"{web.url}/health", timeout=5)

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert abs(datetime.fromisoformat(answer.json()["databaseTime"]) - house.rt.now()) < timedelta(minutes=1)


def test_as_news_comes_in_what_is_older_than_news_days_is_forgotten(open_house, serve):
    house = open_house(public_url=PUBLIC, news_days=30)
    done = {"tenant_id": TENANT, "provider": "twilio-sms", "payload": {}, "once_done": {}}
    house.store.inbox_add([InboxEntry(event_key="31", **done)], house.rt.now() - timedelta(days=31))
    house.store.inbox_add([InboxEntry(event_key="29", **done)], house.rt.now() - timedelta(days=29))

    assert serve(house).twilio(SMS, DELIVERED).status_code == 200

    until(lambda: len(house.inbox()) == 2, "the old news to be forgotten")
    assert {row.event_key for row in house.inbox()} == {"29", "SM1:delivered"}
