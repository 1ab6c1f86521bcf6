"""`examples/abandoned-cart`, carried out against the sandbox."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.runtime.events_desk import entered, fate, send
from tests.runtime.house import TENANT, TEXT, House
from worker.domain.audience import Audience
from worker.runtime import launch as launching
from worker.runtime.definitions import load_definitions
from worker.runtime.errors import CannotLaunch
from worker.runtime.preflight import Launch, example_event
from worker.store.document_rows import Document, DocumentType

EXAMPLE = Path(__file__).parents[2] / "examples" / "abandoned-cart"


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


def request_of(**said) -> Launch:
    loaded = load_definitions([EXAMPLE])
    documents = tuple(
        Document(type=DocumentType(one.type), id=one.id, name=one.name, data=one.data) for one in loaded.documents
    )
    return Launch(tenant_id=TENANT, campaign="abandoned-cart", documents=documents, **said)


def events() -> list[str]:
    """The two of the example's script."""
    return re.findall(r"^send '(.*?)'$", (EXAMPLE / "events.sh").read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def shop(house: House):
    """The campaign listens; the two events of the example's script."""
    house.run_id = launching.launch(house.rt, request_of()).run.run_id
    return events()


def channels(house: House) -> list[str]:
    return [line["channel"] for line in house.ledger()]


def test_whoever_does_not_order_gets_a_text_after_an_hour_and_a_mail_a_day_later(house: House, shop):
    send(house, shop[0])
    house.play()
    assert channels(house) == []

    house.later(minutes=61)
    house.tick_only()
    assert channels(house) == ["sms"]

    house.later(days=1)
    house.tick_only()
    assert channels(house) == ["sms", "email"]
    mail = house.ledger()[1]
    assert mail["to"] == "bob@example.com"


def test_an_order_of_the_same_cart_ends_it(house: House, shop):
    send(house, shop[0])
    house.play()
    house.later(minutes=61)
    house.tick_only()

    send(house, shop[1].replace("cart-881", "cart-7"))
    assert fate(house, "cart-7-order").note.startswith("nothing to end")
    send(house, shop[1])
    house.later(days=2)
    house.tick_only()

    assert channels(house) == ["sms"]
    [person] = entered(house)
    assert (person.status, person.reason) == ("cancelled", "taken out by the event order.placed")


def test_an_order_that_overtakes_its_cart_prevents_it(house: House, shop):
    left_at = (house.rt.now() - timedelta(minutes=5)).isoformat()
    send(house, shop[1])
    send(house, json.dumps({**json.loads(shop[0]), "occurredAt": left_at}))
    house.later(days=2)
    house.tick_only()

    assert (entered(house), channels(house)) == ([], [])
    assert fate(house, json.loads(shop[0])["key"]).note.endswith("order.placed has happened since")


def test_a_small_cart_is_not_worth_it_and_a_second_one_waits_for_its_turn(house: House, shop):
    cart = json.loads(shop[0])
    send(house, json.dumps({**cart, "key": "small", "data": {**cart["data"], "total": 5}}))
    send(house, shop[0], json.dumps({**cart, "key": "second"}))

    assert len(entered(house)) == 1
    assert fate(house, "small").note.endswith("its condition is false")
    assert fate(house, "second").note.endswith("is still in")


@pytest.mark.parametrize("said", [Audience(lists=("lst_1",)), Audience(people=("p0@example.com",))])
def test_what_begins_with_an_event_is_launched_over_nobody_who_enters_without_one(house: House, said):
    house.save(TEXT)
    with pytest.raises(CannotLaunch) as refusal:
        launching.launch(house.rt, request_of(audience=said))
    [reason] = refusal.value.reasons
    assert "`start`, but nobody of an audience enters by an event: states.remind.actions.1.message" in reason
    assert "states.remind.actions.3.text" in reason


def test_it_is_tried_out_with_an_example_event(house: House):
    house.save(TEXT)
    cart = example_event(house.rt, json.loads(events()[0]))
    request = request_of(audience=Audience(people=("p0@example.com",)), event=cart)
    drafted = launching.launch(house.rt, replace(request, draft=True)).run.run_id
    house.run_id = drafted
    launching.start(house.rt, TENANT, drafted)
    house.play()
    house.later(minutes=61)
    house.tick_only()
    assert channels(house) == ["sms"]
    assert "https://shop.example.com/cart/881" in house.message().content


def test_an_example_event_is_for_people_who_are_named(house: House):
    house.save(TEXT)
    cart = example_event(house.rt, {"type": "cart.abandoned"})
    with pytest.raises(CannotLaunch, match="name who is to get it with --to"):
        launching.launch(house.rt, request_of(audience=Audience(lists=("lst_1",)), event=cart))
