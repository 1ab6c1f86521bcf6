"""Claims and commits of enrollments: each row with one worker, no zombie writes, no news lost, nobody lost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from channels.messages import ChannelKind
from tests.store.builders import (
    KEY,
    NOW,
    OVER,
    STRANGER,
    TENANT,
    claim_steps,
    claim_texts,
    enrolled_run,
    new_run,
    step_to,
    text_to,
)
from worker.domain.effects import RecordOutcome
from worker.domain.enrollment import EnrollmentStatus, Wait, WaitKind
from worker.domain.events import Cancelled, HandedOver, Replied
from worker.domain.run import RunStatus
from worker.store import enroll, transactions
from worker.store import enrollments as enrollments_of
from worker.store.document_tables import contact_list_members, contacts
from worker.store.tables import enrollments, messages, outcomes, signals


class Crash(Exception):
    """The worker dies here."""


HELLO = Replied(channel=ChannelKind.SMS, body="hello")


def rows(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).all()


def only(store, run_id, **options):
    (claim,) = claim_steps(store, run_id, **options)
    return claim


def test_everybody_on_the_list_is_enrolled_once_and_the_run_knows_its_audience(store):
    run_id = new_run(store, 7)
    assert [store.enroll_chunk(TENANT, run_id, 3, NOW).people for _ in range(4)] == [3, 3, 1, 0]
    assert store.get_run(TENANT, run_id).enrolled
    assert store.run_report(TENANT, run_id).audience == 7
    assert len({row.contact_id for row in rows(store, enrollments)}) == 7


def test_enrolling_goes_on_after_a_crash_where_the_last_whole_chunk_ended(store):
    run_id = new_run(store, 5)
    store.enroll_chunk(TENANT, run_id, 2, NOW)

    def crash(conn):
        enroll.enroll_chunk(conn, TENANT, run_id, 2, NOW)
        raise Crash

    with pytest.raises(Crash):
        transactions.write(store.engine, crash)
    assert len(rows(store, enrollments)) == 2
    while store.enroll_chunk(TENANT, run_id, 2, NOW).more:
        pass
    assert len({row.contact_id for row in rows(store, enrollments)}) == 5


def test_an_empty_list_is_enrolled_at_once(store):
    run_id = new_run(store, 0)
    assert store.enroll_chunk(TENANT, run_id, 10, NOW).people == 0
    assert store.get_run(TENANT, run_id).enrolled


def test_workers_that_claim_at_once_never_get_the_same_person(store):
    run_id = enrolled_run(store, 200)

    def drain(owner):
        mine = []
        while claims := claim_steps(store, run_id, 7, owner=owner):
            mine += [claim.enrollment.enrollment_id for claim in claims]
        return mine

    with ThreadPoolExecutor(6) as pool:
        taken = [i for mine in pool.map(drain, map(str, range(6))) for i in mine]
    assert len(taken) == len(set(taken)) == 200


def test_a_claim_never_takes_more_than_it_asked_for(store):
    run_id = enrolled_run(store, 10)
    assert len(claim_steps(store, run_id, 4)) == 4


def test_a_claim_brings_the_person_and_the_state_as_they_were_left(store):
    run_id = enrolled_run(store, 1)
    claim = only(store, run_id)
    assert claim.enrollment.status is EnrollmentStatus.READY
    assert claim.enrollment.recipient.phone == "+15550000000"
    assert claim.enrollment.recipient.fields == {"firstName": "N0"}
    wait = Wait(kind=WaitKind.REPLY, armed_at=NOW, due_at=NOW, channel=ChannelKind.SMS)
    commit = step_to(claim, due_at=NOW, wait=wait, variables={"naïve": ["ü", None]}, visits={"hello": 1})
    assert store.commit_steps([commit], NOW) == 1
    assert only(store, run_id).enrollment == commit.transition.enrollment


def test_what_is_not_due_yet_is_not_claimed(store):
    run_id = enrolled_run(store, 1)
    store.commit_steps([step_to(only(store, run_id), due_at=NOW + timedelta(days=1))], NOW)
    assert claim_steps(store, run_id) == []
    assert only(store, run_id, now=NOW + timedelta(days=1))


def test_a_worker_that_was_thought_dead_writes_nothing(store):
    run_id = enrolled_run(store, 1)
    zombie = only(store, run_id, lease=OVER)
    heir = only(store, run_id)
    assert heir.epoch == zombie.epoch + 1
    late = step_to(zombie, effects=[text_to(zombie), RecordOutcome(disposition="X", category="Y")])
    assert store.commit_steps([late], NOW) == 0
    assert rows(store, messages) == rows(store, outcomes) == []
    assert store.commit_steps([step_to(heir, EnrollmentStatus.FINISHED)], NOW) == 1
    assert store.commit_steps([late], NOW) == 0
    assert rows(store, enrollments)[0].status == "finished"


def test_one_zombie_does_not_spoil_its_batch(store):
    run_id = enrolled_run(store, 3)
    claims = claim_steps(store, run_id)
    stale = replace(claims[1], epoch=claims[1].epoch - 1)
    commits = [step_to(c, EnrollmentStatus.FINISHED) for c in (claims[0], stale, claims[2])]
    assert store.commit_steps(commits, NOW) == 2


def test_a_message_is_owed_once_however_often_its_step_is_committed(store):
    run_id = enrolled_run(store, 1)
    for _ in range(2):
        claim = only(store, run_id)
        store.commit_steps([step_to(claim, due_at=NOW, effects=[text_to(claim)])], NOW)
    assert len(rows(store, messages)) == 1


def test_an_outcome_of_a_step_names_its_message(store):
    run_id = enrolled_run(store, 1)
    claim = only(store, run_id)
    filed = [
        text_to(claim),
        RecordOutcome(disposition="RENDER_FAILED", category="FAILED_CONFIG", message=KEY, detail="no firstName"),
        RecordOutcome(disposition="SOLD", category="CONTACTED"),
    ]
    store.commit_steps([step_to(claim, EnrollmentStatus.FINISHED, effects=filed)], NOW)
    (message,) = rows(store, messages)
    assert sorted((o.disposition, o.message_id, o.detail) for o in rows(store, outcomes)) == [
        ("RENDER_FAILED", message.message_id, "no firstName"),
        ("SOLD", None, ""),
    ]


def test_news_during_a_step_is_not_lost(store):
    run_id = enrolled_run(store, 1)
    claim = only(store, run_id)
    assert store.signal([(TENANT, claim.enrollment.enrollment_id, HELLO)], NOW) == 1
    store.commit_steps([step_to(claim, due_at=NOW + timedelta(days=1))], NOW)
    again = only(store, run_id)
    assert [event for _, event in again.events] == [HELLO]
    store.commit_steps([step_to(again)], NOW)
    assert rows(store, signals) == []
    assert claim_steps(store, run_id, now=NOW + timedelta(days=9)) == []


def test_news_comes_in_the_order_it_happened(store):
    run_id = enrolled_run(store, 1)
    enrollment_id = rows(store, enrollments)[0].enrollment_id
    news = [HandedOver(message=KEY), HELLO, Cancelled(reason="a person asked")]
    store.signal([(TENANT, enrollment_id, event) for event in news[:2]], NOW)
    store.signal([(TENANT, enrollment_id, news[2])], NOW)
    assert [event for _, event in only(store, run_id).events] == news


def test_news_wakes_who_waits_and_not_who_has_ended(store):
    run_id = enrolled_run(store, 2)
    waiting, ended = claim_steps(store, run_id)
    store.commit_steps([step_to(waiting), step_to(ended, EnrollmentStatus.FINISHED)], NOW)
    both = [(TENANT, c.enrollment.enrollment_id, HELLO) for c in (waiting, ended)]
    assert store.signal(both, NOW) == 1
    assert only(store, run_id).enrollment.enrollment_id == waiting.enrollment.enrollment_id
    assert len(rows(store, signals)) == 1


def test_news_does_not_put_off_what_is_due_already(store):
    run_id = enrolled_run(store, 1)
    enrollment_id = rows(store, enrollments)[0].enrollment_id
    store.signal([(TENANT, enrollment_id, HELLO)], NOW + timedelta(hours=1))
    assert only(store, run_id).due_at == NOW


def test_who_wrote_to_us_is_served_before_the_bulk(store):
    run_id = enrolled_run(store, 20)
    chosen = sorted(row.enrollment_id for row in rows(store, enrollments))[15]
    store.signal([(TENANT, chosen, HELLO)], NOW)
    (first,) = claim_steps(store, run_id, 1)
    assert first.enrollment.enrollment_id == chosen
    store.commit_steps([step_to(first, effects=[text_to(first)])], NOW)
    for claim in claim_steps(store, run_id, 5):
        store.commit_steps([step_to(claim, effects=[text_to(claim)])], NOW - timedelta(hours=1))
    assert claim_texts(store, run_id, 1).attempts[0].enrollment_id == chosen


def test_a_row_that_breaks_its_worker_is_failed_with_the_reason(store):
    run_id = enrolled_run(store, 1)
    for _ in range(enrollments_of.MAX_CLAIMS):
        assert claim_steps(store, run_id, lease=OVER)
    assert claim_steps(store, run_id, lease=OVER) == []
    (row,) = rows(store, enrollments)
    assert (row.status, row.disposition) == ("failed", "WORKFLOW_FAILED")
    assert "quarantined" in row.reason
    (outcome,) = rows(store, outcomes)
    assert (outcome.enrollment_id, outcome.disposition) == (row.enrollment_id, "WORKFLOW_FAILED")
    assert outcome.detail == row.reason
    assert store.finish_run_if_done(TENANT, run_id, NOW)


def test_a_commit_forgives_earlier_crashes(store):
    run_id = enrolled_run(store, 1)
    for _ in range(3):
        for _ in range(enrollments_of.MAX_CLAIMS - 1):
            assert claim_steps(store, run_id, lease=OVER)
        store.commit_steps([step_to(only(store, run_id), due_at=NOW)], NOW)
    assert only(store, run_id)


def test_a_person_who_was_erased_is_still_stepped_to_an_end(store):
    run_id = enrolled_run(store, 1)
    with store.engine.begin() as conn:
        conn.execute(contacts.delete())
        conn.execute(contact_list_members.delete())
    assert only(store, run_id).enrollment.recipient.phone == ""


def test_nothing_is_stepped_while_a_run_is_paused_and_all_of_it_afterwards(store):
    run_id = enrolled_run(store, 3)
    store.change_run_status(TENANT, run_id, RunStatus.PAUSED, NOW)
    assert claim_steps(store, run_id) == []
    store.change_run_status(TENANT, run_id, RunStatus.RUNNING, NOW)
    assert len(claim_steps(store, run_id)) == 3


def test_another_tenant_can_neither_claim_nor_commit_nor_signal(store):
    run_id = enrolled_run(store, 1)
    assert claim_steps(store, run_id, tenant=STRANGER) == []
    assert store.enroll_chunk(STRANGER, run_id, 5, NOW).people == 0
    claim = only(store, run_id)
    theirs = replace(claim, tenant_id=STRANGER)
    assert store.commit_steps([step_to(theirs, EnrollmentStatus.FINISHED)], NOW) == 0
    assert store.signal([(STRANGER, claim.enrollment.enrollment_id, HELLO)], NOW) == 0
