"""The pulse: whatever is due is hinted at by one of many, and hints may be lost, doubled and late."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from channels.messages import ChannelKind
from channels.results import ReceiptKind
from tests.runtime.house import CALL, MAIL, TENANT, TEXT, until
from tests.runtime.test_doubt import crash_before_the_request, hear
from worker.runtime import launch as launching
from worker.runtime.hints import Work
from worker.runtime.tick import tick
from worker.store.tables import messages


def hinted(house):
    """What a tick of this process hints at."""
    house.hints.clear()
    tick(house.rt)
    return {hint.work for hint in house.hints}


def test_of_many_that_tick_at_once_one_does(house):
    house.launch(TEXT)
    processes = [house.runtime() for _ in range(4)]

    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(tick, processes))

    assert sorted(counts) == [0, 0, 0, 1]
    assert len(house.hints) == 1


def test_when_the_one_that_ticks_is_gone_another_takes_over(house):
    house.launch(TEXT)
    assert tick(house.runtime()) == 1

    until(lambda: tick(house.rt), "the lease of the other to end")


def test_every_kind_of_due_work_is_hinted_at(house):
    run_id = launching.launch(house.rt, house.save(TEXT, MAIL, CALL, people=2)).run.run_id
    house.run_id = run_id
    assert hinted(house) == {Work.ENROLL}
    launching.enroll(house.rt, TENANT, run_id)
    sends = [Work.SMS, Work.EMAIL, Work.VOICE]
    assert hinted(house) == set(sends), "whoever sends steps, too"
    house.later(seconds=2)
    assert hinted(house) == {Work.ADVANCE, *sends}
    house.advance()
    for work, kind in [(Work.SMS, ChannelKind.SMS), (Work.EMAIL, ChannelKind.EMAIL), (Work.VOICE, ChannelKind.VOICE)]:
        assert hinted(house) == {work}
        house.dispatch(kind)

    hear(house, ReceiptKind.SENT, house.attempts()[0].attempt_id)
    assert Work.INBOX in hinted(house)
    house.later(days=1)
    assert Work.RECONCILE in hinted(house)
    house.store.change_run_status(TENANT, run_id, "cancelled", house.rt.now())
    assert Work.CANCEL in hinted(house)


def test_an_attempt_whose_worker_died_is_hinted_at(house):
    house.launch(TEXT)
    house.advance()
    crash_before_the_request(house)
    house.leases_end()

    assert hinted(house) == {Work.RECONCILE}


def test_when_nothing_is_due_nothing_is_hinted_at(house):
    house.launch({"type": "wait", "for": "1 day"})
    house.advance()

    assert hinted(house) == set()


@pytest.mark.parametrize("with_hints", [False, True])
def test_losing_every_hint_but_those_of_ticks_changes_no_result(house, with_hints):
    house.launch(TEXT, {"type": "wait", "for": "1 hour"}, MAIL, {"type": "wait", "for": "1 day"}, CALL, people=10)
    if with_hints:
        house.advance()
    for _ in range(60):
        if with_hints:
            house.play()
        house.tick_only()
        house.later(hours=3)

    assert (house.status(), house.counts()) == ("completed", {"finished": 10})
    assert Counter(line["channel"] for line in house.ledger()) == {"sms": 10, "email": 10, "voice": 10}
    assert {row.status for row in house.rows(messages)} == {"settled"}


def test_doubled_hints_do_nothing_twice(house):
    house.launch(TEXT, MAIL, people=5)
    house.advance()
    while house.hints:
        hint = house.hints.pop(0)
        house.do(hint)
        before = len(house.hints)
        house.do(hint)
        del house.hints[before:]

    assert Counter(line["channel"] for line in house.ledger()) == {"sms": 5, "email": 5}
