"""Events that lack what a condition asks for, and what becomes of them."""

import pytest

from tests.runtime.events_desk import entered, event, fate, listen, save_another, send
from tests.runtime.house import TENANT, House
from worker.runtime import events
from worker.runtime import launch as launching
from worker.runtime.preflight import Launch
from worker.store.event_rows import EventStatus


@pytest.fixture
def database_url(sqlite_url):
    """One kind of database: nothing here is asked of it in another way."""
    return sqlite_url


@pytest.mark.parametrize(
    ("data", "why"),
    [({}, "event.data.total is missing"), ({"total": "lots"}, "event.data.total is text, not a number")],
)
def test_an_event_that_lacks_what_a_condition_asks_for_is_dead_and_says_what(house: House, data, why):
    listen(house, triggers=[{"event": "cart.abandoned", "condition": "event.data.total >= 20"}])

    send(house, event(data=data))

    assert (fate(house).status, entered(house)) == (EventStatus.DEAD, [])
    assert fate(house).note.endswith(f"its condition cannot be judged: {why}")
    assert fate(house).payload["data"] == data
    launching.cancel(house.rt, TENANT, house.run_id)
    listen(house, triggers=[{"event": "cart.abandoned", "condition": "!has(event.data.none)"}])
    assert events.replay(house.rt, "k1") == 1
    events.apply_waiting(house.rt)
    assert len(entered(house)) == 1


def test_an_event_that_another_run_took_is_done_with_whatever_the_others_lack(house: House):
    listen(house, triggers=[{"event": "cart.abandoned", "condition": "event.data.total >= 20"}])
    launching.launch(
        house.rt, Launch(tenant_id=TENANT, campaign=save_another(house, triggers=[{"event": "cart.abandoned"}]))
    )

    send(house, event(data={}))

    assert fate(house).status is EventStatus.APPLIED
    assert "event.data.total is missing" in fate(house).note
    assert "entered" in fate(house).note
