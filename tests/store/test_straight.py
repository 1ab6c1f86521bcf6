"""Steps in the commit of a claim: the same gates, the same rate, the same intent, and no queue in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from channels.messages import ChannelKind
from tests.store.builders import (
    KEY,
    LEASE,
    NOW,
    OVER,
    TENANT,
    accepted,
    claim_steps,
    claim_texts,
    enrolled_run,
    queued_run,
    step_to,
    text_to,
)
from worker.domain.attempt import AttemptStatus, MessageStatus
from worker.domain.enrollment import EnrollmentStatus, MessageKey, MessageNote
from worker.domain.events import Replied
from worker.domain.run import RunStatus
from worker.engine.gates import Go, Later, Skip
from worker.store.document_tables import contacts
from worker.store.rows import Rate
from worker.store.straight import COUNTED
from worker.store.tables import attempts, enrollments, messages, signals, tick_leases

NEXT = MessageKey("hello", "again", 1)
HELD_BACK = Rate(per_second=0.001, burst=1)


def rows(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).all()


def texting(claim):
    """A step that owes a text."""
    return step_to(claim, effects=[text_to(claim)])


def mailing(claim):
    return step_to(claim, effects=[text_to(claim, channel=ChannelKind.EMAIL, to="ann@example.com")])


def statuses(store):
    return sorted((row.status, row.due_at, row.attempts) for row in rows(store, messages))


def test_whoever_is_due_is_stepped_and_what_they_owe_is_claimed_in_one_commit(store):
    run_id = enrolled_run(store, 3)

    claimed = claim_texts(store, run_id, step=texting)

    assert (claimed.stepped, len(claimed.attempts), claimed.queued) == (3, 3, frozenset())
    assert statuses(store) == [(MessageStatus.DISPATCHING, None, 1)] * 3
    assert {row.status for row in rows(store, attempts)} == {AttemptStatus.DISPATCHING}
    assert {row.status for row in rows(store, enrollments)} == {EnrollmentStatus.WAITING}
    assert [fact.number for fact in claimed.attempts] == [1, 1, 1]
    again = claim_texts(store, run_id, step=texting)
    assert (again.stepped, again.attempts, claim_steps(store, run_id)) == (0, (), [])


def test_workers_that_claim_at_once_step_nobody_twice(store):
    run_id = enrolled_run(store, 100)

    def drain(_):
        mine = []
        while (claimed := claim_texts(store, run_id, 7, step=texting)).attempts:
            mine += [facts.enrollment_id for facts in claimed.attempts]
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [one for mine in pool.map(drain, range(4)) for one in mine]
    assert len(taken) == len(set(taken)) == 100


def test_what_is_queued_goes_first_and_only_the_room_it_leaves_is_stepped(store):
    run_id = queued_run(store, 2)
    with store.engine.begin() as conn:  # somebody else is due, who waits for nothing
        one = conn.execute(select(enrollments.c.enrollment_id)).scalars().first()
        conn.execute(update(enrollments).where(enrollments.c.enrollment_id == one).values(due_at=0))

    def again(claim):
        return step_to(claim, effects=[text_to(claim, NEXT)])

    assert claim_texts(store, run_id, 2, step=again).stepped == 0
    assert claim_texts(store, run_id, 2, step=again).stepped == 1


def test_what_is_owed_on_another_channel_is_queued_there(store):
    run_id = enrolled_run(store, 2)

    claimed = claim_texts(store, run_id, step=mailing)

    assert (claimed.stepped, claimed.attempts, claimed.queued) == (2, (), {ChannelKind.EMAIL})
    assert [row.status for row in rows(store, messages)] == [MessageStatus.QUEUED] * 2


def test_a_rate_that_is_used_up_leaves_the_rest_queued(store):
    run_id = enrolled_run(store, 3)

    claimed = claim_texts(store, run_id, step=texting, rate=HELD_BACK)

    assert (claimed.stepped, len(claimed.attempts)) == (3, 1)
    assert claimed.retry_at is not None
    assert [status for status, _, _ in statuses(store)] == [MessageStatus.DISPATCHING] + [MessageStatus.QUEUED] * 2


def test_gates_stop_and_put_off_what_steps_owe_as_they_do_what_is_queued(store):
    run_id = enrolled_run(store, 3)
    verdicts = iter([Skip(disposition="SUPPRESSED_DNC"), Later(at=NOW + timedelta(hours=2)), Go()])

    claimed = claim_texts(store, run_id, step=texting, gate=lambda _: next(verdicts))

    assert (len(claimed.attempts), claimed.settled, claimed.later) == (1, 1, 1)
    found = {row.status: row for row in rows(store, messages)}
    assert set(found) == {MessageStatus.DISPATCHING, MessageStatus.SETTLED, MessageStatus.QUEUED}
    assert found[MessageStatus.SETTLED].disposition == "SUPPRESSED_DNC"
    assert found[MessageStatus.QUEUED].due_at > found[MessageStatus.QUEUED].created_at


def test_gates_are_told_who_of_those_stepped_is_blocked_was_erased_or_has_said_stop(store):
    run_id = enrolled_run(store, 4)
    blocked, erased, stopped, _ = rows(store, enrollments)
    assert store.block_contact(TENANT, blocked.contact_id, blocked=True, now=NOW)
    with store.engine.begin() as conn:
        conn.execute(contacts.delete().where(contacts.c.contact_id == erased.contact_id))
        this = enrollments.c.enrollment_id == stopped.enrollment_id
        conn.execute(update(enrollments).where(this).values(opted_out=True))
    told = []

    claim_texts(store, run_id, step=texting, gate=lambda facts: told.append((facts.blocked, facts.opted_out)) or Go())

    assert sorted(told) == [(False, False), (False, True), (True, False), (True, False)]


def test_news_is_told_with_the_step_and_is_gone_after_it(store):
    run_id = enrolled_run(store, 1)
    [row] = rows(store, enrollments)
    store.signal([(TENANT, row.enrollment_id, Replied(channel=ChannelKind.SMS, body="yes"))], NOW)
    with store.engine.begin() as conn:
        conn.execute(update(enrollments).values(priority=1))  # whoever wrote is left to those who only step
    heard = []

    claim_texts(store, run_id, step=lambda claim: heard.append(claim.events) or texting(claim))

    assert [[event.body for _, event in events] for events in heard] == [["yes"]]
    assert rows(store, signals) == []


def test_a_step_that_raises_leaves_its_person_due_and_the_others_go_on(store):
    run_id = enrolled_run(store, 3)
    asked = []

    def breaks_once(claim):
        asked.append(claim)
        return texting(claim) if len(asked) > 1 else None

    assert len(claim_texts(store, run_id, step=breaks_once).attempts) == 2
    [left] = claim_steps(store, run_id)
    assert left.enrollment.enrollment_id == asked[0].enrollment.enrollment_id


def test_whom_somebody_has_claimed_is_not_stepped_and_an_older_claim_writes_nothing(store):
    run_id = enrolled_run(store, 1)
    [claim] = claim_steps(store, run_id)
    assert claim_texts(store, run_id, step=texting).stepped == 0

    with store.engine.begin() as conn:
        conn.execute(update(enrollments).values(lease_until=0))
    assert claim_texts(store, run_id, step=texting).stepped == 1
    assert store.commit_steps([texting(claim)], NOW) == 0


def test_nobody_is_stepped_in_a_run_that_is_paused(store):
    run_id = enrolled_run(store, 1)
    store.change_run_status(TENANT, run_id, RunStatus.PAUSED, NOW)

    assert claim_texts(store, run_id, step=texting).stepped == 0


def test_earlier_tries_on_the_channel_are_counted(store):
    run_id = enrolled_run(store, 1)
    [facts] = claim_texts(store, run_id, step=texting).attempts
    assert facts.counted_elsewhere == 0
    store.settle([accepted(facts, ref="SM1", counts=True)], NOW)
    with store.engine.begin() as conn:
        conn.execute(update(enrollments).values(due_at=0))

    def again(claim):
        known = step_to(claim, messages={KEY: MessageNote(channel=ChannelKind.SMS)}).transition.enrollment
        claim.enrollment.messages.update(known.messages)
        return step_to(claim, effects=[text_to(claim, NEXT)])

    [second] = claim_texts(store, run_id, step=again).attempts
    assert second.counted_elsewhere == 1


def test_whoever_has_left_a_trace_and_died_is_known_by_it_for_a_while(store):
    assert store.leave_trace(TENANT, "run", "one", OVER)
    assert store.leave_trace(TENANT, "run", "one", LEASE), "its own trace is no death"
    assert store.leave_trace(TENANT, "run", "two", LEASE), "one that is alive is none either"
    assert store.leave_trace(TENANT, "run", "two", OVER)
    assert not store.leave_trace(TENANT, "run", "one", LEASE)
    assert store.leave_trace(TENANT, "other run", "one", LEASE)

    with store.engine.begin() as conn:
        conn.execute(update(tick_leases).values(until=tick_leases.c.until - round(COUNTED.total_seconds() * 1000)))
    assert store.leave_trace(TENANT, "run", "one", LEASE), "long ago"


def test_a_trace_that_was_ended_tells_of_no_death(store):
    store.leave_trace(TENANT, "run", "one", LEASE)
    store.end_trace(TENANT, "run", "one")
    with store.engine.begin() as conn:
        conn.execute(update(tick_leases).values(until=0))

    assert store.leave_trace(TENANT, "run", "two", LEASE)
    assert [row.owner for row in rows(store, tick_leases)] == ["two"]


@pytest.mark.parametrize("wildcard", ["_", "%"])
def test_a_run_is_not_taken_for_another_by_its_name(store, wildcard):
    store.leave_trace(TENANT, "run1", "one", OVER)

    assert store.leave_trace(TENANT, f"run{wildcard}", "two", LEASE)
