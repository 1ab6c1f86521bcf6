"""What takes people out is remembered: whoever would be brought in too late is passed over, on both databases."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.runtime.events_desk import ANN, entered, event, fate, listen, send
from tests.runtime.house import TENANT, TEXT, House, person, until
from worker.runtime import events
from worker.runtime import launch as launching
from worker.runtime.reports import make_report
from worker.store import event_effects
from worker.store.dialect import turn
from worker.store.document_tables import contacts
from worker.store.event_rows import EventStatus
from worker.store.queue_tables import event_traces

ORDER = [{"event": "order.placed"}]
SAME_CART = [{"event": "order.placed", "condition": "event.data.cartId == start.data.cartId"}]
AGAIN = [{"event": "cart.abandoned", "reentry": "always"}]
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ONCE_MORE = "passed over by {run}: order.placed has happened since"


def at(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


def cart(key="cart", minutes=0, **more) -> str:
    return event(key, occurredAt=at(minutes), **more)


def order(key="order", minutes=5, **more) -> str:
    return event(key, kind="order.placed", occurredAt=at(minutes), **more)


def overdue(house: House) -> None:
    """Whoever holds an event is thought dead."""
    with house.store.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE events SET due_at = 0")


@pytest.mark.parametrize("known", [1, 0])
def test_who_has_ordered_is_not_written_to_about_the_cart_that_comes_later(house: House, known):
    about = {"phone": person(0).phone, "firstName": "Ann"}
    run_id = listen(house, people=known, cancelOn=ORDER)

    send(house, order(contact=about))
    send(house, cart(contact=about))
    house.play()

    assert (entered(house), house.ledger()) == ([], [])
    assert fate(house, "cart").note == ONCE_MORE.format(run=run_id)
    send(house, cart("next", minutes=6, contact=about))
    house.play()
    assert len(house.ledger()) == 1  # another cart, after the order


def test_the_same_holds_within_one_batch(house: House):
    run_id = listen(house, people=1, cancelOn=ORDER)

    send(house, order(), cart())

    assert entered(house) == []
    assert fate(house, "cart").note == ONCE_MORE.format(run=run_id)


def test_an_order_that_somebody_holds_and_has_not_applied_yet_counts_under_any_name(house: House):
    ann = person(1, external_id="C-1")
    run_id = listen(house, people=[ann, person(2)], cancelOn=ORDER)
    held = order(contact={"externalId": "C-1"}), order("of another", contact={"phone": person(2).phone}, minutes=-1)
    events.accept(house.rt, [events.read_text(house.rt, one) for one in held])

    send(house, cart(contact={"email": ann.email}), cart("other", contact={"email": person(2).email}))

    assert fate(house, "cart").note == ONCE_MORE.format(run=run_id)
    assert fate(house, "other").note == f"entered {run_id}"
    overdue(house)
    house.tick_only()
    assert fate(house, "order").status is EventStatus.APPLIED


def test_the_condition_decides_about_an_order_that_came_first_too(house: House):
    run_id = listen(house, triggers=AGAIN, cancelOn=SAME_CART)
    send(house, order(data={"cartId": "a", "card": "4111"}))

    send(house, cart("a", data={"cartId": "a"}), cart("b", data={"cartId": "b"}))

    assert fate(house, "a").note == ONCE_MORE.format(run=run_id)
    assert fate(house, "b").note == f"entered {run_id}"


def test_of_an_order_only_what_conditions_ask_for_is_kept_and_of_a_stranger_no_address(house: House):
    listen(house, cancelOn=SAME_CART)

    send(house, order(data={"cartId": "a", "card": "4111"}, contact={**ANN, "email": "ann@example.com"}))

    traces = house.rows(event_traces)
    assert [json.loads(trace.event)["data"] for trace in traces] == [{"cartId": "a"}] * 2
    assert sorted(trace.kind for trace in traces) == ["email", "phone"]
    for said in (ANN["phone"], "ann@example.com", "4111", "Ann"):
        assert said not in repr(traces)
    house.later(days=400)
    events.purge(house.rt)
    assert house.rows(event_traces) == []


def test_an_event_that_begins_anew_what_it_ends_does_so_in_the_same_moment_too(house: House):
    listen(house, triggers=AGAIN, cancelOn=[{"event": "cart.abandoned"}])

    send(house, cart("first"), cart("second"))
    send(house, cart("third"))
    send(house, cart("too late", minutes=-1))

    assert sorted(row.status for row in entered(house)) == ["cancelled", "cancelled", "waiting"]
    assert fate(house, "too late").note.endswith("cart.abandoned has happened since")


def test_an_order_that_comes_while_its_stranger_is_being_made_ends_it(house: House):
    run_id = listen(house, cancelOn=ORDER)
    engine, listening = house.store.engine, {run_id: house.rt.listening(TENANT, run_id)}
    first = events.accept(house.rt, [events.read_text(house.rt, cart())])

    with ThreadPoolExecutor(1) as pool:
        with turn(engine), engine.begin() as conn:  # as the store does, but slowly
            event_effects.apply(conn, TENANT, first, listening, house.rt.now())
            other = pool.submit(events.take, house.runtime(), [order()])
            if engine.dialect.name == "postgresql":
                until(lambda: other.done() or waits_for_a_lock(house), "the other one to come as far as it can")
        assert other.result() == 1

    assert [row.status for row in entered(house)] == ["cancelled"]
    assert len(house.rows(contacts)) == 1


def waits_for_a_lock(house: House) -> bool:
    """Whether somebody in this database waits for a transaction of somebody else."""
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with house.store.engine.connect() as conn:
        return conn.exec_driver_sql(ours).scalar_one() > 0


def test_who_orders_while_a_broadcast_is_being_enrolled_is_enrolled_and_ended_with_the_reason(house: House):
    orders = [{"event": "order.placed", "condition": "event.data.total > 10 && contact.firstName != 'Nobody'"}]
    request = house.save(TEXT, people=6, cancelOn=orders)
    house.run_id = launching.launch(house.rt, request).run.run_id
    before = {"data": {"total": 50}, "occurredAt": (house.rt.now() - timedelta(hours=1)).isoformat()}
    send(house, event("before", "order.placed", {"phone": person(3).phone}, **before))
    for n, total in enumerate((50, 5, 50)):
        send(house, event(f"k{n}", "order.placed", {"phone": person(n).phone}, data={"total": total}))

    launching.enroll(house.rt, TENANT, house.run_id)
    house.play()

    out = [row for row in entered(house) if row.status == "cancelled"]
    assert {(row.reason, row.disposition, row.due_at) for row in out} == {
        ("taken out by the event order.placed", "CAMPAIGN_CANCELLED", None)
    }
    wanted = {person(n).phone for n in range(6)} - {person(0).phone, person(2).phone}
    assert {line["to"] for line in house.ledger()} == wanted
    assert sum(make_report(house.rt, house.run_id).counts.enrollments.values()) == 6


def test_a_chunk_and_an_event_wait_for_each_other(house: House):
    request = house.save(TEXT, people=3, cancelOn=ORDER)
    run_id = house.run_id = launching.launch(house.rt, request).run.run_id
    engine, listening = house.store.engine, {run_id: house.rt.listening(TENANT, run_id)}
    about = {"phone": person(1).phone}
    rows = events.accept(house.rt, [events.read_text(house.rt, event("k", "order.placed", about))])

    with ThreadPoolExecutor(1) as pool:
        with turn(engine), engine.begin() as conn:
            event_effects.apply(conn, TENANT, rows, listening, house.rt.now())
            other = pool.submit(launching.enroll, house.runtime(), TENANT, run_id)
            if engine.dialect.name == "postgresql":
                until(lambda: other.done() or waits_for_a_lock(house), "the other one to come as far as it can")
        assert other.result().people == 3

    assert sorted(row.status for row in entered(house)) == ["cancelled", "ready", "ready"]
