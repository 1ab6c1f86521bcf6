"""Commands on queue events."""

import json

import pytest

from tests.cli.conftest import ROOT, SANDBOX
from worker.runtime import events
from worker.runtime.bootstrap import Runtime
from worker.runtime.settings import Settings
from worker.store.facade import Store

CART = {"cartId": "cart-881", "total": 42.5, "url": "https://shop.example.com/cart/881", "items": []}
EVENT = {"type": "cart.abandoned", "key": "k1", "contact": {"phone": "+12127365000", "firstName": "Bob"}, "data": CART}


@pytest.fixture
def take(desk):
    """Take events as a door does."""
    url = desk.env["DATABASE_URL"]
    rt = Runtime(Settings(_env_file=None, database_url=url, data_dir=desk.folder), Store(url), lambda _: None)

    def take_all(*sent):
        return events.take(rt, [one if isinstance(one, str) else json.dumps(one) for one in sent])

    take_all.waiting = lambda: events.apply_waiting(rt)
    yield take_all
    rt.close()


def test_a_list_names_no_person_and_show_tells_all_of_one(run, take):
    take(EVENT, "{}")

    listed = run("events", "list", "--json")
    assert "212" not in listed.out
    assert [(one["type"], one["status"]) for one in listed.json["events"]] == [("", "dead"), ("cart.abandoned", "dead")]
    assert "no campaign listens to cart.abandoned" in run("events", "list", "--dead").out

    shown = run("events", "show", "k1", "--json").json
    assert shown["payload"]["data"] == CART
    assert "+12127365000" in run("events", "show", "k1").out


def test_a_dead_event_is_replayed_once_a_campaign_listens(run, take):
    take(EVENT)
    assert run("launch", ROOT / "examples" / "abandoned-cart", **SANDBOX).code == 0

    assert run("events", "replay", "k1", "--json").json["replayed"] == 1
    assert run("events", "show", "k1", "--json").json["status"] == "waiting"
    take.waiting()
    assert run("events", "show", "k1", "--json").json["status"] == "applied"
    assert run("events", "show", "k1").out.rstrip().endswith("not kept any more")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "k9"), 2, "there is no event 'k9'"),
        (("replay", "k9"), 4, "there is no dead event 'k9'"),
        (("replay",), 2, "name the KEY of one dead event, or say --all"),
        (("replay", "k9", "--all"), 2, "name the KEY of one dead event, or say --all"),
        (("replay", "malformed:1"), 4, "correct it where it was sent, and send it again"),
    ],
)
def test_what_is_not_possible_says_what_is(run, words, code, says):
    said = run("events", *words)
    assert (said.code, says in said.err) == (code, True)


def test_replaying_all_leaves_what_could_not_be_read(run, take):
    take(EVENT, "{}", '{"type": "a"}')

    assert run("events", "replay", "--all", "--json").json == {"replayed": 1, "unread": 2}
    assert run("events", "replay", "--all").out.startswith("0 will be applied anew; 2 could not be read and stay")


def test_what_could_not_be_read_is_listed_by_its_type_and_found_by_the_key_of_its_sender(run, take):
    take({**EVENT, "key": "xa3", "contact": {"phone": "1"}})

    line = run("events", "list", "--dead").out
    assert all(part in line for part in ("cart.abandoned", "xa3", "contact.phone: ")), line
    shown = run("events", "show", "xa3", "--json").json
    assert (shown["type"], shown["sentKey"], shown["status"]) == ("cart.abandoned", "xa3", "dead")
    assert '"phone": "1"' in shown["payload"]["malformed"]
    assert run("events", "show", shown["key"], "--json").json == shown
    said = run("events", "replay", "xa3")
    assert (said.code, "correct it where it was sent" in said.err) == (4, True)


def test_a_good_event_sent_later_under_the_key_of_one_that_could_not_be_read_is_taken(run, take):
    take({**EVENT, "contact": {"phone": "1"}})

    assert take(EVENT) == 1
    assert run("events", "show", "k1", "--json").json["payload"]["data"] == CART


def test_an_event_is_shown_by_the_names_it_was_sent_with(run, take):
    take(EVENT)

    assert run("events", "show", "k1", "--json").json["payload"]["contact"] == EVENT["contact"]
