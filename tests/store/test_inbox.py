"""The inbox: each piece of news once, kept until it is applied, given up only after a day."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select, update

from tests.store.builders import LEASE, NOW, OVER, STRANGER, TENANT
from worker.store.inbox_rows import InboxEntry
from worker.store.tables import inbox


def news(key, tenant=TENANT):
    return InboxEntry(tenant_id=tenant, provider="twilio", event_key=key, payload={"key": key, "n": [1]})


def the_rows(store):
    with store.engine.connect() as conn:
        return conn.execute(select(inbox)).all()


def make_due(store):
    with store.engine.begin() as conn:
        conn.execute(update(inbox).values(due_at=0))


def test_the_second_copy_of_a_piece_of_news_is_nothing(store):
    assert store.inbox_add([news("a"), news("b"), news("a")], NOW).new == 2
    assert store.inbox_add([news("b"), news("c")], NOW).new == 1
    assert store.inbox_add([], NOW).new == 0
    assert [row.payload["key"] for row in store.inbox_claim(TENANT, limit=9, lease=LEASE)] == ["a", "b", "c"]


def test_the_same_key_of_another_tenant_is_other_news(store):
    assert store.inbox_add([news("a"), news("a", tenant=STRANGER)], NOW).new == 2


def test_news_is_with_one_worker_at_a_time(store):
    store.inbox_add([news(str(n)) for n in range(120)], NOW)

    def drain(_):
        mine = []
        while claimed := store.inbox_claim(TENANT, limit=7, lease=LEASE):
            mine += [row.inbox_id for row in claimed]
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [i for mine in pool.map(drain, range(4)) for i in mine]
    assert len(taken) == len(set(taken)) == 120


def test_news_whose_worker_died_is_claimed_again_and_what_is_done_never(store):
    store.inbox_add([news("a")], NOW)
    (first,) = store.inbox_claim(TENANT, limit=1, lease=OVER)
    (second,) = store.inbox_claim(TENANT, limit=1, lease=LEASE)
    assert (second.inbox_id, second.tries) == (first.inbox_id, 2)
    store.inbox_done([second.inbox_id], NOW)
    make_due(store)
    assert store.inbox_claim(TENANT, limit=1, lease=LEASE) == []


def test_what_the_provider_wrote_is_kept_beside_our_reading_and_shown_to_nobody(store):
    wrote = 'Body=%00+%C3%A9&x="\\u0000"'
    entry = replace(news("a"), raw=wrote)
    store.inbox_add([entry], NOW)
    assert [row.raw for row in the_rows(store)] == [wrote]
    assert wrote not in repr(entry)
    (row,) = store.inbox_claim(TENANT, limit=1, lease=LEASE)
    assert wrote not in repr(row)


def test_news_that_cannot_be_applied_says_why_while_it_waits_and_when_it_is_given_up(store):
    store.inbox_add([news("a")], NOW)
    (row,) = store.inbox_claim(TENANT, limit=1, lease=LEASE)
    store.inbox_defer([row.inbox_id], NOW, note="cannot be applied: KeyError")
    assert the_rows(store)[0].note == "cannot be applied: KeyError"
    store.inbox_defer([row.inbox_id], NOW + timedelta(hours=25), note="cannot be applied: KeyError")
    assert the_rows(store)[0].note == "given up: cannot be applied: KeyError"


def test_news_of_an_unknown_attempt_is_looked_at_again_less_and_less_often(store):
    store.inbox_add([news("a")], NOW)
    waits = []
    for _ in range(12):
        (row,) = store.inbox_claim(TENANT, limit=1, lease=LEASE)
        before = store.now()
        store.inbox_defer([row.inbox_id], NOW)
        waits.append(round(the_rows(store)[0].due_at / 1000 - before.timestamp()))
        assert store.inbox_claim(TENANT, limit=1, lease=LEASE) == []
        make_due(store)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_news_of_an_unknown_attempt_is_given_up_after_a_day_with_a_note(store):
    store.inbox_add([news("old")], NOW - timedelta(hours=25))
    store.inbox_add([news("new")], NOW)
    store.inbox_defer([row.inbox_id for row in store.inbox_claim(TENANT, limit=9, lease=LEASE)], NOW)
    make_due(store)
    assert [row.payload["key"] for row in store.inbox_claim(TENANT, limit=9, lease=LEASE)] == ["new"]
    assert [row.note for row in the_rows(store)] == [
        "given up: nobody knows its attempt",
        "nobody knows its attempt",
    ]


def test_news_is_applied_by_the_tenant_it_was_sent_to(store):
    store.inbox_add([news("a")], NOW)
    assert not store.inbox_is_waiting(STRANGER)
    assert store.inbox_claim(STRANGER, limit=9, lease=LEASE) == []
    assert store.inbox_is_waiting(TENANT)
    assert len(store.inbox_claim(TENANT, limit=9, lease=LEASE)) == 1


def test_old_news_that_is_done_with_is_forgotten_some_at_a_time(store):
    old = NOW - timedelta(days=90)
    store.inbox_add([replace(news(f"old {n}"), once_done={}) for n in range(3)], old)
    store.inbox_add([news("old and open"), replace(news("of others", tenant=STRANGER), once_done={})], old)
    store.inbox_add([replace(news("new"), once_done={})], NOW)

    assert [store.purge_inbox(TENANT, NOW, limit=2) for _ in range(3)] == [2, 1, 0]

    assert {row.event_key for row in the_rows(store)} == {"old and open", "of others", "new"}
