"""What is held is found with all that is known about it, by its own tenant, whatever the run."""

from dataclasses import replace
from datetime import timedelta

import pytest

from channels.messages import ChannelKind
from channels.results import Reason
from tests.store.builders import KEY, NOW, STRANGER, TENANT, accepted, claim_texts, queued_run
from worker.domain.attempt import (
    WORKER_DIED,
    AttemptStatus,
    Finding,
    HeldAttempt,
    MessageStatus,
    Settlement,
    Shown,
)

FOUND = Finding(shown=Shown.RECORDS, asked=4, at=NOW + timedelta(minutes=9), refs=("SM1", "SM2"))


def doubt(facts, status=MessageStatus.UNKNOWN, **changes):
    """Nobody knows its fate."""
    due_at = NOW + timedelta(hours=1)
    return Settlement(
        facts=facts, attempt_status=AttemptStatus.UNKNOWN, message_status=status, due_at=due_at, **changes
    )


def read(store, facts):
    return store.attempt_facts([facts.attempt_id], TENANT)[0]


def held_text(store, number=1, tenant=TENANT):
    """A run of so many people, of whom the last one's text is held."""
    run_id = queued_run(store, number, tenant)
    *others, facts = claim_texts(store, run_id, tenant=tenant).attempts
    news = doubt(facts, MessageStatus.HELD, reason=Reason.PROVIDER_ERROR, code="500", finding=FOUND)
    store.settle([*map(accepted, others), news], NOW)
    return run_id, facts


def test_all_that_is_known_about_it_is_told(store):
    run_id, facts = held_text(store, 2)

    [one] = store.held(TENANT, run_id)

    assert one == HeldAttempt(
        attempt_id=facts.attempt_id,
        run_id=run_id,
        campaign_id="campaign",
        contact_id=one.contact_id,
        key=KEY,
        channel=ChannelKind.SMS,
        to=facts.to,
        provider="twilio",
        number=1,
        dispatched_at=NOW,
        reason=Reason.PROVIDER_ERROR,
        code="500",
        rank=0,
        finding=FOUND,
        next_look=NOW + timedelta(hours=1),
    )
    assert store.get_contact(TENANT, one.contact_id).phone == facts.to
    assert facts.to not in repr(one)


def test_every_run_of_the_tenant_is_asked_or_one(store):
    first, one = held_text(store)
    second, other = held_text(store)
    held_text(store, tenant=STRANGER)

    assert {held.attempt_id for held in store.held(TENANT)} == {one.attempt_id, other.attempt_id}
    assert [held.attempt_id for held in store.held(TENANT, second)] == [other.attempt_id]
    assert store.held(STRANGER, first) == []


@pytest.mark.parametrize("settled", [accepted, lambda facts: replace(doubt(facts), lookups=1)])
def test_what_is_not_held_any_more_is_not_told(store, settled):
    run_id, facts = held_text(store)

    store.settle([settled(read(store, facts))], NOW)

    assert store.held(TENANT, run_id) == []


def test_the_last_finding_stays_until_there_is_another(store):
    _, facts = held_text(store)

    store.settle([doubt(read(store, facts))], NOW)
    assert read(store, facts).finding == FOUND
    later = replace(FOUND, shown=Shown.NOTHING, asked=5, refs=())
    store.settle([doubt(read(store, facts), finding=later)], NOW)

    assert read(store, facts).finding == later


def test_the_deaths_of_all_workers_over_one_message_are_counted(store):
    run_id = queued_run(store, 2)
    counted = []
    for code in (WORKER_DIED, "", WORKER_DIED):
        found = claim_texts(store, run_id).attempts
        store.settle([doubt(facts, code=code) for facts in found], NOW)
        found = [read(store, facts) for facts in found]
        counted.append({facts.deaths for facts in found})
        gone = {"attempt_status": AttemptStatus.NOT_SENT, "message_status": MessageStatus.QUEUED, "due_at": NOW}
        store.settle([replace(doubt(facts), **gone) for facts in found], NOW)

    assert counted == [{1}, {0}, {2}]
