"""Queue events: accepted once, applied once, and what they lead to."""

import json

import pytest

from tests.runtime.events_desk import ANN, WAIT, entered, event, fate, listen, save_another, send, texts
from tests.runtime.house import TENANT, TEXT, House, person
from worker.runtime import events
from worker.runtime import launch as launching
from worker.runtime.hints import Work
from worker.runtime.preflight import Launch
from worker.store.document_tables import contacts
from worker.store.event_rows import EventStatus
from worker.store.tables import enrollments, messages


@pytest.fixture
def database_url(sqlite_url):
    """One kind of database: what differs between them is in test_events_at_once.py."""
    return sqlite_url


def all_finish(house: House) -> None:
    """As their receipts would have it."""
    with house.store.engine.begin() as conn:
        conn.execute(enrollments.update().values(status="finished", finished_at=1, due_at=None))


def test_an_event_makes_its_contact_and_sends_what_the_workflow_says(house: House):
    listen(house, {**TEXT, "message": "Hello {{ contact.firstName }}, {{ start.data.cartId }} is waiting"})

    assert send(house, event(data={"cartId": "c-881"})) == 1
    house.play()

    assert [line["to"] for line in house.ledger()] == [ANN["phone"]]
    [message] = texts(house)
    assert json.loads(message.content)["body"] == "Hello Ann, c-881 is waiting"
    assert fate(house).status is EventStatus.APPLIED
    assert fate(house).payload == {}  # what it said is where it was used


def test_the_same_key_twice_enrolls_once_whatever_else_the_event_says(house: House):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])

    assert send(house, event(), event(contact={"email": "bob@example.com"})) == 1
    assert send(house, event()) == 0

    assert len(entered(house)) == 1


@pytest.mark.parametrize(
    ("reentry", "after_the_end", "after_a_month"),
    [("once", 1, 1), ("oneAtATime", 2, 3), ("always", 3, 4), ({"after": "30 days"}, 1, 2)],
)
def test_who_may_come_again_is_the_campaigns_choice(house: House, reentry, after_the_end, after_a_month):
    listen(house, TEXT, triggers=[{"event": "cart.abandoned", "reentry": reentry}])

    send(house, event("first"), event("while still in"))
    house.play()
    all_finish(house)
    send(house, event("after the end"))
    assert len(entered(house)) == after_the_end

    house.play()
    all_finish(house)
    house.later(days=31)
    send(house, event("a month later"))
    assert len(entered(house)) == after_a_month


def test_a_condition_decides_by_the_event_and_the_contact(house: House):
    wanted = "event.data.total > 20 && contact.plan == 'gold'"
    listen(house, triggers=[{"event": "cart.abandoned", "condition": wanted}])

    send(house, event("small", data={"total": 5}, contact={**ANN, "plan": "gold"}))
    send(house, event("silver", data={"total": 50}, contact={**ANN, "plan": "silver"}))
    assert entered(house) == []
    assert fate(house, "small").note.endswith("its condition is false")

    send(house, event("both", data={"total": 50}, contact={**ANN, "plan": "gold"}))
    assert len(entered(house)) == 1


def test_an_address_that_is_another_contacts_changes_nobody(house: House):
    listen(house, people=[person(1, external_id="C-1"), person(2, external_id="C-2")])

    send(house, event(contact={"externalId": "C-1", "phone": person(2).phone, "city": "Rome"}))

    rows = {row.external_id: row for row in house.rows(contacts)}
    assert rows["C-1"].phone == person(1).phone
    assert {row.modified_by for row in rows.values()} == {""}
    assert [row.contact_id for row in entered(house)] == [rows["C-1"].contact_id]


@pytest.mark.parametrize(
    ("contact", "why"),
    [
        ({"externalId": "C-404"}, "its contact is unknown and has neither phone nor email"),
        ({"contactId": "nobody"}, "its contactId is unknown"),
    ],
)
def test_an_event_about_nobody_we_know_is_dead_until_we_know_them(house: House, contact, why):
    listen(house)
    send(house, event(contact=contact))
    assert (fate(house).status, fate(house).note) == (EventStatus.DEAD, why)
    assert fate(house).payload

    if "externalId" in contact:
        house.store.import_contacts(TENANT, "lst_1", [person(1, external_id="C-404")], house.rt.now())
        assert events.replay(house.rt, "k1") == 1
        house.play()
        assert len(entered(house)) == 1


def test_what_cannot_be_read_is_kept_with_the_reason_and_does_not_take_the_key(house: House):
    listen(house)
    whys = {
        "{": "is not JSON",
        "": "is empty",
        b"\xff\xfe": "is not UTF-8",
        '{"type": "a", "type": "b"}': "type: is there twice",
        event(key=""): "key: is required",
        event(contact={"phone": "12"}): "contact.phone: has too few digits",
        event(data={"text": "x" * 1_000_000}): "at most 262,144, and it was not kept",
        event(data=[1]): "data: must be one JSON object",
        "[1]": "the event: must be one JSON object",
        '"\\u0000"': "as it is; the event: the text has a NUL",
    }
    assert send(house, *whys) == 0

    dead = house.store.list_events(TENANT, dead=True, limit=10)
    assert [why in one.note for why, one in zip(reversed(whys.values()), dead, strict=True)] == [True] * len(whys)
    assert "12127365001" not in repr(dead)
    assert events.replay(house.rt) == 0

    assert send(house, event()) == 1


