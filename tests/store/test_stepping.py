"""Steps in the commit of an answer: for whoever waits for nothing but news; for all others the news is put by."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from channels.messages import ChannelKind
from tests.store.builders import (
    KEY,
    NOW,
    TENANT,
    accepted,
    claim_steps,
    claim_texts,
    enrolled_run,
    queued_run,
    step_to,
    text_to,
)
from worker.domain.enrollment import EnrollmentStatus, MessageKey
from worker.domain.events import HandedOver, Replied
from worker.domain.run import RunStatus
from worker.store.rows import Settled
from worker.store.tables import enrollments, messages, signals

NEXT = MessageKey("hello", "again", 1)
HANDED_OVER = HandedOver(message=KEY)
REPLY = Replied(channel=ChannelKind.SMS, body="yes")


def rows(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).all()


def answers(store, run_id):
    """The provider has taken everybody's text."""
    sent = claim_texts(store, run_id).attempts
    return [accepted(facts, ref=f"SM{n}", signals=(HANDED_OVER,)) for n, facts in enumerate(sent)]


class Steps:
    """Steps to the next text, and what they were asked for."""

    def __init__(self, breaks=0):
        self.claims, self._breaks = [], breaks

    def __call__(self, claim):
        self.claims.append(claim)
        return step_to(claim, effects=[text_to(claim, NEXT)]) if len(self.claims) > self._breaks else None


def test_everybody_takes_the_next_step_and_no_signal_is_left(store):
    run_id, steps = queued_run(store, 3), Steps()

    settled = store.settle(answers(store, run_id), NOW, step=steps)

    assert (len(settled.applied), settled.owed, settled.put_by) == (3, {ChannelKind.SMS}, 0)
    assert [claim.events for claim in steps.claims] == [((0, HANDED_OVER),)] * 3
    assert {claim.enrollment.recipient.fields["firstName"] for claim in steps.claims} == {"N0", "N1", "N2"}
    assert len(rows(store, messages)) == 6
    assert rows(store, signals) == []
    assert claim_steps(store, run_id) == []


def test_a_step_that_raises_is_put_by_as_a_signal_and_its_person_is_due(store):
    run_id, steps = queued_run(store, 3), Steps(breaks=1)

    settled = store.settle(answers(store, run_id), NOW, step=steps)

    assert (len(settled.applied), settled.put_by) == (3, 1)
    [claim] = claim_steps(store, run_id)
    assert claim.enrollment.enrollment_id == steps.claims[0].enrollment.enrollment_id
    assert [event for _, event in claim.events] == [HANDED_OVER]


def test_whoever_has_other_news_hears_all_of_it_in_order(store):
    run_id, steps = queued_run(store, 2), Steps()
    told = min(row.enrollment_id for row in rows(store, enrollments))
    store.signal([(TENANT, told, REPLY)], NOW)

    assert store.settle(answers(store, run_id), NOW, step=steps).put_by == 1

    assert told not in {claim.enrollment.enrollment_id for claim in steps.claims}
    [claim] = claim_steps(store, run_id)
    assert [event for _, event in claim.events] == [REPLY, HANDED_OVER]


def test_whoever_is_under_way_or_waits_for_a_moment_is_not_stepped(store):
    run_id = enrolled_run(store, 2)
    first, second = claim_steps(store, run_id)
    commits = [
        step_to(first, effects=[text_to(first)], due_at=NOW),
        step_to(second, effects=[text_to(second)], due_at=NOW + timedelta(hours=1)),
    ]
    store.commit_steps(commits, NOW)
    assert len(claim_steps(store, run_id)) == 1
    steps = Steps()

    assert store.settle(answers(store, run_id), NOW, step=steps).put_by == 2
    assert steps.claims == []


@pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.CANCELLED])
def test_in_a_run_that_was_stopped_nobody_takes_a_step(store, status):
    run_id, steps = queued_run(store, 2), Steps()
    news = answers(store, run_id)
    store.change_run_status(TENANT, run_id, status, NOW)

    settled = store.settle(news, NOW, step=steps)

    assert (len(settled.applied), settled.put_by, steps.claims) == (2, 2, [])


def test_whoever_is_out_of_the_run_takes_no_step_and_gets_no_signal(store):
    run_id, steps = queued_run(store, 1), Steps()
    news = answers(store, run_id)
    with store.engine.begin() as conn:
        conn.execute(enrollments.update().values(finished_at=1, status=EnrollmentStatus.CANCELLED))

    settled = store.settle(news, NOW, step=steps)

    assert (len(settled.applied), settled.put_by, steps.claims) == (1, 0, [])
    assert rows(store, signals) == []


def test_an_answer_that_lost_its_race_leads_to_no_step(store):
    run_id, steps = queued_run(store, 1), Steps()
    [news] = answers(store, run_id)
    store.settle([news], NOW)

    settled = store.settle([news], NOW, step=steps)

    assert (settled.applied, settled.lost, steps.claims) == ((), (news,), [])


def test_where_the_database_refuses_one_answer_the_others_are_put_by(store):
    run_id, steps = queued_run(store, 2), Steps()
    first, second = answers(store, run_id)
    same_id = [first, accepted(second.facts, ref="SM0", signals=(HANDED_OVER,))]

    settled = store.settle(same_id, NOW, step=steps)

    assert settled == Settled(applied=settled.applied, put_by=2)
    assert len(settled.applied) == 2


def test_a_step_counts_the_epoch_up_so_that_an_older_claim_writes_nothing(store):
    run_id = queued_run(store, 1)
    [before] = rows(store, enrollments)

    store.settle(answers(store, run_id), NOW, step=Steps())

    [after] = rows(store, enrollments)
    assert after.epoch > before.epoch
