"""Sending: once, after the intent is committed, and only what may leave."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from channels.messages import ChannelKind
from channels.results import Certainty
from tests.channels.loopback import json_reply
from tests.runtime.house import CALL, MAIL, TENANT, TEXT, person, until
from worker.domain.run import RunStatus
from worker.runtime import launch as launching
from worker.runtime.dispatch import SLOWED_SECONDS, dispatch
from worker.runtime.hints import Work
from worker.store.facade import Store
from worker.store.rows import Suppression
from worker.store.tables import attempts, messages


def taken(request):
    return json_reply(201, {"sid": f"SM{request.form['To'][0][1:]:0>32}", "status": "queued", "num_segments": "1"})


def test_everybody_gets_each_message_once_however_often_the_work_is_hinted_at(house):
    house.launch(TEXT, MAIL, CALL, people=5)
    for _ in range(4):
        house.advance()
        for kind in ChannelKind:
            house.dispatch(kind)
            house.dispatch(kind)

    assert Counter(line["channel"] for line in house.ledger()) == {"sms": 5, "email": 5, "voice": 5}
    assert len({(line["channel"], line["to"]) for line in house.ledger()}) == 15


def test_two_processes_that_send_at_the_same_time_send_each_message_once(house):
    house.launch(TEXT, people=60)
    house.advance()
    processes = [house.runtime(slice_size=7) for _ in range(2)]

    with ThreadPoolExecutor() as pool:
        tallies = list(pool.map(lambda rt: rt.run(dispatch(rt, TENANT, house.run_id, ChannelKind.SMS)), processes))

    assert sum(tallies, Counter()) == {Certainty.ACCEPTED: 60}
    assert len(house.ledger()) == len({line["to"] for line in house.ledger()}) == 60


@pytest.mark.parametrize("content", ["{}", '{"body": 7}'])
def test_what_cannot_be_a_message_ends_there_and_keeps_nobody_else_waiting(house, content):
    house.launch(TEXT, people=3)
    house.advance()
    with house.store.engine.begin() as conn:
        one = select(messages.c.message_id).limit(1).scalar_subquery()
        conn.execute(messages.update().where(messages.c.message_id == one).values(content=content))

    house.dispatch()

    assert sorted(row.disposition for row in house.rows(messages)) == ["", "", "CONTENT_REFUSED"]
    assert len(house.ledger()) == 2


def test_the_intent_is_committed_before_the_request_leaves(open_house, provider):
    house = open_house(twilio_base_url=provider.url)
    house.launch(TEXT)
    house.advance()
    onlooker, seen = Store(house.database_url), []

    def look(request):
        with onlooker.engine.connect() as conn:
            [row] = conn.execute(select(attempts)).all()
        seen.append((row.status, row.attempt_id in request.form["StatusCallback"][0]))
        return taken(request)

    provider.otherwise = look
    house.dispatch()
    onlooker.close()

    assert seen == [("dispatching", True)]
    assert house.attempts()[0].status == "accepted"


def test_what_was_too_fast_for_the_provider_is_sent_again_when_it_may(house):
    house.launch(TEXT)
    house.advance()
    house.faults(next=["refuse_429"], retry_after_seconds=30)

    house.dispatch()
    house.dispatch()
    house.later(seconds=29)
    house.dispatch()
    assert (house.message().status, house.ledger()) == ("queued", [])
    house.later(seconds=2)
    house.dispatch()

    assert [(row.status, row.reason) for row in house.attempts()] == [("not_sent", "rate_limited"), ("accepted", "")]
    assert len(house.ledger()) == 1


def test_while_the_provider_cannot_be_reached_nothing_is_lost_and_nothing_is_in_doubt(open_house):
    house = open_house(twilio_base_url="http://127.0.0.1:9")
    house.launch(TEXT)
    house.advance()

    assert house.dispatch() == {Certainty.NOT_SENT: 1}
    assert house.message().status == "queued"


@pytest.mark.parametrize(
    ("digits", "disposition"), [("21614", "SMS_LANDLINE"), ("21610", "SMS_OPTED_OUT"), ("21408", "SMS_CONFIG")]
)
def test_what_the_provider_refuses_is_filed_under_its_reason_and_not_tried_again(house, digits, disposition):
    house.launch(TEXT, people=[person(1, phone=f"+120255{digits}")])
    house.advance()
    house.dispatch()
    house.later(days=8)
    house.dispatch()
    house.advance()

    assert (house.message().status, house.message().disposition) == ("settled", disposition)
    assert (len(house.attempts()), house.ledger()) == (1, [])
    assert house.status() == "completed"


def test_a_batch_of_mails_is_refused_one_by_one_not_as_a_whole(house):
    house.launch(MAIL, people=[person(1), person(2, email="two@exa mple.com"), person(3)])
    house.advance()

    house.dispatch(ChannelKind.EMAIL)

    assert {line["to"] for line in house.ledger()} == {"p1@example.com", "p3@example.com"}


@pytest.mark.parametrize("channel", [ChannelKind.SMS, None])
def test_a_suppressed_address_is_settled_without_a_request(house, channel):
    house.launch(TEXT)
    house.advance()
    entry = Suppression(channel=channel, address=person(0).phone, reason="asked by letter")
    house.store.suppress(TENANT, [entry], house.rt.now())

    house.dispatch()

    assert_stopped(house, "SUPPRESSED_DNC")


def test_a_blocked_contact_is_settled_without_a_request(house):
    house.launch(TEXT)
    house.advance()
    [contact] = house.store.find_contacts(TENANT, person(0).phone)
    house.store.block_contact(TENANT, contact.contact_id, blocked=True, now=house.rt.now())

    house.dispatch()

    assert_stopped(house, "SUPPRESSED_BLOCKED")


def test_who_has_no_address_is_settled_without_a_request(house):
    house.launch(TEXT, people=[person(0, phone="")])
    house.advance()

    house.dispatch()

    assert_stopped(house, "NO_ADDRESS")


def test_a_channel_that_is_off_in_the_campaign_of_the_run_sends_nothing(house):
    house.launch(TEXT)
    run = house.store.get_run(TENANT, house.run_id)
    off = replace(run, run_id="off", campaign={**run.campaign, "useForSMS": False}, enrolled=False)
    house.store.create_run(off, again=True)
    house.store.change_run_status(TENANT, house.run_id, RunStatus.CANCELLED, house.rt.now())
    launching.cancel_rest(house.rt, TENANT, house.run_id)
    house.run_id = "off"
    launching.enroll(house.rt, TENANT, "off")
    house.advance()

    house.dispatch()

    assert_stopped(house, "CHANNEL_DISABLED")


def assert_stopped(house, disposition):
    assert (house.message().status, house.message().disposition) == ("settled", disposition)
    assert (house.attempts(), house.ledger()) == ([], [])
    house.play()
    assert house.status() == "completed"


def test_a_stalled_provider_is_given_up_in_time_and_what_it_may_have_taken_is_in_doubt(open_house):
    house = open_house(http_timeout_seconds=1.5, http_connect_timeout_seconds=1.4)
    house.launch(TEXT, people=3)
    house.advance()
    house.faults(accept_then_timeout=1.0)

    assert house.dispatch() == {Certainty.UNKNOWN: 3}
    assert {row.status for row in house.attempts()} == {"unknown"}


def test_the_rate_of_a_sender_holds_for_all_who_send_and_the_rest_waits_for_the_next_tick(open_house):
    house = open_house(sms_per_second=5)
    house.launch(TEXT, people=20)
    house.advance()
    house.hints.clear()

    house.dispatch()

    assert 5 <= len(house.ledger()) <= 10
    assert Work.SMS not in {hint.work for hint in house.hints}, "it would come round at once, for nothing"


def test_a_run_that_has_used_up_its_rate_is_let_be_for_a_moment(open_house):
    house = open_house(sms_per_second=5)
    house.launch(TEXT, people=20)
    house.advance()
    house.dispatch()
    claim, asked = house.store.claim_messages, []
    house.store.claim_messages = lambda *args, **given: asked.append(1) or claim(*args, **given)

    house.dispatch()
    assert not asked
    ends = house.rt.clock.elapsed() + SLOWED_SECONDS
    until(lambda: house.rt.clock.elapsed() >= ends, "the moment to be over")
    house.dispatch()

    assert asked


def test_what_breaks_one_lane_leaves_no_request_of_the_other_in_mid_air(open_house, provider):
    house = open_house(twilio_base_url=provider.url, slice_size=1)
    house.launch(TEXT, people=2)
    house.advance()
    provider.otherwise = lambda request: replace(taken(request), after=0.3 * request.connection)

    def break_the_first(*_, **__):
        house.store.settle = settle
        raise RuntimeError("a lane ends here")

    settle, house.store.settle = house.store.settle, break_the_first
    with pytest.raises(RuntimeError, match="a lane ends here"):
        house.dispatch()

    assert provider.in_flight == 0
    assert sorted(row.status for row in house.attempts()) == ["accepted", "dispatching"]
