"""What may have left and nobody knows: found out from the provider, never sent again blindly."""

import asyncio
import time

import pytest

from channels.messages import ChannelKind
from channels.results import Receipt, ReceiptKind
from tests.runtime.house import CALL, MAIL, TENANT, TEXT, until
from worker.runtime.dispatch import dispatch
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import apply_inbox
from worker.runtime.reconcile import reconcile
from worker.store.inbox_rows import InboxEntry
from worker.store.tables import messages

PATIENCE = {"quiet_seconds": 120, "second_look_seconds": 60}


def crash_before_the_request(house, kind=ChannelKind.SMS):
    """Intent committed, nothing sent, nobody there any more."""
    rules, rate = house.rt.definition(TENANT, house.run_id), house.settings.rate_of(kind)
    house.store.claim_messages(
        TENANT,
        house.run_id,
        kind,
        limit=100,
        lease=house.settings.lease,
        now=house.rt.now(),
        provider="twilio-sms",
        rules=rules,
        rate=rate,
    )


def crash_in_mid_call(house, kind=ChannelKind.SMS):
    """The provider has taken it; the worker ends before it hears so."""
    house.faults(accept_then_timeout=1.0)

    async def die():
        sending = asyncio.create_task(dispatch(house.rt, TENANT, house.run_id, kind))
        await asyncio.to_thread(until, house.ledger, "the provider to take it")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    house.rt.run(die())
    house.faults()


def hear(house, kind, attempt_id, **more):
    """A callback about an attempt, already verified."""
    receipt = Receipt(event_key=f"{attempt_id}:{kind}", kind=kind, attempt_id=attempt_id, **more)
    payload = encode(ChannelKind.SMS, receipt)
    entry = InboxEntry(
        tenant_id=TENANT,
        provider="twilio-sms",
        event_key=receipt.event_key,
        payload=payload,
    )
    house.store.inbox_add([entry], house.rt.now())


@pytest.mark.parametrize("crash", [crash_before_the_request, crash_in_mid_call])
def test_after_a_crash_nothing_is_sent_before_the_provider_was_asked(house, crash):
    house.launch(TEXT)
    house.advance()
    crash(house)
    left = len(house.ledger())
    assert house.message().status == "dispatching"

    house.leases_end()
    house.reconcile()
    house.dispatch()

    assert (house.message().status, house.attempts()[0].status) == ("unknown", "unknown")
    assert len(house.ledger()) == left


@pytest.mark.parametrize(("action", "kind"), [(TEXT, ChannelKind.SMS), (CALL, ChannelKind.VOICE)])
def test_a_message_that_had_left_is_found_at_the_provider_and_not_sent_again(open_house, action, kind):
    house = open_house(**PATIENCE)
    house.launch(action)
    house.advance()
    crash_in_mid_call(house, kind)
    house.leases_end()
    house.reconcile()

    house.later(seconds=121)
    house.reconcile()
    house.dispatch(kind)

    assert house.message().status in {"accepted", "settled"}
    assert len(house.ledger()) == len(house.attempts()) == 1
    assert house.attempts()[0].provider_ref == house.ledger()[0]["ref"]


def test_a_message_that_had_left_is_known_by_its_callback_without_asking(house):
    house.launch(TEXT)
    house.advance()
    crash_in_mid_call(house)
    [attempt] = house.attempts()

    hear(house, ReceiptKind.DELIVERED, attempt.attempt_id, provider_ref=house.ledger()[0]["ref"])
    apply_inbox(house.rt)
    house.leases_end()
    house.later(days=1)
    house.reconcile()
    house.dispatch()

    assert (house.message().status, house.message().disposition) == ("settled", "SMS_DELIVERED")
    assert len(house.ledger()) == 1


@pytest.mark.parametrize(("action", "kind"), [(TEXT, ChannelKind.SMS), (CALL, ChannelKind.VOICE)])
def test_a_message_that_never_left_is_sent_once_after_two_looks(open_house, action, kind):
    house = open_house(**PATIENCE)
    house.launch(action)
    house.advance()
    crash_before_the_request(house, kind)
    house.leases_end()
    house.reconcile()

    house.later(seconds=121)
    house.reconcile()
    house.reconcile()
    house.dispatch(kind)
    assert (house.message().status, house.ledger()) == ("unknown", []), "one look is not enough"
    house.later(seconds=61)
    house.reconcile()
    house.reconcile()
    house.dispatch(kind)
    house.dispatch(kind)

    assert [row.status for row in house.attempts()] == ["not_sent", "accepted"]
    assert len(house.ledger()) == 1


