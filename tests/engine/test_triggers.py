"""What an event decides, and what is wrong with conditions over events."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.domain.campaign import Campaign
from worker.engine.render import Facts
from worker.engine.triggers import Earlier, Enroll, PassOver, compile_listening, listening_faults

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def campaign(**keys):
    return Campaign.parse({"name": "Cart", "workflowId": "wf", **keys})


def facts(data=None, contact=None, **more):
    return Facts(roots={"event": {"type": "a", "data": data or {}}, "contact": contact or {}, **more}, now=NOW)


NEVER, OPEN, ENDED = Earlier(), Earlier(entered_at=NOW, is_in=True), Earlier(entered_at=NOW - timedelta(days=2))


@pytest.mark.parametrize(
    ("reentry", "earlier", "enters"),
    [
        ("once", NEVER, True),
        ("once", ENDED, False),
        ("always", OPEN, True),
        ("oneAtATime", OPEN, False),
        ("oneAtATime", ENDED, True),
        ({"after": "2 days"}, ENDED, True),
        ({"after": "49 hours"}, ENDED, False),
        ({"after": "1 day"}, Earlier(entered_at=NOW - timedelta(days=2), is_in=True), True),
    ],
)
def test_whether_somebody_enters_again(reentry, earlier, enters):
    listening = compile_listening(campaign(triggers=[{"event": "a", "reentry": reentry}]))

    assert isinstance(listening.enters(facts(), "a", earlier), Enroll if enters else PassOver)


def test_the_first_trigger_that_takes_an_event_decides():
    listening = compile_listening(
        campaign(
            triggers=[
                {"event": "a", "condition": "event.data.total > 100", "reentry": "always"},
                {"event": "a", "reentry": "once"},
            ]
        )
    )

    assert listening.enters(facts({"total": 200}), "a", ENDED) == Enroll()
    assert listening.enters(facts({"total": 50}), "a", ENDED) == PassOver("has been in before")
    assert listening.types == {"a"}


def test_who_leaves_is_decided_by_the_event_the_contact_and_what_began_it():
    rule = {"event": "a", "condition": "event.data.cart == start.data.cart && contact.plan != 'gold'"}
    listening = compile_listening(campaign(cancelOn=[rule]))
    start = {"data": {"cart": 1}}

    assert listening.leaves(facts({"cart": 1}, {"plan": "basic"}, start=start), "a")
    assert not listening.leaves(facts({"cart": 2}, {"plan": "basic"}, start=start), "a")
    assert not listening.leaves(facts({"cart": 1}, {"plan": "basic"}), "a")  # no event began it
    assert not listening.leaves(facts({"cart": 1}, {"plan": "basic"}, start=start), "b")


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("", {}),
        ("event.key == 'k' && contact.total == start.data.other", {}),
        ("event.data.cart.id == start.data.total", {"cart": {"id": 1}}),
        ("event.data['total'] > 5", {"cart": {"id": 1}, "total": 9, "card": "4111"}),
        ("event['data'].total > 5", {"cart": {"id": 1}, "total": 9, "card": "4111"}),
    ],
)
def test_of_an_event_no_more_is_remembered_than_its_condition_may_ask_for(condition, kept):
    listening = compile_listening(campaign(cancelOn=[{"event": "a", "condition": condition}]))
    data = {"cart": {"id": 1}, "total": 9, "card": "4111"}

    assert listening.asks("a", data) == kept
    assert listening.asks("b", data) == {}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"triggers": [{"event": "a", "condition": "evnt.data.x == 1"}]},
            "there is no evnt here (did you mean event?)",
        ),
        (
            {"triggers": [{"event": "a", "condition": "event.total == 1"}]},
            "event has no total (write event.data.total)",
        ),
        ({"triggers": [{"event": "a", "condition": "event.typ == 'x'"}]}, "event has no typ (write event.type)"),
        ({"triggers": [{"event": "a", "condition": "start.data.x == 1"}]}, "there is no start here"),
        ({"triggers": [{"event": "a", "condition": "event.data.x =="}]}, "triggers.0.condition: is not complete"),
        ({"cancelOn": [{"event": "a", "condition": "reply.body == 'x'"}]}, "there is no reply here"),
    ],
)
def test_a_condition_that_asks_for_what_is_not_there_is_found_before_the_launch(keys, says):
    [fault] = listening_faults(campaign(**keys))

    assert says in str(fault)
