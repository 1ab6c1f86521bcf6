"""Queue events on both databases: several workers at once, and all statements that write."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from tests.runtime.events_desk import entered, event, fate, listen, send, texts
from tests.runtime.house import TENANT, TEXT, House, person, until
from worker.domain.queue_event import sent_key
from worker.runtime import events
from worker.store import event_effects
from worker.store.dialect import turn
from worker.store.document_tables import contacts
from worker.store.event_rows import EventStatus
from worker.store.events import MOST_TRIES
from worker.store.queue_tables import event_traces
from worker.store.queue_tables import events as events_table


def test_the_same_key_from_many_sides_at_once_enrolls_once(house: House):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])
    others = [house.runtime() for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda rt: events.take(rt, [event(f"k{n}") for n in range(20)]), others))

    assert sum(taken) == 20
    assert len(entered(house)) == 20


def test_different_events_of_one_person_at_once_enter_once_where_the_campaign_says_once(house: House):
    listen(house)
    others = [house.runtime() for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: events.take(others[n], [event(f"k{n}")]), range(4)))

    assert len(entered(house)) == 1
    assert len(house.rows(contacts)) == 1


def test_an_event_tells_a_contact_that_is_known_only_what_is_new(house: House):
    listen(house, people=[person(1, external_id="C-1", fields={"firstName": "Ann", "plan": "gold"})])

    send(house, event(contact={"externalId": "C-1", "city": "Rome"}))

    [row] = house.rows(contacts)
    assert json.loads(row.fields) == {"firstName": "Ann", "plan": "gold", "city": "Rome"}
    assert row.modified_by == "event"
    [change] = house.store.changes_of(TENANT, "contact", row.contact_id)
    assert (change.by, [one["path"] for one in change.changes]) == ("event", ["city"])


def test_an_event_nobody_listens_to_is_dead_and_can_be_replayed_once_somebody_does(house: House):
    send(house, event("k1"), event("k2", contact={"email": "bob@example.com"}))
    assert fate(house).note == "no campaign listens to cart.abandoned"
    assert house.rows(contacts) == []  # nobody is kept for an event that is about nothing of ours

    listen(house)
    assert events.replay(house.rt) == 2
    house.play()

    assert len(entered(house)) == 2
    assert events.replay(house.rt) == 0


def test_cancel_on_takes_out_who_it_means_and_what_is_queued_for_them_never_leaves(house: House):
    same_cart = "event.data.cartId == start.data.cartId"
    listen(
        house,
        TEXT,
        triggers=[{"event": "cart.abandoned", "reentry": "always"}],
        cancelOn=[{"event": "order.placed", "condition": same_cart}],
    )
    send(house, event("a1", data={"cartId": "a"}), event("b1", data={"cartId": "b"}))
    house.advance()  # both texts are queued

    send(house, event("a2", kind="order.placed", data={"cartId": "a"}))
    assert Counter(row.status for row in texts(house)) == {"settled": 1, "queued": 1}  # in the commit of the event
    house.play()
    house.dispatch()

    left, stayed = sorted(entered(house), key=lambda row: row.status)
    assert (left.status, left.reason, left.disposition) == (
        "cancelled",
        "taken out by the event order.placed",
        "CAMPAIGN_CANCELLED",
    )
    assert stayed.status != "cancelled"
    assert len(house.ledger()) == 1
    assert Counter(row.disposition for row in texts(house))["CAMPAIGN_CANCELLED"] == 1
    assert fate(house, "a2").note == f"taken out of {house.run_id}"


def test_an_event_waits_for_another_one_of_its_person_and_then_knows_of_it(house: House):
    run_id = listen(house, people=[person(1)])
    about = {"phone": person(1).phone}
    first, second = (events.accept(house.rt, [events.read_text(house.rt, event(key, contact=about))]) for key in "ab")
    engine, listening = house.store.engine, {run_id: house.rt.listening(TENANT, run_id)}

    with ThreadPoolExecutor(1) as pool:
        with turn(engine), engine.begin() as conn:  # as the store does, but slowly
            event_effects.apply(conn, TENANT, first, listening, house.rt.now())
            other = pool.submit(events.apply, house.runtime(), second)
            if engine.dialect.name == "postgresql":
                until(lambda: other.done() or waits_for_a_lock(house), "the other one to come as far as it can")
            assert not other.done()
        assert other.result() == 1

    assert len(entered(house)) == 1
    assert fate(house, "b").note.endswith("has been in before")


def waits_for_a_lock(house: House) -> bool:
    """Whether somebody in this database waits for a transaction of somebody else."""
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with house.store.engine.connect() as conn:
        return conn.exec_driver_sql(ours).scalar_one() > 0


def test_an_event_that_two_workers_hold_has_its_effect_once(house: House):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])
    rows = events.accept(house.rt, [events.read_text(house.rt, event(f"k{n}")) for n in range(10)])
    others = [house.runtime() for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda rt: events.apply(rt, rows), others))

    assert sum(done) == 10
    assert len(entered(house)) == 10


def test_an_event_that_cannot_be_applied_does_not_stop_the_others(house: House):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])
    rows = events.accept(house.rt, [events.read_text(house.rt, event(f"k{n}")) for n in range(3)])
    broken = [rows[0], replace(rows[1], payload={}), rows[2]]

    assert events.apply(house.rt, broken) == 2

    assert len(entered(house)) == 2
    assert fate(house, "k1").note == "cannot be applied: KeyError; see the log"


def test_keys_are_forgotten_after_their_time_and_not_before(house: House):
    listen(house)
    send(house, event(), "{")
    house.later(days=364)
    assert events.purge(house.rt) == 0

    house.later(days=2)
    assert events.purge(house.rt) == 2
    assert fate(house) is None


def test_the_tick_forgets_old_keys_some_at_a_time_whatever_doors_are_used(house: House, monkeypatch):
    monkeypatch.setattr(events, "PURGED_AT_ONCE", 2)
    listen(house, cancelOn=[{"event": "order.placed"}])
    send(house, *(event(f"k{n}", "order.placed", {"email": f"p{n}@example.com"}) for n in range(5)))
    house.tick_only()
    assert len(house.rows(events_table)) == len(house.rows(event_traces)) == 5

    house.later(days=366)
    house.tick_only()
    assert house.rows(events_table) == house.rows(event_traces) == []


def leases_end(house: House) -> None:
    """Whoever holds an event has died over it."""
    with house.store.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE events SET due_at = 0 WHERE due_at IS NOT NULL")


def test_an_event_that_kills_whoever_applies_it_ends_dead_and_takes_nobody_with_it(house: House):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])
    events.accept(house.rt, [events.read_text(house.rt, event(f"k{n}")) for n in range(4)])  # and this process dies

    deaths = 1
    leases_end(house)
    while deaths <= MOST_TRIES and house.store.events_are_waiting(TENANT):
        rows = house.store.claim_events(TENANT, limit=500, lease=timedelta(seconds=30))
        if "k1" in {row.key for row in rows}:
            deaths += 1  # before it has committed anything
        else:
            events.apply(house.rt, rows)
        leases_end(house)

    assert deaths == MOST_TRIES
    assert fate(house, "k1").status is EventStatus.DEAD
    assert fate(house, "k1").note.startswith("whoever applied it was cut short, 8 times")
    assert len(entered(house)) == 3
    assert events.replay(house.rt, "k1") == 1
    assert events.apply_waiting(house.rt) == 1


def test_a_workflow_that_waits_for_an_event_goes_on_when_it_comes(house: House):
    wait = {"type": "waitForEvent", "event": "order.placed", "timeout": "1 day", "where": "event.data.n == 2"}
    listen(house, wait, {**TEXT, "message": "Thanks for {{ event.data.n }}"})
    send(house, event("k1"))
    house.play()

    send(house, event("k2", kind="order.placed", data={"n": 1}))
    house.play()
    assert house.ledger() == []
    send(house, event("k3", kind="order.placed", data={"n": 2}))
    house.play()

    assert len(house.ledger()) == 1
    assert fate(house, "k3").note == f"told {house.run_id}"
    assert json.loads(texts(house)[0].content)["body"] == "Thanks for 2"


def test_what_could_not_be_read_is_found_by_the_key_of_its_sender_until_a_good_one_comes(house: House):
    listen(house)
    send(house, event("xa3", contact={"phone": "1"}), event("xa3", contact={"phone": "12"}), "{}")

    dead = fate(house, "xa3")
    assert (dead.status, dead.type, sent_key(dead.key)) == (EventStatus.DEAD, "cart.abandoned", "xa3")
    assert fate(house, dead.key) == dead
    assert fate(house, "a3") is None
    assert house.store.get_event("another", "xa3") is None
    assert (house.store.count_unread_events(TENANT), house.store.count_unread_events("another")) == (3, 0)

    assert send(house, event("xa3")) == 1
    assert (fate(house, "xa3").key, fate(house, "xa3").status) == ("xa3", EventStatus.APPLIED)
