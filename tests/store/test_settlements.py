"""Settlements: applied once, on what was seen, whatever else is in their batch; knowledge is never thrown away."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from channels.messages import ChannelKind
from channels.results import Reason
from tests.store.builders import (
    KEY,
    LEASE,
    NOW,
    OVER,
    TENANT,
    Rules,
    accepted,
    claim_steps,
    claim_texts,
    delivered,
    queued_run,
    step_to,
    text_to,
)
from worker.domain.attempt import AttemptStatus, MessageStatus, Settlement, Suppress
from worker.domain.enrollment import MessageKey
from worker.domain.events import HandedOver, Settled
from worker.store.document_tables import suppressions
from worker.store.tables import attempts, messages, outcomes


def rows(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).all()


def sent_texts(store, count=1, **options):
    run_id = queued_run(store, count)
    return run_id, claim_texts(store, run_id, **options).attempts


def again(facts, **changes):
    """It surely never left: queued again."""
    return Settlement(
        facts=facts,
        attempt_status=AttemptStatus.NOT_SENT,
        message_status=MessageStatus.QUEUED,
        counts=False,
        **changes,
    )


def test_one_piece_of_news_changes_attempt_message_outcome_enrollment_and_suppressions_together(store):
    run_id, (facts,) = sent_texts(store)
    told = Settled(message=KEY, disposition="SMS_OPTED_OUT", category="OPTED_OUT")
    news = Settlement(
        facts=facts,
        attempt_status=AttemptStatus.REFUSED,
        message_status=MessageStatus.SETTLED,
        rank=4,
        provider_ref="SM1",
        reason=Reason.OPTED_OUT,
        code="21610",
        segments=2,
        disposition="SMS_OPTED_OUT",
        category="OPTED_OUT",
        signals=(told,),
        suppress=(Suppress(channel=ChannelKind.SMS, address=facts.to, reason="21610"),),
    )
    assert store.settle([news], NOW).applied == (facts.attempt_id,)
    (attempt,), (message,), (outcome,), (stop,) = (rows(store, t) for t in (attempts, messages, outcomes, suppressions))
    assert (attempt.status, attempt.rank, attempt.reason, attempt.code) == ("refused", 4, "opted_out", "21610")
    assert (attempt.provider_ref, attempt.segments, attempt.lease_until) == ("SM1", 2, None)
    assert (message.status, message.disposition, message.category) == ("settled", "SMS_OPTED_OUT", "OPTED_OUT")
    assert (outcome.attempt_id, outcome.message_id) == (facts.attempt_id, facts.message_id)
    assert (stop.tenant_id, stop.channel, stop.address) == (TENANT, "sms", facts.to)
    assert [event for _, event in claim_steps(store, run_id)[0].events] == [told]


def test_the_same_news_twice_is_applied_once(store):
    _, (facts,) = sent_texts(store)
    assert store.settle([delivered(facts), delivered(facts)], NOW).applied == (facts.attempt_id,)
    assert len(store.settle([delivered(facts)], NOW).lost) == 1
    assert len(rows(store, outcomes)) == 1


def test_of_many_who_bring_the_same_news_one_wins(store):
    _, sent = sent_texts(store, 30)

    def bring(order):
        return store.settle([delivered(facts) for facts in sent[::order]], NOW)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(bring, (1, -1, 1, -1)))
    assert sorted(i for r in results for i in r.applied) == sorted(facts.attempt_id for facts in sent)
    assert len(rows(store, outcomes)) == 30


def test_late_news_on_old_facts_never_takes_a_message_back(store):
    _, (facts,) = sent_texts(store)
    store.settle([delivered(facts)], NOW)
    assert len(store.settle([accepted(facts)], NOW).lost) == 1
    (now_known,) = store.attempt_facts([facts.attempt_id], TENANT)
    assert (now_known.rank, now_known.message_status) == (4, MessageStatus.SETTLED)
    store.settle([replace(delivered(now_known), rank=2, disposition="")], NOW)
    (attempt,), (message,) = rows(store, attempts), rows(store, messages)
    assert attempt.rank == 4
    assert message.disposition == "SMS_DELIVERED"


def test_news_that_saw_a_lower_rank_is_decided_again(store):
    _, (facts,) = sent_texts(store)
    store.settle([accepted(facts)], NOW)
    (facts,) = store.attempt_facts([facts.attempt_id], TENANT)
    sent, deferred = replace(accepted(facts), rank=2, code="sent"), replace(accepted(facts), rank=2, code="deferred")
    assert store.settle([sent], NOW).applied
    assert store.settle([deferred], NOW).lost == (deferred,)
    assert rows(store, attempts)[0].code == "sent"


def test_a_result_that_comes_after_its_lease_is_still_knowledge(store):
    run_id, (facts,) = sent_texts(store, lease=OVER)
    assert store.stale_dispatching(TENANT, limit=5)
    assert store.settle([accepted(facts, ref="SM1", signals=(HandedOver(message=KEY),))], NOW).applied
    assert store.stale_dispatching(TENANT, limit=5) == []
    assert store.facts_by_ref(["SM1", "SM2", ""], "twilio", TENANT)[0].attempt_id == facts.attempt_id
    assert len(claim_steps(store, run_id)) == 1


def test_what_surely_never_left_is_sent_again_as_a_new_attempt(store):
    run_id, (facts,) = sent_texts(store)
    later = NOW + timedelta(minutes=1)
    store.settle([again(facts, due_at=later, reason=Reason.RATE_LIMITED)], NOW)
    assert claim_texts(store, run_id).attempts == ()
    (second,) = claim_texts(store, run_id, now=later).attempts
    assert (second.message_id, second.number, second.counted) == (facts.message_id, 2, 0)
    assert second.attempt_id != facts.attempt_id


def test_attempts_that_reached_the_provider_are_counted_once_each(store):
    run_id, (first,) = sent_texts(store)
    store.settle([accepted(first)], NOW)
    (first,) = store.attempt_facts([first.attempt_id], TENANT)
    assert first.counted == 0  # those before it
    busy = Settlement(
        facts=first, attempt_status=AttemptStatus.CLOSED, message_status=MessageStatus.QUEUED, rank=4, due_at=NOW
    )
    store.settle([busy], NOW)
    (second,) = claim_texts(store, run_id).attempts
    assert second.counted == 1
    store.settle([again(second, due_at=NOW)], NOW)
    assert claim_texts(store, run_id).attempts[0].counted == 1


def test_attempts_at_the_other_messages_of_a_contact_are_counted_by_channel(store):
    run_id, (first,) = sent_texts(store)
    store.settle([delivered(first, signals=(Settled(message=KEY, disposition="D", category="C"),))], NOW)
    (claim,) = claim_steps(store, run_id)
    second_key, mail_key = MessageKey("again", "text", 1), MessageKey("again", "mail", 1)
    mail = text_to(claim, mail_key, ChannelKind.EMAIL, to="ann@example.com")
    content = {"subject": "Again", "text": "Hello again"}
    owed = [text_to(claim, second_key), replace(mail, sender="us@example.com", content=content)]
    store.commit_steps([step_to(claim, effects=owed)], NOW)

    (second,) = claim_texts(store, run_id).attempts
    (mail,) = store.claim_messages(
        TENANT, run_id, ChannelKind.EMAIL, limit=9, lease=LEASE, now=NOW, provider="sendgrid", rules=Rules()
    ).attempts

    assert (second.counted, second.counted_elsewhere, mail.counted_elsewhere) == (0, 1, 0)
    assert store.attempt_facts([second.attempt_id], TENANT)[0].counted_elsewhere == 1


def test_one_settlement_the_database_refuses_does_not_spoil_its_batch(store):
    run_id, (stale, other) = sent_texts(store, 2)
    store.settle([again(stale, due_at=NOW)], NOW)
    (stale,) = store.attempt_facts([stale.attempt_id], TENANT)
    claim_texts(store, run_id)  # a second attempt is live
    (stale,) = store.attempt_facts([stale.attempt_id], TENANT)
    revived = accepted(stale)
    result = store.settle([revived, accepted(other)], NOW)
    assert result.refused == (stale.attempt_id,)
    assert result.applied == (other.attempt_id,)


def test_two_messages_with_one_provider_id_both_keep_their_news(store):
    _, sent = sent_texts(store, 2)
    result = store.settle([accepted(facts, ref="shared") for facts in sent], NOW)
    assert len(result.applied) == 2
    assert sorted(a.provider_ref for a in rows(store, attempts)) == ["", "shared"]
    assert {a.status for a in rows(store, attempts)} == {"accepted"}


def test_a_held_message_is_not_taken_back_by_news_that_saw_it_unknown(store):
    run_id, (facts,) = sent_texts(store)
    unknown = Settlement(facts=facts, attempt_status=AttemptStatus.UNKNOWN, message_status=MessageStatus.UNKNOWN)
    store.settle([unknown], NOW)
    (seen,) = store.attempt_facts([facts.attempt_id], TENANT)
    store.settle([replace(unknown, facts=seen, message_status=MessageStatus.HELD)], NOW)
    assert len(store.settle([replace(unknown, facts=seen, lookups=1)], NOW).lost) == 1
    assert [held.attempt_id for held in store.held(TENANT, run_id)] == [facts.attempt_id]
    assert store.run_report(TENANT, run_id).held == 1