def test_a_text_equal_to_one_we_know_of_is_not_taken_for_the_one_in_doubt(open_house):
    house = open_house(**PATIENCE)
    house.launch(TEXT, {**TEXT, "id": "again"})
    house.advance()
    house.dispatch()
    house.advance()
    crash_before_the_request(house)
    house.leases_end()

    for _ in range(4):
        house.reconcile()
        house.later(seconds=121)
    house.dispatch()

    assert len(house.ledger()) == 2


def test_of_two_equal_texts_in_doubt_neither_is_taken_for_the_only_one_the_provider_has(open_house):
    house = open_house(**PATIENCE)
    first = house.launch(TEXT)
    house.advance()
    crash_in_mid_call(house)
    house.launch(TEXT)
    assert house.run_id != first
    house.advance()
    crash_before_the_request(house)
    house.leases_end()

    for _ in range(6):
        house.reconcile()
        house.later(seconds=300)

    assert [row.status for row in house.rows(messages)] == ["held", "held"]  # a person looks
    assert len(house.ledger()) == 1


def test_a_text_in_doubt_is_not_taken_for_an_equal_one_that_has_just_left(open_house):
    house = open_house(**PATIENCE)
    house.launch(TEXT)
    house.advance()
    crash_before_the_request(house)
    house.leases_end()
    house.reconcile()
    [lost] = house.attempts()
    house.later(seconds=121)
    house.launch(TEXT)
    house.advance()
    crash_in_mid_call(house)  # nobody has told us yet which of the two it was

    house.reconcile()

    assert [row.status for row in house.attempts() if row.attempt_id == lost.attempt_id] == ["unknown"]


def test_a_provider_that_cannot_be_asked_settles_nothing(open_house):
    house = open_house(**PATIENCE)
    house.launch(TEXT)
    house.advance()
    crash_before_the_request(house)
    house.leases_end()
    house.reconcile()
    house.later(seconds=121)

    house.beside.run(house.sandbox.stop())
    house.reconcile()

    assert house.message().status == "unknown"


def test_a_mail_in_doubt_waits_for_a_person(open_house):
    house = open_house(**PATIENCE)
    house.launch(MAIL)
    house.advance()
    house.faults(next=["accept_then_500"])
    house.dispatch(ChannelKind.EMAIL)
    for _ in range(12):
        house.later(seconds=121)
        house.reconcile()
        house.dispatch(ChannelKind.EMAIL)

    assert (house.message().status, len(house.ledger())) == ("held", 1)
    assert [facts.attempt_id for facts in house.store.held(TENANT, house.run_id)] == [house.attempts()[0].attempt_id]
    assert house.status() == "running"


def test_a_mail_in_doubt_is_sent_again_where_the_policy_says_so(open_house):
    house = open_house(**PATIENCE, email_resend_after_seconds=600)
    house.launch(MAIL)
    house.advance()
    house.faults(next=["refuse_503"])
    house.dispatch(ChannelKind.EMAIL)
    started = time.monotonic()
    for _ in range(4):
        house.later(seconds=149)
        house.reconcile()
        house.dispatch(ChannelKind.EMAIL)
    assert time.monotonic() - started < 3, "too slow a machine for this test's arithmetic"
    assert (house.message().status, house.ledger()) == ("unknown", [])

    house.later(seconds=10)
    house.reconcile()
    house.dispatch(ChannelKind.EMAIL)

    assert (house.message().status, len(house.ledger())) == ("accepted", 1)


def test_a_receipt_that_never_comes_is_asked_for_and_then_filed_as_it_is(open_house):
    house = open_house(outcome_deadline_seconds=3600)
    house.launch(TEXT)
    house.advance()
    house.dispatch()

    house.later(seconds=3599)
    assert house.reconcile() == 0
    house.later(seconds=2)
    house.reconcile()
    house.play()

    assert (house.message().status, house.message().disposition) == ("settled", "SMS_SENT")
    assert (house.status(), len(house.ledger())) == ("completed", 1)


def test_two_workers_that_look_at_the_same_time_have_looked_once(open_house):
    house = open_house(**PATIENCE)
    house.launch(TEXT)
    house.advance()
    crash_before_the_request(house)
    house.leases_end()
    house.reconcile()
    other = house.runtime()
    house.later(seconds=121)
    settle = other.store.settle

    def settle_after_the_first(*args, **given):
        other.store.settle = settle
        house.reconcile()
        return settle(*args, **given)

    other.store.settle = settle_after_the_first
    other.run(reconcile(other))

    assert (house.message().status, house.attempts()[0].lookups) == ("unknown", 1)
