"""Claims of messages: gates, rate and intent in one transaction; the database itself refuses a second live send."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from channels.messages import ChannelKind
from tests.store.builders import (
    KEY,
    NOW,
    OVER,
    STRANGER,
    TENANT,
    Rules,
    accepted,
    claim_steps,
    claim_texts,
    delivered,
    queued_run,
)
from worker.domain.attempt import AttemptStatus, MessageStatus, Settlement
from worker.domain.events import Settled
from worker.domain.run import RunStatus
from worker.engine.gates import Go, Later, Skip
from worker.store import rates, transactions
from worker.store.document_tables import contacts
from worker.store.rows import Rate, Suppression
from worker.store.tables import attempts, messages, outcomes


def rows(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).all()


def test_workers_that_claim_at_once_never_send_the_same_message(store):
    run_id = queued_run(store, 200)

    def drain(_):
        mine = []
        while True:
            claimed = claim_texts(store, run_id, 7)
            assert claimed.refused == 0  # nobody even tried
            if not claimed.attempts:
                return mine
            mine += [facts.message_id for facts in claimed.attempts]

    with ThreadPoolExecutor(6) as pool:
        taken = [i for mine in pool.map(drain, range(6)) for i in mine]
    assert len(taken) == len(set(taken)) == 200
    assert store.in_flight(TENANT, run_id) == 200


def test_the_intent_is_committed_before_the_claim_is_given_out(store):
    run_id = queued_run(store, 1)
    (facts,) = claim_texts(store, run_id).attempts
    (attempt,) = rows(store, attempts)
    assert (attempt.attempt_id, attempt.status, attempt.number) == (facts.attempt_id, "dispatching", 1)
    assert facts.content == {"body": "hello"}
    assert facts.key == KEY
    assert store.attempt_facts([facts.attempt_id], TENANT) == [facts]


def test_the_database_refuses_a_second_live_attempt(store):
    run_id = queued_run(store, 1)
    (facts,) = claim_texts(store, run_id).attempts
    second = {
        "attempt_id": "second",
        "tenant_id": TENANT,
        "run_id": run_id,
        "message_id": facts.message_id,
        "channel": "sms",
        "number": 2,
        "status": "dispatching",
        "dispatched_at": 0,
        "provider": "twilio",
    }
    with pytest.raises(IntegrityError), store.engine.begin() as conn:
        conn.execute(attempts.insert().values(second))


def test_a_message_queued_by_mistake_follows_the_live_attempt_it_has(store):
    run_id = queued_run(store, 2)
    sent = claim_texts(store, run_id, 1).attempts[0]
    store.settle([accepted(sent)], NOW)
    with store.engine.begin() as conn:
        conn.execute(update(messages).values(status="queued", due_at=0))
    claimed = claim_texts(store, run_id)
    assert (len(claimed.attempts), claimed.refused) == (1, 1)
    assert claimed.attempts[0].message_id != sent.message_id
    assert {m.message_id: m.status for m in rows(store, messages)}[sent.message_id] == "accepted"
    assert claim_texts(store, run_id) == replace(claimed, attempts=(), refused=0)


def test_nothing_is_claimed_once_a_pause_or_a_cancel_has_returned(store):
    for stop in (RunStatus.PAUSED, RunStatus.CANCELLED):
        run_id = queued_run(store, 1, key=KEY._replace(state=stop))
        store.change_run_status(TENANT, run_id, stop, NOW)
        assert claim_texts(store, run_id).attempts == ()


def test_no_claim_slips_past_a_pause_that_has_returned(store):
    run_id = queued_run(store, 300)

    def drain(_):
        while claim_texts(store, run_id, 2).attempts:
            pass

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(drain, n) for n in range(4)]
        store.change_run_status(TENANT, run_id, RunStatus.PAUSED, NOW)
        left = store.in_flight(TENANT, run_id)
        for worker in workers:
            worker.result()
    assert store.in_flight(TENANT, run_id) == left


def test_what_a_gate_stops_is_settled_counted_and_told_to_the_workflow(store):
    run_id = queued_run(store, 1)
    stop = Skip(disposition="SUPPRESSED_DNC", detail="asked to stop")
    claimed = claim_texts(store, run_id, gate=lambda _: stop)
    assert (claimed.attempts, claimed.settled) == ((), 1)
    (outcome,) = rows(store, outcomes)
    assert (outcome.disposition, outcome.category, outcome.detail) == ("SUPPRESSED_DNC", "SUPPRESSED", "asked to stop")
    assert outcome.attempt_id is None
    (claim,) = claim_steps(store, run_id)
    told = Settled(message=KEY, disposition="SUPPRESSED_DNC", category="SUPPRESSED")
    assert [event for _, event in claim.events] == [told]
    assert rows(store, attempts) == []
    assert store.run_report(TENANT, run_id).suppressed == 1


def test_what_a_gate_puts_off_is_due_again_then(store):
    run_id = queued_run(store, 1)
    tomorrow = NOW + timedelta(days=1)
    claimed = claim_texts(store, run_id, gate=lambda _: Later(at=tomorrow))
    assert (claimed.attempts, claimed.later) == ((), 1)
    assert claim_texts(store, run_id).attempts == ()
    assert len(claim_texts(store, run_id, now=tomorrow).attempts) == 1


def test_the_gate_sees_what_was_suppressed_after_the_message_was_queued(store):
    run_id = queued_run(store, 4)
    addresses = sorted(m.address for m in rows(store, messages))
    store.suppress(TENANT, [Suppression(channel=ChannelKind.SMS, address=addresses[0], reason="STOP")], NOW)
    store.suppress(TENANT, [Suppression(channel=None, address=addresses[1], reason="DNC")], NOW)
    store.suppress(TENANT, [Suppression(channel=ChannelKind.EMAIL, address=addresses[2], reason="bounced")], NOW)
    store.suppress(STRANGER, [Suppression(channel=None, address=addresses[3], reason="not ours")], NOW)
    seen = {}

    def gate(facts):
        seen[facts.to] = facts.suppressed
        return Go()

    claim_texts(store, run_id, gate=gate)
    assert [seen[address] for address in addresses] == [True, True, False, False]


def test_the_gate_sees_that_a_person_was_blocked_or_erased(store):
    run_id = queued_run(store, 3)
    first, second, third = rows(store, contacts)
    assert store.block_contact(TENANT, first.contact_id, blocked=True, now=NOW)
    with store.engine.begin() as conn:
        conn.execute(contacts.delete().where(contacts.c.contact_id == second.contact_id))
    seen = {}

    def gate(facts):
        seen[facts.to] = facts.blocked
        return Go()

    claim_texts(store, run_id, gate=gate)
    assert seen == {first.phone: True, second.phone: True, third.phone: False}


def test_without_a_word_from_the_caller_the_real_gates_are_asked(store):
    run_id = queued_run(store, 2)
    stopped, allowed = rows(store, messages)
    store.suppress(TENANT, [Suppression(channel=None, address=stopped.address, reason="DNC")], NOW)
    claimed = claim_texts(store, run_id)
    assert [facts.message_id for facts in claimed.attempts] == [allowed.message_id]
    assert claimed.settled == 1
    assert claim_texts(store, queued_run(store, 2), rules=Rules(channels=frozenset())).settled == 2


def test_a_gate_that_fails_lets_nothing_leave(store):
    run_id = queued_run(store, 3)
    with pytest.raises(ZeroDivisionError):
        claim_texts(store, run_id, gate=lambda _: 1 / 0)
    assert rows(store, attempts) == []
    assert {m.status for m in rows(store, messages)} == {"queued"}


def test_a_rate_holds_over_all_workers(store):
    run_id = queued_run(store, 100)
    slow = Rate(per_second=0.001, burst=10)
    with ThreadPoolExecutor(5) as pool:
        claims = list(pool.map(lambda _: claim_texts(store, run_id, 20, rate=slow), range(10)))
    assert sum(len(claimed.attempts) for claimed in claims) == 10
    held_back = next(claimed for claimed in claims if not claimed.attempts)
    assert held_back.more
    assert timedelta(0) < held_back.retry_at - store.now() <= timedelta(seconds=1000)
    assert {m.status for m in rows(store, messages)} == {"queued", "dispatching"}


def test_a_bucket_is_with_one_claim_at_a_time(store):
    rate = Rate(per_second=0.001, burst=8)
    taken, asked = threading.Event(), threading.Event()

    def first(conn):
        allowed, _ = rates.take(conn, TENANT, "bucket", rate, 6)
        taken.set()
        asked.wait(0.3)  # the second one comes back only after this is committed
        return allowed

    def second(conn):
        return rates.take(conn, TENANT, "bucket", rate, 6)[0]

    transactions.write(store.engine, lambda conn: rates.take(conn, TENANT, "bucket", rate, 0))
    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(transactions.write, store.engine, first)
        taken.wait()
        rest = transactions.write(store.engine, second)
        asked.set()
        assert (holder.result(), rest) == (6, 2)


def test_a_bucket_fills_again_with_time_and_never_above_its_burst(store):
    run_id = queued_run(store, 300)
    rate = Rate(per_second=50, burst=5)
    started = time.monotonic()
    sent = 0
    while sent < 30:
        claimed = claim_texts(store, run_id, 100, rate=rate)
        assert len(claimed.attempts) <= 5
        sent += len(claimed.attempts)
    assert time.monotonic() - started + 0.02 >= (30 - 5) / 50


def test_a_crashed_dispatch_shows_up_when_its_lease_is_over_and_not_before(store):
    run_id = queued_run(store, 2)
    crashed = claim_texts(store, run_id, 1, lease=OVER).attempts
    claim_texts(store, run_id, 1)
    assert store.stale_dispatching(TENANT, limit=10) == list(crashed)


def test_unknown_and_silent_attempts_show_up_when_they_are_due(store):
    run_id = queued_run(store, 2)
    lost, quiet = claim_texts(store, run_id).attempts
    unknown = Settlement(
        facts=lost,
        attempt_status=AttemptStatus.UNKNOWN,
        message_status=MessageStatus.UNKNOWN,
        due_at=NOW + timedelta(minutes=2),
    )
    store.settle([unknown, accepted(quiet)], NOW)
    assert store.due_unknown(TENANT, NOW, limit=5) == store.silent_accepted(TENANT, NOW, limit=5) == []
    (found,) = store.due_unknown(TENANT, NOW + timedelta(minutes=2), limit=5)
    assert (found.attempt_id, found.status) == (lost.attempt_id, AttemptStatus.UNKNOWN)
    (found,) = store.silent_accepted(TENANT, NOW + timedelta(hours=6), limit=5)
    assert (found.attempt_id, found.status) == (quiet.attempt_id, AttemptStatus.ACCEPTED)


def test_another_tenant_can_neither_claim_nor_look(store):
    run_id = queued_run(store, 1)
    assert claim_texts(store, run_id, tenant=STRANGER).attempts == ()
    (facts,) = claim_texts(store, run_id).attempts
    assert store.attempt_facts([facts.attempt_id], STRANGER) == []
    assert store.facts_by_ref(["SM1"], "twilio", STRANGER) == []
    assert store.in_flight(STRANGER, run_id) == 0
    assert store.held(STRANGER, run_id) == []
    stolen = replace(delivered(facts), facts=replace(facts, tenant_id=STRANGER))
    assert store.settle([stolen], NOW).applied == ()


def test_a_sweep_looks_only_at_its_own_tenant(store):
    run_id = queued_run(store, 3)
    lost, quiet, crashed = claim_texts(store, run_id, lease=OVER).attempts
    unknown = replace(accepted(lost), attempt_status=AttemptStatus.UNKNOWN, message_status=MessageStatus.UNKNOWN)
    store.settle([unknown, accepted(quiet)], NOW)
    later = NOW + timedelta(days=1)

    def found(tenant):
        sweeps = (
            store.stale_dispatching(tenant, limit=5),
            store.due_unknown(tenant, later, limit=5),
            store.silent_accepted(tenant, later, limit=5),
        )
        return [facts.attempt_id for sweep in sweeps for facts in sweep]

    assert found(TENANT) == [crashed.attempt_id, lost.attempt_id, quiet.attempt_id]
    assert found(STRANGER) == []