def test_several_campaigns_may_take_one_event(house: House):
    listen(house)
    other = launching.launch(house.rt, Launch(tenant_id=TENANT, campaign=save_another(house))).run.run_id

    send(house, event())

    assert (len(entered(house)), len(entered(house, other))) == (1, 1)


def test_who_is_taken_out_before_the_first_step_gets_nothing(house: House):
    listen(house, cancelOn=[{"event": "order.placed", "condition": "start.type == 'cart.abandoned'"}])

    send(house, event("k1"), event("k2", kind="order.placed"))
    send(house, event("k3", contact={**ANN, "email": "bob@example.com", "phone": "+12127365002"}))
    send(house, event("k4", kind="order.placed", contact={"email": "bob@example.com"}))
    house.play()

    assert [row.status for row in entered(house)] == ["cancelled", "cancelled"]
    assert house.ledger() == []


def test_a_message_that_comes_back_to_the_queue_of_who_was_taken_out_is_stopped_by_the_gate(house: House):
    listen(house, cancelOn=[{"event": "order.placed"}])
    send(house, event())
    house.advance()
    send(house, event("k2", kind="order.placed"))
    with house.store.engine.begin() as conn:  # as a late answer would put it back
        conn.execute(messages.update().values(status="queued", due_at=0, settled_at=None))
    house.dispatch()

    assert house.ledger() == []
    [message] = texts(house)
    assert message.disposition == "CAMPAIGN_CANCELLED"


def test_nobody_is_made_of_an_event_that_could_only_take_them_out(house: House):
    listen(house, cancelOn=[{"event": "order.placed"}])

    send(house, event(kind="order.placed"))

    assert house.rows(contacts) == []
    assert (fate(house).status, fate(house).note) == ("applied", "its contact is unknown; there is nothing to end")


def test_cancel_on_also_ends_what_a_broadcast_has_begun(house: House):
    house.launch(WAIT, TEXT, people=2, cancelOn=[{"event": "order.placed"}])
    house.advance()

    send(house, event("k1", kind="order.placed", contact={"phone": person(1).phone}))

    assert sorted(row.status for row in entered(house)) == ["cancelled", "waiting"]


def test_people_enter_a_paused_run_and_nothing_leaves_until_it_goes_on(house: House):
    run_id = listen(house)
    launching.pause(house.rt, TENANT, run_id)

    send(house, event())
    house.play()
    assert (len(entered(house)), house.ledger()) == (1, [])

    launching.resume(house.rt, TENANT, run_id)
    house.play()
    assert len(house.ledger()) == 1


def test_nobody_enters_a_run_that_was_cancelled_or_closed(house: House):
    run_id = listen(house)
    launching.cancel(house.rt, TENANT, run_id)
    send(house, event("k1"))
    assert fate(house, "k1").note == "no campaign listens to cart.abandoned"

    closed = listen(house)
    house.store.close_run(TENANT, closed, house.rt.now())
    send(house, event("k2"))
    assert fate(house, "k2").status is EventStatus.DEAD
    assert (entered(house, run_id), entered(house, closed)) == ([], [])


def test_an_event_whose_worker_died_before_it_was_applied_is_applied_by_another(house: House):
    listen(house)
    events.accept(house.rt, [events.read_text(house.rt, event())])  # and then it dies
    assert events.apply_waiting(house.rt) == 0  # the lease holds

    with house.store.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE events SET due_at = 0")
    house.tick_only()

    assert len(entered(house)) == 1
    assert len(house.ledger()) == 1


def test_nothing_of_a_person_is_in_lists_notes_or_reprs(house: House, logged):
    listen(house)
    private = {"phone": "+12127365001", "email": "secret@example.com", "firstName": "Xanthippe"}
    entry = events.read_text(house.rt, event(contact=private, data={"iban": "DE89370400440532013000"}))
    rows = events.accept(house.rt, [entry])
    events.apply(house.rt, rows)

    shown = repr((entry, rows, house.store.list_events(TENANT, dead=False, limit=9), fate(house))) + logged.getvalue()
    for value in (*private.values(), "DE89370400440532013000"):
        assert value not in shown


def test_whoever_enters_is_stepped_in_the_commit_that_brings_them_in(house: House):
    listen(house)

    send(house, event())

    assert [row.status for row in entered(house)] == ["waiting"]
    assert [(row.status, row.address) for row in texts(house)] == [("queued", ANN["phone"])]
    assert {hint.work for hint in house.hints} == {Work.SMS}


def test_a_first_step_that_raises_keeps_nobody_out(house: House, logged):
    listen(house)
    send(house, event())
    definition, house.rt.definition = house.rt.definition, lambda *_: 1 / 0

    send(
        house,
        event("k2", contact={**ANN, "phone": "+12127365002"}),
        event("k3", contact={**ANN, "phone": "+12127365003"}),
    )

    assert sorted(row.status for row in entered(house)) == ["ready", "ready", "waiting"]
    assert "run cannot be read" in logged.getvalue()
    house.rt.definition = definition
    house.play()
    assert len(house.ledger()) == 3


def test_whoever_enters_a_paused_run_is_not_stepped_before_it_goes_on(house: House):
    listen(house)
    launching.pause(house.rt, TENANT, house.run_id)

    send(house, event())

    assert [row.status for row in entered(house)] == ["ready"]
    assert texts(house) == []
    launching.resume(house.rt, TENANT, house.run_id)
    house.play()
    assert len(house.ledger()) == 1
