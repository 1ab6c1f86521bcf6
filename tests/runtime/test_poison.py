"""What kills or breaks whoever works on it ends with a reason, and holds up nobody."""

from collections import Counter

import pytest

from channels.messages import ChannelKind
from channels.results import Receipt, ReceiptKind
from tests.runtime.house import TENANT, TEXT, House
from tests.runtime.test_doubt import PATIENCE, crash_before_the_request
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import apply_inbox
from worker.store.inbox_rows import InboxEntry
from worker.store.tables import messages, outcomes


def test_a_message_that_kills_each_worker_that_sends_it_is_set_aside_and_the_run_ends(open_house):
    house = open_house(**PATIENCE)
    house.launch(TEXT)
    house.advance()
    for _ in range(5):
        assert house.message().status == "queued"
        crash_before_the_request(house)
        house.leases_end()
        house.reconcile()
        for seconds in (121, 61):
            house.later(seconds=seconds)
            house.reconcile()
    house.tick_only()

    [outcome] = [row for row in house.rows(outcomes) if row.attempt_id]
    assert (house.message().status, house.message().disposition) == ("settled", "QUARANTINED")
    assert outcome.detail == "quarantined: 5 workers died over it in 5 attempts; see their logs"
    assert (house.ledger(), house.status()) == ([], "completed")


def news(house, key, attempt_id, **wrong):
    """A piece of news in the inbox; `wrong` goes into our reading of it."""
    receipt = Receipt(event_key=key, kind=ReceiptKind.DELIVERED, attempt_id=attempt_id)
    payload = encode(ChannelKind.SMS, receipt) | wrong
    entry = InboxEntry(tenant_id=TENANT, provider="twilio-sms", event_key=key, payload=payload)
    house.store.inbox_add([entry], house.rt.now())


@pytest.mark.parametrize("wrong", [{"kind": "beamed"}, {"color": "red"}, {"at": "soon"}], ids=str)
def test_news_that_breaks_whoever_applies_it_holds_up_no_other_and_says_why_it_waits(house, wrong):
    house.launch(TEXT, people=2)
    house.advance()
    house.dispatch()

    poison_and_cure(house, wrong)


def test_news_that_the_database_cannot_hold_holds_up_no_other(beside, postgres_url, tmp_path):
    house = House(postgres_url, beside, tmp_path)
    house.launch(TEXT, people=2)
    house.advance()
    house.dispatch()

    poison_and_cure(house, {"code": "\0"})
    house.close()


def poison_and_cure(house, wrong):
    """One piece of news that is wrong, and one that is not, in one batch."""
    first, second = house.attempts()
    news(house, "poison", first.attempt_id, **wrong)
    news(house, "good", second.attempt_id)

    apply_inbox(house.rt)

    rows = {row.event_key: row for row in house.inbox()}
    assert rows["good"].processed_at
    assert rows["good"].note == ""
    assert rows["poison"].processed_at is None
    assert rows["poison"].note.startswith("cannot be applied: ")
    assert Counter(row.status for row in house.rows(messages)) == {"settled": 1, "accepted": 1}
