"""Receipts as they come in: what can be judged at once is, and holds up nobody where it cannot."""

import pytest

from channels.messages import ChannelKind
from channels.results import Receipt, ReceiptKind
from tests.runtime.house import TENANT, TEXT, House
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import apply_inbox, keep
from worker.store.inbox_rows import InboxEntry
from worker.store.tables import messages


def news(attempt, kind=ReceiptKind.DELIVERED, **more):
    receipt = Receipt(event_key=f"{attempt.attempt_id}:{kind}", kind=kind, attempt_id=attempt.attempt_id, **more)
    payload = encode(ChannelKind.SMS, receipt)
    entry = InboxEntry(
        tenant_id=TENANT, provider="twilio-sms", event_key=receipt.event_key, payload=payload, raw="as it came"
    )
    return entry, receipt


def sent(house, people=1):
    house.launch(TEXT, people=people)
    house.advance()
    house.dispatch()
    return house.attempts()


def test_a_receipt_takes_effect_when_it_is_kept(house):
    [attempt] = sent(house)

    added = keep(house.rt, [news(attempt)])

    assert house.message().disposition == "SMS_DELIVERED"
    assert (added.waiting, added.runs) == (0, {(TENANT, house.run_id)})


@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "the later one first"])
def test_of_the_receipts_of_one_text_the_lower_goes_first_and_the_other_waits(house, turn):
    [attempt] = sent(house)

    added = keep(house.rt, [news(attempt, ReceiptKind.SENT), news(attempt)][::turn])

    assert (added.new, added.waiting, house.message().status) == (2, 1, "accepted")
    apply_inbox(house.rt)
    assert house.message().disposition == "SMS_DELIVERED"


def test_one_that_is_no_news_is_kept_and_done_with(house):
    [attempt] = sent(house)
    keep(house.rt, [news(attempt)])

    assert keep(house.rt, [news(attempt, ReceiptKind.SENT)]).waiting == 0
    assert house.message().disposition == "SMS_DELIVERED"


def test_one_of_a_run_that_cannot_be_read_waits_and_holds_up_no_other(house):
    [attempt] = sent(house)
    readable = house.rt.definition

    def unreadable(*_):
        raise ValueError("made by another version")

    house.rt.definition = unreadable
    assert keep(house.rt, [news(attempt)]).waiting == 1
    house.rt.definition = readable
    apply_inbox(house.rt)
    assert house.message().disposition == "SMS_DELIVERED"


def test_one_that_the_database_cannot_hold_waits_with_those_of_its_commit(beside, postgres_url, tmp_path):
    house = House(postgres_url, beside, tmp_path)
    first, second = sent(house, people=2)

    assert keep(house.rt, [news(first, code="\0"), news(second)]).waiting == 2
    apply_inbox(house.rt)

    assert {row.message_id: row.status for row in house.rows(messages)} == {
        first.message_id: "accepted",
        second.message_id: "settled",
    }
    house.close()
