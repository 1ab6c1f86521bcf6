"""The limit by itself: evenly on average, a burst after a rest, nothing remembered for longer than it matters."""

import pytest

from worker.api.rate_limit import RateLimit


class Stopwatch:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch():
    return Stopwatch()


def test_a_burst_is_free_and_then_it_goes_on_evenly(watch):
    limit = RateLimit(10, 3, watch)

    assert [limit.take("a") for _ in range(3)] == [0, 0, 0]
    assert limit.take("a") == pytest.approx(0.1)
    watch.now += 0.05
    assert limit.take("a") == pytest.approx(0.05)
    watch.now += 0.06
    assert limit.take("a") == 0
    assert limit.take("a") > 0


def test_who_asks_in_vain_does_not_wait_longer_for_it(watch):
    limit = RateLimit(10, 1, watch)
    limit.take("a")

    assert {round(limit.take("a"), 6) for _ in range(50)} == {0.1}


def test_over_a_minute_it_is_the_rate_and_one_burst(watch):
    limit, taken = RateLimit(10, 20, watch), 0
    for _ in range(6000):
        taken += limit.take("a") == 0
        watch.now += 0.01

    assert taken == pytest.approx(60 * 10 + 20, abs=2)


def test_tokens_do_not_wait_for_each_other(watch):
    limit = RateLimit(1, 1, watch)

    assert limit.take("a") == limit.take("b") == 0
    assert limit.take("a") > 0


def test_zero_is_no_limit(watch):
    limit = RateLimit(0, 1, watch)

    assert not any(limit.take("a") for _ in range(1000))


def test_a_million_made_up_tokens_leave_no_trace(watch):
    limit = RateLimit(100, 1, watch)
    for number in range(20_000):
        limit.take(number)
        watch.now += 0.001

    assert len(limit._due) < 3000
