"""One thing that cannot be done does not spoil what can be, and nothing is sent by whoever came too late."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from channels.messages import ChannelKind
from tests.runtime.house import MAIL, TENANT, TEXT, person
from worker.domain.faults import Invalid
from worker.runtime import settle as settling
from worker.runtime.dispatch import dispatch
from worker.store.tables import enrollments

HUGE = {"type": "setVariable", "name": "debt", "value": "{{ contact.plan | times: 99999999999 }}"}


def test_a_value_that_cannot_be_kept_fails_its_contact_and_nobody_else(house):
    people = [person(n, fields={"firstName": "Ann", "plan": 99_999_999_999 if n == 1 else 7}) for n in range(3)]
    house.launch(HUGE, TEXT, people=people)

    house.advance()
    house.play()

    assert house.counts() == {"settling": 2, "failed": 1}


def test_a_step_that_cannot_be_written_is_left_alone_and_the_others_are_written(house, monkeypatch):
    house.launch(TEXT, people=3)
    write = house.store.commit_steps

    def refuse_ann1(commits, now):
        if any(commit.claim.enrollment.recipient.fields["firstName"] == "Ann1" for commit in commits):
            raise TypeError("not JSON")
        return write(commits, now)

    monkeypatch.setattr(house.rt.store, "commit_steps", refuse_ann1)
    house.advance()

    assert house.counts() == {"waiting": 2, "ready": 1}


def test_a_run_this_version_cannot_read_costs_nobody_and_holds_up_no_other_run(house):
    house.launch(TEXT)
    house.advance()
    house.store.claim_messages(
        TENANT,
        house.run_id,
        ChannelKind.SMS,
        limit=9,
        lease=house.settings.lease,
        now=house.rt.now(),
        provider="twilio-sms",
        rules=house.rt.definition(TENANT, house.run_id),
    )
    run = house.store.get_run(TENANT, house.run_id)
    house.store.create_run(replace(run, run_id="run_of_tomorrow", workflows={}, enrolled=False), again=True)
    house.store.enroll_chunk(TENANT, "run_of_tomorrow", 10, house.rt.now())
    house.leases_end()

    house.reconcile()
    good, house.run_id = house.run_id, "run_of_tomorrow"
    with pytest.raises(Invalid):
        house.advance()

    assert [row.status for row in house.attempts()] == ["unknown"], "the healthy run's message is looked into"
    claims = {row.run_id: row.claims for row in house.rows(enrollments)}
    assert claims == {good: 0, "run_of_tomorrow": 0}


def test_whoever_stood_still_after_the_claim_does_not_send(house):
    house.launch(MAIL)
    house.advance()
    slow = house.runtime(lease_seconds=0.000_001)

    slow.run(dispatch(slow, TENANT, house.run_id, ChannelKind.EMAIL))

    assert house.ledger() == []
    assert [row.status for row in house.attempts()] == ["dispatching"]


def test_answers_outlive_a_database_that_is_away_for_a_while(house, monkeypatch):
    house.launch(TEXT)
    house.advance()
    write, back = house.store.settle, threading.Event()

    def away(settlements, now, **taken):
        if not back.is_set():
            back.set()
            raise OperationalError("settle", {}, Exception("the server closed the connection"))
        return write(settlements, now, **taken)

    monkeypatch.setattr(house.rt.store, "settle", away)
    monkeypatch.setattr(settling, "_PAUSE_SECONDS", 0.01)
    house.dispatch()

    assert [row.status for row in house.attempts()] == ["accepted"]
