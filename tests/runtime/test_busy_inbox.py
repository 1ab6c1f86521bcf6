"""News that never ends: while people are being sent to, callbacks come in faster than one process can find none."""

import itertools

from channels.messages import ChannelKind
from channels.results import Receipt, ReceiptKind
from tests.runtime.house import TENANT
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import BATCH, apply_inbox
from worker.store.facade import Store
from worker.store.inbox_rows import InboxEntry

NUMBERS = itertools.count()


class BusyStore(Store):
    """Whenever somebody takes news from the inbox, more of it comes in."""

    def inbox_claim(self, *args, **options):
        rows = super().inbox_claim(*args, **options)
        add_news(self, 1)
        return rows


def add_news(store, count):
    """Receipts of attempts that nobody knows."""
    keys = [f"news {next(NUMBERS)}" for _ in range(count)]
    receipts = [Receipt(event_key=key, kind=ReceiptKind.SENT, attempt_id=key) for key in keys]
    payloads = [encode(ChannelKind.SMS, receipt) for receipt in receipts]
    news = [
        InboxEntry(tenant_id=TENANT, provider="twilio-sms", event_key=key, payload=payload)
        for key, payload in zip(keys, payloads, strict=True)
    ]
    store.inbox_add(news, store.now())


def test_who_has_applied_what_was_there_turns_to_other_work(open_house):
    house = open_house(store_class=BusyStore)
    add_news(house.store, 3)
    assert apply_inbox(house.rt) == 3


def test_a_full_inbox_is_read_to_its_end(open_house):
    house = open_house(store_class=BusyStore)
    add_news(house.store, BATCH + 3)
    assert apply_inbox(house.rt) == BATCH + 3 + 1
