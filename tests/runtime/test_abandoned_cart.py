"""`examples/abandoned-cart`, carried out against the sandbox."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.runtime.events_desk import entered, fate, send
from tests.runtime.house import TENANT, House
from worker.runtime import launch as launching
from worker.runtime.definitions import load_definitions
from worker.runtime.preflight import Launch
from worker.store.document_rows import Document, DocumentType

EXAMPLE = Path(__file__).parents[2] / "examples" / "abandoned-cart"


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def shop(house: House):
    """The campaign listens; the two events of the example's script."""
    loaded = load_definitions([EXAMPLE])
    documents = tuple(
        Document(type=DocumentType(one.type), id=one.id, name=one.name, data=one.data) for one in loaded.documents
    )
    request = Launch(tenant_id=TENANT, campaign="abandoned-cart", documents=documents)
    house.run_id = launching.launch(house.rt, request).run.run_id
    return re.findall(r"^send '(.*?)'$", (EXAMPLE / "events.sh").read_text(), re.DOTALL | re.MULTILINE)


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
