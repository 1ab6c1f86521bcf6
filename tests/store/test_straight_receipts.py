"""What a receipt changes takes effect in the commit that keeps the receipt, if it still holds then."""

from dataclasses import replace

from sqlalchemy import select, update

from tests.store.builders import KEY, LEASE, NOW, TENANT, accepted, claim_texts, delivered, queued_run
from worker.domain.events import Settled
from worker.store.codec import from_json
from worker.store.inbox_rows import Added, InboxEntry
from worker.store.tables import attempts, inbox, messages, signals

READING = {"attempt_id": "a", "code": "delivered"}
BRIEF = {"attempt_id": "a"}
TOLD = Settled(message=KEY, disposition="SMS_DELIVERED", category="DELIVERED")


def receipt(facts, key="SM1:delivered"):
    """The news that this text has arrived, judged by these facts."""
    return InboxEntry(
        tenant_id=TENANT,
        provider="twilio",
        event_key=key,
        payload=READING,
        raw="MessageStatus=delivered",
        settlement=delivered(facts, signals=(TOLD,)),
        once_done=BRIEF,
    )


def taken_text(store):
    """The run of one text that the provider has, and what is known of it."""
    run_id = queued_run(store, 1)
    [facts] = claim_texts(store, run_id).attempts
    store.settle([accepted(facts, ref="SM1")], NOW)
    [facts] = store.attempt_facts([facts.attempt_id], TENANT)
    return run_id, facts


def the_only(store, table):
    with store.engine.connect() as conn:
        return conn.execute(select(table)).one()


def claimed(store):
    return store.inbox_claim(TENANT, limit=9, lease=LEASE)


def test_what_still_holds_takes_effect_with_the_commit_and_its_person_is_told(store):
    run_id, facts = taken_text(store)

    added = store.inbox_add([receipt(facts)], NOW)

    assert added == Added(new=1, waiting=0, runs=frozenset({(TENANT, run_id)}))
    assert the_only(store, messages).disposition == "SMS_DELIVERED"
    assert the_only(store, inbox).processed_at
    assert from_json(the_only(store, signals).event)["disposition"] == "SMS_DELIVERED"
    assert claimed(store) == []


def test_what_does_not_hold_any_more_changes_nothing_and_waits_with_all_of_our_reading(store):
    _, facts = taken_text(store)
    with store.engine.begin() as conn:
        conn.execute(update(attempts).values(rank=3))

    assert store.inbox_add([receipt(facts)], NOW).waiting == 1

    assert the_only(store, messages).disposition == ""
    [row] = claimed(store)
    assert row.payload == READING


def test_of_two_that_were_judged_by_the_same_facts_one_takes_effect_and_the_other_waits(store):
    _, facts = taken_text(store)

    added = store.inbox_add([receipt(facts, "first"), receipt(facts, "second")], NOW)

    assert (added.new, added.waiting) == (2, 1)
    assert the_only(store, messages).disposition == "SMS_DELIVERED"
    assert len(claimed(store)) == 1


def test_the_second_copy_of_it_changes_nothing(store):
    _, facts = taken_text(store)
    store.inbox_add([receipt(facts)], NOW)
    [now_known] = store.attempt_facts([facts.attempt_id], TENANT)

    changed = replace(receipt(now_known), settlement=replace(delivered(now_known), disposition="SMS_FAILED"))

    assert store.inbox_add([changed], NOW) == Added()
    assert the_only(store, messages).disposition == "SMS_DELIVERED"


def test_what_changes_nothing_is_kept_and_done_with(store):
    entry = replace(receipt(taken_text(store)[1]), settlement=None)

    assert store.inbox_add([entry], NOW) == Added(new=1)
    assert claimed(store) == []
    assert the_only(store, inbox).raw == entry.raw
