"""The life of a run: it ends when nothing of it is open, stops when it is told to, and its numbers add up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from channels.messages import ChannelKind
from tests.store.builders import (
    LEASE,
    NOW,
    OVER,
    STRANGER,
    TENANT,
    accepted,
    claim_steps,
    claim_texts,
    delivered,
    enrolled_run,
    new_run,
    queued_run,
    step_to,
)
from worker.domain.attempt import AttemptStatus, MessageStatus, Settlement
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.events import Replied
from worker.domain.run import RunStatus
from worker.store.errors import IllegalTransition, NotFound
from worker.store.inbox_rows import Added, Heard, InboxEntry
from worker.store.rows import WorkKind
from worker.store.tables import enrollments, messages, signals

DONE = EnrollmentStatus.FINISHED


def rows(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).all()


def due(store, now=NOW):
    return {work.kind: work.count for work in store.due_work(TENANT, now)}


def test_a_run_comes_back_as_it_was_launched(store):
    run_id = new_run(store, 0, workflows={"w": {"states": []}}, dispositions=({"name": "Sold"},))
    run = store.get_run(TENANT, run_id)
    assert (run.run_id, run.status, run.created_at, run.finished_at) == (run_id, RunStatus.RUNNING, NOW, None)
    assert (run.workflows, run.dispositions) == ({"w": {"states": []}}, ({"name": "Sold"},))


def test_runs_are_found_by_campaign_and_status_newest_first(store):
    old = new_run(store, 0, created_at=NOW - timedelta(days=1))
    new = new_run(store, 0)
    new_run(store, 0, campaign_id="another")
    store.change_run_status(TENANT, old, RunStatus.PAUSED, NOW)
    assert [run.run_id for run in store.find_runs(TENANT, "campaign")] == [new, old]
    assert [run.run_id for run in store.find_runs(TENANT, statuses=[RunStatus.PAUSED])] == [old]


def test_a_run_that_has_ended_stays_ended(store):
    run_id = new_run(store, 0)
    store.change_run_status(TENANT, run_id, RunStatus.CANCELLED, NOW)
    assert store.change_run_status(TENANT, run_id, RunStatus.CANCELLED, NOW).status is RunStatus.CANCELLED
    with pytest.raises(IllegalTransition, match="is cancelled and cannot become running"):
        store.change_run_status(TENANT, run_id, RunStatus.RUNNING, NOW)
    with pytest.raises(NotFound):
        store.change_run_status(TENANT, "nowhere", RunStatus.PAUSED, NOW)


def test_a_run_completes_only_when_everybody_has_reached_an_end(store):
    run_id = new_run(store, 2)
    store.enroll_chunk(TENANT, run_id, 2, NOW)
    first, second = claim_steps(store, run_id)
    store.commit_steps([step_to(first, DONE)], NOW)
    assert not store.finish_run_if_done(TENANT, run_id, NOW)
    store.commit_steps([step_to(second, EnrollmentStatus.FAILED, reason="no template")], NOW)
    assert not store.finish_run_if_done(TENANT, run_id, NOW)  # the list may hold more people
    assert store.enroll_chunk(TENANT, run_id, 2, NOW).people == 0
    assert store.finish_run_if_done(TENANT, run_id, NOW)
    run = store.get_run(TENANT, run_id)
    assert (run.status, run.finished_at) == (RunStatus.COMPLETED, NOW)


def test_a_run_does_not_complete_over_a_message_whose_fate_is_open(store):
    run_id = queued_run(store, 1)
    store.signal([(TENANT, rows(store, enrollments)[0].enrollment_id, Replied(channel=ChannelKind.SMS, body=""))], NOW)
    store.commit_steps([step_to(claim_steps(store, run_id)[0], EnrollmentStatus.FAILED)], NOW)
    assert not store.finish_run_if_done(TENANT, run_id, NOW)
    (facts,) = claim_texts(store, run_id).attempts
    assert not store.finish_run_if_done(TENANT, run_id, NOW)
    store.settle([delivered(facts)], NOW)
    assert store.finish_run_if_done(TENANT, run_id, NOW)


def test_cancelling_ends_everybody_and_settles_what_is_queued_in_bounded_steps(store):
    run_id = queued_run(store, 5)
    assert store.cancel_chunk(TENANT, run_id, 2, NOW) == 0  # it is still running
    store.change_run_status(TENANT, run_id, RunStatus.CANCELLED, NOW)
    assert due(store) == {WorkKind.CANCEL: 1}
    assert [store.cancel_chunk(TENANT, run_id, 2, NOW) for _ in range(4)] == [4, 4, 2, 0]
    report = store.run_report(TENANT, run_id)
    assert report.enrollments == {"cancelled": 5}
    assert report.messages == {("sms", "settled", "CAMPAIGN_CANCELLED", "CANCELLED"): 5}
    assert report.outcomes == {("CAMPAIGN_CANCELLED", "CANCELLED"): 5}
    assert rows(store, signals) == []
    assert store.get_run(TENANT, run_id).finished_at == NOW
    assert due(store) == {}


def test_what_is_in_flight_at_a_cancel_keeps_its_own_outcome_and_is_not_sent_again(store):
    run_id = queued_run(store, 2)
    arriving, unsent = claim_texts(store, run_id).attempts
    store.change_run_status(TENANT, run_id, RunStatus.CANCELLED, NOW)
    while store.cancel_chunk(TENANT, run_id, 10, NOW):
        pass
    assert store.get_run(TENANT, run_id).finished_at is None
    back = Settlement(
        facts=unsent, attempt_status=AttemptStatus.NOT_SENT, message_status=MessageStatus.QUEUED, due_at=NOW
    )
    assert len(store.settle([delivered(arriving), back], NOW).applied) == 2
    assert claim_texts(store, run_id).attempts == ()
    while store.cancel_chunk(TENANT, run_id, 10, NOW):
        pass
    assert sorted(m.disposition for m in rows(store, messages)) == ["CAMPAIGN_CANCELLED", "SMS_DELIVERED"]
    assert store.get_run(TENANT, run_id).finished_at == NOW


def test_a_step_under_way_at_a_cancel_writes_nothing(store):
    run_id = enrolled_run(store, 1)
    (claim,) = claim_steps(store, run_id)
    store.change_run_status(TENANT, run_id, RunStatus.CANCELLED, NOW)
    store.cancel_chunk(TENANT, run_id, 10, NOW)
    assert store.commit_steps([step_to(claim)], NOW) == 0
    assert rows(store, enrollments)[0].status == "cancelled"


def test_what_is_due_is_told_by_run_and_kind(store):
    run_id = new_run(store, 3)
    assert due(store) == {WorkKind.ENROLL: 1}
    store.enroll_chunk(TENANT, run_id, 10, NOW)
    assert due(store) == {WorkKind.STEP: 3}
    assert due(store, NOW - timedelta(seconds=1)) == {}
    claims = claim_steps(store, run_id, 1)
    assert due(store) == {WorkKind.STEP: 2}
    claim_steps(store, run_id, 1, lease=OVER)
    assert due(store) == {WorkKind.STEP: 2}  # its lease is over: it is due again
    store.commit_steps([step_to(claims[0], DONE)], NOW)
    for claim in claim_steps(store, run_id):
        store.commit_steps([step_to(claim, DONE)], NOW)
    assert due(store) == {WorkKind.ADVANCE: 1}  # to see that the run is complete
    store.finish_run_if_done(TENANT, run_id, NOW)
    assert due(store) == {WorkKind.ALERT: 1}  # its supervisors hear of it


def test_who_has_been_due_for_a_while_is_left_to_those_who_only_step_unless_somebody_sees_to_it(store):
    run_id = new_run(store, 3)
    store.enroll_chunk(TENANT, run_id, 10, NOW)
    later = NOW + timedelta(seconds=2)
    assert due(store, later) == {WorkKind.STEP: 3, WorkKind.ADVANCE: 3}

    assert store.leave_trace(TENANT, run_id, "process 1", LEASE)
    assert due(store, later) == {WorkKind.STEP: 3}
    store.end_trace(TENANT, run_id, "process 1")
    assert due(store, later) == {WorkKind.STEP: 3}, "it has been at it just now"
    assert store.leave_trace(TENANT, run_id, "process 2", OVER)
    assert due(store) == {WorkKind.STEP: 3, WorkKind.ADVANCE: 3}, "it has died of a step, perhaps"


def test_queued_messages_are_due_on_their_channel_and_not_while_paused(store):
    run_id = queued_run(store, 3)
    assert due(store) == {WorkKind.SMS: 3}
    store.change_run_status(TENANT, run_id, RunStatus.PAUSED, NOW)
    assert due(store) == {}


def test_the_numbers_of_a_run_add_up(store):
    run_id = queued_run(store, 6)
    done, on_its_way, *_ = claim_texts(store, run_id, 3).attempts
    store.settle([delivered(done), accepted(on_its_way)], NOW)
    report = store.run_report(TENANT, run_id)
    assert report.audience == sum(report.enrollments.values()) == sum(report.messages.values()) == 6
    by_status = {status: count for (_, status, _, _), count in report.messages.items()}
    assert by_status == {"queued": 3, "settled": 1, "accepted": 1, "dispatching": 1}
    assert report.attempts == {("sms", "accepted"): 2, ("sms", "dispatching"): 1}
    progress = store.run_progress(TENANT, run_id)
    assert (progress.audience, progress.open, progress.queued, progress.in_flight) == (6, 6, 3, 1)


def test_for_any_contact_it_can_be_said_what_happened_and_what_comes_next(store):
    run_id = queued_run(store, 1)
    (facts,) = claim_texts(store, run_id).attempts
    store.settle([delivered(facts)], NOW)
    contact_id = rows(store, enrollments)[0].contact_id
    lines = store.history(TENANT, run_id, contact_id)
    assert [(line.kind, line.what) for line in lines] == [
        ("message", "sms settled"),
        ("attempt", "accepted"),
        ("outcome", "SMS_DELIVERED"),
        ("enrollment", "waiting"),
    ]
    with pytest.raises(NotFound):
        store.history(STRANGER, run_id, contact_id)


def test_another_tenant_sees_nothing_of_a_run_and_changes_nothing(store):
    run_id = queued_run(store, 1)
    for look in (store.get_run, store.run_report, store.run_progress):
        with pytest.raises(NotFound):
            look(STRANGER, run_id)
    with pytest.raises(NotFound):
        store.change_run_status(STRANGER, run_id, RunStatus.PAUSED, NOW)
    with pytest.raises(NotFound):
        store.cancel_chunk(STRANGER, run_id, 10, NOW)
    assert not store.finish_run_if_done(STRANGER, run_id, NOW)
    assert store.find_runs(STRANGER) == []


def test_a_reply_finds_the_people_who_were_written_to_from_that_sender(store):
    run_id = queued_run(store, 2)
    row = rows(store, messages)[0]
    reply = (ChannelKind.SMS, row.address)
    (found,) = store.enrollments_awaiting(TENANT, *reply, sender=row.sender)
    assert (found.enrollment_id, found.run_id) == (row.enrollment_id, run_id)
    assert store.enrollments_awaiting(TENANT, *reply, sender="+19999999999") == []
    assert store.enrollments_awaiting(STRANGER, *reply) == []
    assert store.enrollments_awaiting(TENANT, ChannelKind.VOICE, row.address) == []
    assert store.enrollments_awaiting(TENANT, ChannelKind.EMAIL, "") == []


def test_what_a_person_says_is_with_their_enrollment_when_it_is_kept(store):
    run_id = queued_run(store, 2)
    row = rows(store, messages)[0]
    heard = Heard(
        channel=ChannelKind.SMS,
        address=row.address,
        senders=("+19999999999", row.sender),
        event=Replied(channel=ChannelKind.SMS, body="hi"),
    )
    entry = InboxEntry(tenant_id=TENANT, provider="twilio", event_key="a", payload={}, heard=heard)

    assert store.inbox_add([entry, entry], NOW) == Added(new=1, runs=frozenset({(TENANT, run_id)}))
    assert store.inbox_add([entry], NOW) == Added()

    assert not store.inbox_is_waiting(TENANT)
    assert [c.enrollment.enrollment_id for c in claim_steps(store, run_id)] == [row.enrollment_id]


def test_enrolling_from_several_workers_at_once_enrolls_everybody_once(store):
    run_id = new_run(store, 60)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: store.enroll_chunk(TENANT, run_id, 7, NOW).people, range(12)))
    assert sum(counts) == 60
    assert len({row.contact_id for row in rows(store, enrollments)}) == 60


def accepted_run(store):
    """A run whose only message is with the provider, and whose enrollment has failed meanwhile."""
    run_id = queued_run(store, 1)
    enrollment_id = rows(store, enrollments)[0].enrollment_id
    (facts,) = claim_texts(store, run_id).attempts
    store.settle([accepted(facts)], NOW)
    store.signal([(TENANT, enrollment_id, Replied(channel=ChannelKind.SMS, body=""))], NOW)
    store.commit_steps([step_to(claim_steps(store, run_id)[0], EnrollmentStatus.FAILED)], NOW)
    return run_id, store.attempt_facts([facts.attempt_id], TENANT)[0]


def failed(facts):
    """A receipt that queues it again."""
    return Settlement(
        facts=facts, attempt_status=AttemptStatus.CLOSED, message_status=MessageStatus.QUEUED, rank=4, due_at=NOW
    )


def test_a_run_with_a_receipt_to_come_is_not_complete_and_somebody_completes_it_when_it_came(store):
    run_id, facts = accepted_run(store)
    assert not store.finish_run_if_done(TENANT, run_id, NOW)
    assert due(store) == {}  # nothing to do but to wait for the receipt
    store.settle([failed(facts)], NOW)
    assert due(store) == {WorkKind.SMS: 1}
    (second,) = claim_texts(store, run_id).attempts
    store.settle([delivered(second)], NOW)
    assert due(store) == {WorkKind.ADVANCE: 1}
    assert store.finish_run_if_done(TENANT, run_id, NOW)


def test_a_retry_that_comes_back_to_a_cancelled_run_is_settled_as_cancelled(store):
    run_id, facts = accepted_run(store)
    store.change_run_status(TENANT, run_id, RunStatus.CANCELLED, NOW)
    assert store.cancel_chunk(TENANT, run_id, 10, NOW) == 0
    assert store.get_run(TENANT, run_id).finished_at is None
    assert due(store) == {}
    store.settle([failed(facts)], NOW)
    assert due(store) == {WorkKind.CANCEL: 1}
    while store.cancel_chunk(TENANT, run_id, 10, NOW):
        pass
    assert [(m.status, m.disposition) for m in rows(store, messages)] == [("settled", "CAMPAIGN_CANCELLED")]
    assert store.get_run(TENANT, run_id).finished_at == NOW
    assert due(store) == {}


def test_a_process_hears_only_of_the_work_of_its_own_tenant(store):
    queued_run(store, 1)
    claim_texts(store, queued_run(store, 1), lease=OVER)
    store.inbox_add([InboxEntry(tenant_id=TENANT, provider="twilio", event_key="a", payload={})], NOW)
    assert {WorkKind.SMS, WorkKind.INBOX, WorkKind.RECONCILE} <= due(store).keys()
    assert store.due_work(STRANGER, NOW) == []
