"""Pause, resume and cancel: stop means stop, nobody is lost, and the counts add up."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from channels.messages import ChannelKind
from tests.channels.loopback import LoopbackProvider
from tests.runtime.house import ASK, TENANT, TEXT, until
from tests.runtime.test_dispatch import taken
from tests.runtime.test_doubt import crash_before_the_request, crash_in_mid_call
from worker.runtime import launch as launching
from worker.runtime.clock import Clock
from worker.runtime.dispatch import dispatch
from worker.runtime.tick import tick
from worker.store.errors import IllegalTransition


class Hurried:
    """A clock on which waiting takes no time."""

    def __init__(self, clock: Clock) -> None:
        self.now, self._clock, self._slept = clock.now, clock, 0.0

    def elapsed(self) -> float:
        return self._clock.elapsed() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


@pytest.fixture
def slow_provider(beside):
    """Takes every text, and answers a quarter of a second later."""
    opened = LoopbackProvider()
    opened.passes_over = lambda request: request.method == "GET"
    opened.otherwise = lambda request: replace(taken(request), after=0.25)
    beside.run(opened.start())
    yield opened
    beside.run(opened.stop())


def test_a_paused_run_sends_nothing_and_steps_nobody(house):
    house.launch(TEXT, people=3)
    house.advance()
    assert launching.pause(house.rt, TENANT, house.run_id)
    house.hints.clear()

    house.dispatch()
    house.advance()
    house.tick_only()

    assert (house.ledger(), house.status()) == ([], "paused")
    assert house.counts() == {"waiting": 3}


@pytest.mark.parametrize("stop", [launching.pause, launching.cancel])
def test_when_a_stop_returns_nothing_is_in_flight_and_nothing_leaves_any_more(open_house, slow_provider, stop):
    house = open_house(twilio_base_url=slow_provider.url, slice_size=3)
    house.launch(TEXT, people=60)
    house.advance()
    sender = house.runtime()

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(lambda: sender.run(dispatch(sender, TENANT, house.run_id, ChannelKind.SMS)))
        until(lambda: slow_provider.requests, "the first request")
        stopped = stop(house.rt, TENANT, house.run_id)
        in_flight, left = slow_provider.in_flight, len(slow_provider.requests)
        sending.result()

    assert (stopped, in_flight) == (True, 0)
    assert len(slow_provider.requests) == left < 60
    assert [row.status for row in house.attempts()].count("accepted") == left


def test_a_stop_says_so_when_a_call_stays_unanswered(open_house):
    house = open_house(http_timeout_seconds=0.2, http_connect_timeout_seconds=0.1)
    house.launch(TEXT)
    house.advance()
    crash_before_the_request(house)
    house.rt.clock = Hurried(house.rt.clock)

    assert launching.pause(house.rt, TENANT, house.run_id) is False
    assert house.status() == "paused"


def test_a_resumed_run_goes_on_where_it_was(house):
    house.launch(TEXT, people=5)
    house.advance()
    launching.pause(house.rt, TENANT, house.run_id)

    launching.resume(house.rt, TENANT, house.run_id)
    house.tick_only()

    assert len({line["to"] for line in house.ledger()}) == len(house.ledger()) == 5


def test_everybody_in_a_cancelled_run_ends_and_the_counts_add_up(house):
    house.launch(states=ASK, people=6)
    house.advance()
    house.dispatch()
    house.tick_only()

    assert launching.cancel(house.rt, TENANT, house.run_id)

    report = house.store.run_report(TENANT, house.run_id)
    assert report.enrollments == {"cancelled": 6}
    assert sum(report.dispositions.values()) == report.audience == 6
    run = house.store.get_run(TENANT, house.run_id)
    assert (run.status, run.finished_at) == ("cancelled", None), "receipts may still come"
    house.later(hours=3)
    house.tick_only()
    assert len(house.ledger()) == 6
    house.later(days=4)
    house.tick_only()
    assert house.store.get_run(TENANT, house.run_id).finished_at is not None


def test_a_cancel_that_was_interrupted_is_finished_by_the_tick(house):
    house.launch(TEXT, people=4)
    house.advance()
    house.store.change_run_status(TENANT, house.run_id, "cancelled", house.rt.now())

    house.tick_only()

    assert house.counts() == {"cancelled": 4}
    assert house.store.get_run(TENANT, house.run_id).finished_at is not None
    assert house.ledger() == []


@pytest.mark.parametrize("left", [True, False])
def test_a_cancelled_run_with_a_message_in_doubt_ends_when_the_doubt_does(house, left):
    house.launch(TEXT)
    house.advance()
    if left:
        crash_in_mid_call(house)
    else:
        house.faults(next=["refuse_503"])
        house.dispatch()
    house.store.change_run_status(TENANT, house.run_id, "cancelled", house.rt.now())
    launching.cancel_rest(house.rt, TENANT, house.run_id)
    assert house.store.get_run(TENANT, house.run_id).finished_at is None, "its message may still have left"

    for days in (0, 0, 0, 0, 0, 4, 0):  # at last for a receipt that never comes
        house.leases_end()
        house.tick_only()
        house.later(days=days, seconds=200)

    assert house.store.get_run(TENANT, house.run_id).finished_at is not None
    assert len(house.ledger()) == int(left)
    house.tick_only()
    assert tick(house.rt) == 0, "nothing is left to do"


def test_what_has_ended_cannot_be_resumed(house):
    house.launch(TEXT)
    launching.cancel(house.rt, TENANT, house.run_id)

    with pytest.raises(IllegalTransition, match="cancelled and cannot become running"):
        launching.resume(house.rt, TENANT, house.run_id)
