"""Queue events and triggers as people write them: what is read, what is refused, and how it is said."""

import json
from datetime import UTC, datetime

import pytest

from worker.domain.campaign import Campaign
from worker.domain.faults import Invalid
from worker.domain.queue_event import (
    LARGEST,
    MALFORMED,
    QueueEvent,
    legible,
    malformed_key,
    read_event,
    sent_key,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PLAIN = {"type": "cart.abandoned", "key": "k1", "contact": {"phone": "(212) 736-5000"}}


def read(**changes):
    return read_event({**PLAIN, **changes}, received_at=NOW, region="US")


def faults(**changes):
    with pytest.raises(Invalid) as refused:
        read(**changes)
    return [str(fault) for fault in refused.value.faults]


def test_addresses_are_normalized_and_the_rest_of_the_contact_is_what_templates_see():
    contact = read(
        contact={
            "externalId": 10226,
            "mobile": "212 736 5000",
            "phone": "2127365001",
            "email": "A@B.org",
            "plan": "gold",
        }
    ).contact

    assert (contact.external_id, contact.phone, contact.email) == ("10226", "+12127365000", "a@b.org")
    assert contact.fields == {"plan": "gold"}


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-24T10:00:00+02:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("2026-11-24T08:00:00Z", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        (1_764_000_000_000, datetime(2025, 11, 24, 16, tzinfo=UTC)),
        (None, NOW),
    ],
)
def test_when_it_happened_is_a_moment_with_its_zone_and_by_default_now(written, moment):
    assert read(occurredAt=written).occurred_at == moment


@pytest.mark.parametrize("written", ["2026-11-24T10:00:00", "yesterday", 1_764_000_000, True, 1e300, {}])
def test_a_moment_that_could_be_another_one_is_refused(written):
    assert faults(occurredAt=written)[0].startswith("occurredAt: is no moment with its zone")


def test_what_will_only_happen_is_no_event():
    assert faults(occurredAt="2026-12-24T10:00:00Z")[0].startswith("occurredAt: lies in the future")


def test_everything_that_is_wrong_is_said_at_once_and_no_address_is_repeated():
    said = faults(type="a b", key=" k", contact={"phone": "12345", "email": "ann"}, data=[], tpye="x")

    assert [line.partition(":")[0] for line in said] == [
        "tpye",
        "type",
        "key",
        "contact.phone",
        "contact.email",
        "data",
    ]
    assert "did you mean type?" in said[0]
    assert "12345" not in "".join(said)


@pytest.mark.parametrize(
    ("contact", "says"),
    [
        (None, "contact: is required"),
        ({}, "contact: names nobody"),
        ({"firstName": "Ann"}, "contact: names nobody"),
        ("ann", "contact: must be a map"),
        ({"contactId": ["x"]}, "contact.contactId: must be text"),
        ({"email": "a@b.org", "timezone": "Berlin"}, "contact.timezone: is no zone of the IANA database"),
    ],
)
def test_an_event_is_about_somebody(contact, says):
    assert faults(contact=contact)[0].startswith(says)


def test_a_key_like_those_we_give_to_what_cannot_be_read_is_refused():
    assert "as only our own do" in faults(key="malformed:1")[0]


def test_an_event_has_256_kib_and_not_a_byte_more():
    spare = LARGEST - len(json.dumps({**PLAIN, "data": {"text": ""}}, separators=(",", ":")))

    assert len(read(data={"text": "x" * spare}).data["text"]) == spare
    assert "an event has at most 262,144" in faults(data={"text": "x" * (spare + 1)})[0]


def test_an_event_comes_back_from_where_it_is_kept_as_it_was():
    event = read(contact={"email": "ann@example.com", "plan": "gold"}, data={"cart": [1, {"a": None}]})

    kept = json.loads(json.dumps(event.to_json()))
    assert QueueEvent.from_json(event.type, event.key, event.occurred_at, kept) == event


def campaign_faults(**keys):
    with pytest.raises(Invalid) as refused:
        Campaign.parse({"name": "Cart", "workflowId": "wf", **keys})
    return [str(fault) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"triggers": {"event": "a"}}, "triggers: must be a list"),
        ({"triggers": ["a"]}, "triggers.0: must be a map"),
        ({"triggers": [{}]}, "triggers.0.event: is required"),
        ({"triggers": [{"event": "a b"}]}, "triggers.0.event: is no type of event"),
        ({"triggers": [{"event": "a"}, {"event": "b", "reentry": "onece"}]}, "did you mean once?"),
        ({"triggers": [{"event": "a", "reentry": {"after": "soon"}}]}, "triggers.0.reentry.after: is no duration"),
        ({"triggers": [{"event": "a", "condition": ["x"]}]}, "triggers.0.condition: must be text"),
        ({"triggers": [{"event": "a", "conditon": "x"}]}, "did you mean condition?"),
        ({"triggers": [{"event": "a"}] * 51}, "triggers: has more than 50 entries"),
        ({"cancelOn": [{"event": "a", "reentry": "once"}]}, "cancelOn.0.reentry: is not known here"),
    ],
)
def test_a_slip_in_a_campaigns_triggers_is_named_with_its_place(keys, says):
    assert any(says in line for line in campaign_faults(**keys))


@pytest.mark.parametrize(
    ("value", "type_and_key"),
    [
        ({"type": "order.placed", "key": "xa3", "contact": 1}, ("order.placed", "xa3")),
        ({"type": ["a"], "key": "xa3"}, ("", "xa3")),
        ({"type": "a", "key": "malformed:1"}, ("a", "")),
        ({"type": "a", "key": " x"}, ("a", "")),
        ([1], ("", "")),
        (None, ("", "")),
    ],
)
def test_type_and_key_are_read_of_an_event_whose_contents_are_wrong(value, type_and_key):
    assert legible(value) == type_and_key
    kept = malformed_key("d" * 64, type_and_key[1])
    assert (kept.startswith(MALFORMED), sent_key(kept)) == (True, type_and_key[1])
