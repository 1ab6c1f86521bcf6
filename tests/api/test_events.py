"""The HTTP door of queue events."""

import pytest

from tests.api.desk import make_token
from tests.runtime.house import TENANT, until
from worker.store.event_rows import EventStatus

EVENT = {"type": "cart.abandoned", "key": "k1", "contact": {"email": "ann@example.com", "firstName": "Ann"}}


@pytest.fixture
def door(open_desk, sqlite_url):
    """Somebody with a token, and the address of the door."""
    desk = open_desk(sqlite_url)

    def send(json=None, **more):
        headers = {"Authorization": f"Bearer {desk.token}", **more.pop("headers", {})}
        return desk._site.session.post(f"{desk.url}/events", json=json, headers=headers, timeout=10, **more)

    send.desk = desk
    return send


def fate(door, key="k1"):
    return door.desk.store.get_event(TENANT, key)


def test_an_event_is_committed_before_202_and_its_copy_is_a_duplicate(door):
    first, second = door(EVENT), door(EVENT)

    assert (first.status_code, first.json()) == (202, {"count": 1, "events": [{"key": "k1", "status": "accepted"}]})
    assert second.json() == {"count": 0, "events": [{"key": "k1", "status": "duplicate"}]}
    until(lambda: fate(door).status is EventStatus.DEAD, "the event to be applied")  # nobody listens to it


def test_the_key_may_be_the_one_of_the_request(door):
    keyless = {name: value for name, value in EVENT.items() if name != "key"}

    assert door(keyless, headers={"Idempotency-Key": "k9"}).json()["events"] == [{"key": "k9", "status": "accepted"}]
    assert door(EVENT, headers={"Idempotency-Key": "k9"}).status_code == 422
    assert door([EVENT], headers={"Idempotency-Key": "k9"}).status_code == 400


def test_of_many_events_all_are_accepted_or_none(door):
    many = [{**EVENT, "key": f"k{n}"} for n in range(3)]
    broken = [*many, {**EVENT, "key": "k3", "contact": {"phone": "12"}}, {**EVENT, "tpye": "x", "key": ""}]

    refused = door(broken)
    assert refused.status_code == 422
    assert [fault["path"] for fault in refused.json()["faults"]] == [[3, "contact", "phone"], [4, "tpye"], [4, "key"]]
    assert fate(door, "k0") is None

    assert door([*many, many[0]]).json()["count"] == 3
    assert door([EVENT] * 1001).status_code == 422


def test_what_is_too_large_is_refused_and_says_how_much_there_may_be(door):
    assert "262,144" in door({**EVENT, "data": {"text": "x" * 300_000}}).json()["faults"][0]["message"]
    assert door({**EVENT, "data": {"text": "x" * 1_000_000}}).status_code == 413
    assert fate(door) is None


@pytest.mark.parametrize("body", ['{"type": "a", "type": "b"}', "[1]", "7", "", '{"data": NaN}'])
def test_what_is_no_event_is_refused(door, body):
    assert door(data=body, headers={"Content-Type": "application/json"}).status_code in (400, 422)


def test_it_needs_a_token_with_the_scope_to_write_events_of_this_tenant(door):
    store = door.desk.store
    reader = make_token(store, "events:read", "campaigns:admin")
    stranger = make_token(store, "events:write", tenant="another")
    writer = make_token(store, "events:write")

    assert door(EVENT, headers={"Authorization": ""}).status_code == 401
    assert door(EVENT, headers={"Authorization": reader}).status_code == 403
    assert door(EVENT, headers={"Authorization": stranger}).status_code == 403
    assert door(EVENT, headers={"Authorization": writer}).status_code == 202
