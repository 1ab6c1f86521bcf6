"""Whoever said stop is left alone from that moment, whatever was queued, on whatever channel."""

from functools import partial

from sqlalchemy import select

from channels.messages import ChannelKind
from tests.store.builders import (
    KEY,
    LEASE,
    NOW,
    TENANT,
    Rules,
    claim_steps,
    claim_texts,
    enrolled_run,
    step_to,
    text_to,
)
from worker.domain.events import OptedOut
from worker.engine.gates import Later
from worker.store.tables import outcomes


def rows(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).all()


def test_after_a_stop_nothing_leaves_that_was_queued_on_another_channel(store):
    run_id = enrolled_run(store, 2)
    stopped, other = claim_steps(store, run_id)
    mails = [text_to(claim, channel=ChannelKind.EMAIL, to="ann@example.org") for claim in (stopped, other)]
    store.commit_steps([step_to(c, effects=[mail]) for c, mail in zip((stopped, other), mails, strict=True)], NOW)
    store.signal([(TENANT, stopped.enrollment.enrollment_id, OptedOut(channel=ChannelKind.SMS))], NOW)
    asked = {}

    def gate(facts):
        asked[facts.opted_out] = asked.get(facts.opted_out, 0) + 1
        return Later()

    claim_mails = partial(store.claim_messages, TENANT, run_id, ChannelKind.EMAIL, limit=9, lease=LEASE, now=NOW)
    claim_mails(provider="sendgrid", rules=Rules(), gate=gate)
    assert asked == {True: 1, False: 1}


def test_what_a_step_still_owes_when_a_stop_has_come_never_leaves(store):
    run_id = enrolled_run(store, 1)
    (claim,) = claim_steps(store, run_id)
    store.signal([(TENANT, claim.enrollment.enrollment_id, OptedOut(channel=ChannelKind.EMAIL))], NOW)
    store.commit_steps([step_to(claim, effects=[text_to(claim)])], NOW)  # the step was under way
    claimed = claim_texts(store, run_id)
    assert (claimed.attempts, claimed.settled) == ((), 1)
    (outcome,) = rows(store, outcomes)
    assert (outcome.disposition, outcome.detail) == ("SUPPRESSED_DNC", "the person said stop")
    (again,) = claim_steps(store, run_id)
    store.commit_steps([step_to(again, effects=[text_to(again, KEY._replace(visit=2))])], NOW)
    assert claim_texts(store, run_id).attempts == ()  # the mark outlives the signal
