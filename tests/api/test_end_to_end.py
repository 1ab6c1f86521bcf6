"""A campaign between our HTTP process and the sandbox: real requests, real callbacks, played to its end."""

from collections import Counter

import pytest

from tests.api.web import Port
from tests.runtime.house import ASK, CALL, MAIL, TEXT, person, until
from worker.store.tables import outcomes

ORDINARY = [person(n) for n in range(6)]
SAYS_YES = person(10, phone="+12025550937")
SAYS_STOP = person(11, phone="+12025557867")
UNREACHABLE = person(12, phone="+12025530007", email="bounce@example.com")


@pytest.fixture
def site(open_house, serve):
    """An installation and a provider that know each other's address."""
    port = Port()
    hooks = {
        "sms_inbound_url": f"{port.url}/webhooks/twilio/sms",
        "sendgrid_events_url": f"{port.url}/webhooks/sendgrid/events",
    }
    house = open_house(sandbox=hooks | {"speed": 100}, public_url=port.url)
    serve(house, port)
    return house


def finish(house):
    """Tick until the run is over."""
    until(lambda: (house.tick_only(), house.status() == "completed")[1], "the run to end", seconds=40)


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {"early_callback": 1.0},
        {"callback_duplicate": 0.5, "callback_reordered": 0.5, "reorder_seconds": 0.2},
        {"refuse_429": 0.5, "retry_after_seconds": 0},
    ],
    ids=["good day", "callbacks before answers", "callbacks twice and in disorder", "too fast"],
)
def test_everybody_gets_everything_once_and_every_outcome_is_filed_once(site, faults):
    site.faults(**faults)
    site.launch(TEXT, MAIL, CALL, people=ORDINARY)
    if "refuse_429" in faults:
        until(lambda: (site.tick_only(), site.later(seconds=40), site.status() == "completed")[2], seconds=40)
    else:
        finish(site)

    assert site.counts() == {"finished": 6}
    assert Counter(line["channel"] for line in site.ledger()) == {"sms": 6, "email": 6, "voice": 6}
    assert Counter(row.disposition for row in site.rows(outcomes)) == {
        "SMS_DELIVERED": 6,
        "EMAIL_DELIVERED": 6,
        "VOICE_HUMAN": 6,
    }


def test_people_answer_opt_out_and_cannot_be_reached_each_in_their_own_way(site):
    states = {**ASK, "answered": {"actions": [MAIL]}}
    site.launch(states=states, people=[SAYS_YES, SAYS_STOP, UNREACHABLE])
    until(lambda: (site.tick_only(), len(site.ledger("reply")) == 2)[1], "both replies", seconds=20)
    until(lambda: (site.tick_only(), site.counts().get("finished") == 2)[1], "both to end", seconds=20)
    site.later(hours=3)
    finish(site)

    said = Counter((line["channel"], line["to"]) for line in site.ledger())
    assert said == {
        ("sms", SAYS_YES.phone): 1,
        ("email", SAYS_YES.email): 1,
        ("sms", SAYS_STOP.phone): 1,
        ("sms", UNREACHABLE.phone): 2,
    }
