"""The sequential test behind the guard: what it promises, and how often it is wrong."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.guard import DEFAULTS, Rate
from worker.engine.guard import ALPHA, BETA, Count, Verdict, Weighing, evidence, in_words, look, within

bounds = st.floats(0.001, 0.9)
batches = st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1)).map(lambda b: Count(b[0], round(b[0] * b[1]))))


def followed(news: list[Count], bound: float) -> tuple[list[Verdict], Weighing]:
    test, verdicts = Weighing(), []
    for count in news:
        verdict, test = look(test, count, bound)
        verdicts.append(verdict)
    return verdicts, test


@given(bounds)
def test_nothing_is_decided_on_nothing(bound):
    assert look(Weighing(), Count(), bound) == (Verdict.CONTINUE, Weighing())


@given(batches, bounds)
def test_more_failures_among_as_many_never_weigh_less(news, bound):
    seen = sum(news, Count())
    better = Count(seen.trials, seen.bad // 2)

    assert evidence(better, bound) <= evidence(seen, bound)


@given(bounds, st.integers(1, 10_000))
def test_a_run_without_failures_is_never_stopped(bound, trials):
    assert look(Weighing(), Count(trials, 0), bound)[0] is not Verdict.STOP


@given(bounds)
def test_a_run_in_which_everything_fails_is_stopped_soon(bound):
    verdicts, _ = followed([Count(1, 1)] * 6, bound)

    assert Verdict.STOP in verdicts
    assert verdicts[0] is Verdict.CONTINUE  # one failure is no rate


@given(batches, bounds)
def test_it_does_not_matter_in_how_many_pieces_undecided_news_comes(news, bound):
    verdicts, test = followed(news, bound)
    if set(verdicts) <= {Verdict.CONTINUE}:
        assert look(Weighing(), sum(news, Count()), bound) == (Verdict.CONTINUE, test)


@given(batches, bounds)
def test_after_going_on_the_next_test_begins_with_nothing_seen(news, bound):
    verdicts, test = followed(news, bound)

    assert test.number == 1 + verdicts.count(Verdict.GO_ON)
    assert test.has_gone_on == (Verdict.GO_ON in verdicts)
    if verdicts and verdicts[-1] is Verdict.GO_ON:
        assert test.seen == Count()


@given(st.integers(1, 1000), bounds)
def test_each_later_test_asks_for_more_evidence_so_that_all_together_stop_wrongly_with_alpha(number, bound):
    """The shares 1 / (k (k + 1)) add up to one."""
    worst = math.ceil(math.log(number * (number + 1) / ALPHA) / math.log(2)) + 1

    assert look(Weighing(number), Count(worst, worst), bound)[0] is Verdict.STOP
    assert look(Weighing(number), Count(worst - 2, worst - 2), bound)[0] is not Verdict.STOP


def lives(rate: float, bound: float, *, count: int, messages: int, every: int, seed: int) -> list[list[Verdict]]:
    """What each of so many simulated runs came to, with a look every so many messages."""
    chance = random.Random(seed).random
    return [
        followed([Count(every, sum(chance() < rate for _ in range(every))) for _ in range(messages // every)], bound)[0]
        for _ in range(count)
    ]


@pytest.mark.parametrize(("rate", "bound"), [(0.1, 0.2), (0.025, 0.05)])
def test_a_run_at_half_its_bound_is_hardly_ever_stopped_in_a_long_life(rate, bound):
    stopped = sum(Verdict.STOP in one for one in lives(rate, bound, count=200, messages=4000, every=10, seed=7))

    assert stopped / 200 <= ALPHA


@pytest.mark.parametrize(("rate", "bound"), [(0.2, 0.2), (0.05, 0.05)])
def test_a_run_on_its_bound_is_stopped_and_its_first_test_is_hardly_ever_wrong(rate, bound):
    simulated = lives(rate, bound, count=200, messages=4000, every=10, seed=8)
    first = [next(v for v in one if v is not Verdict.CONTINUE) for one in simulated]

    assert all(Verdict.STOP in one for one in simulated)
    assert first.count(Verdict.GO_ON) / 200 <= BETA


def test_a_run_that_turns_bad_after_a_long_good_time_is_stopped_within_some_hundred_messages():
    good = [Count(100, 5)] * 2000

    verdicts, _ = followed(good + [Count(10, 4)] * 40, DEFAULTS[Rate.FAILURE])

    assert Verdict.STOP not in verdicts[:2000]
    assert 10 * (verdicts.index(Verdict.STOP) - 2000) < 200


def test_a_complaint_that_is_told_before_its_delivery_is_borne():
    assert evidence(Count(0, 1), 0.005) == math.log(2)
    assert not within(Count(0, 1), 0.005)


def test_the_reason_says_what_was_seen_and_what_is_allowed():
    words = in_words(Rate.FAILURE, Count(52, 14), 0.2)

    assert words == "14 of 52 messages failed (26.9%); the bound is 20.00% (guard.failureRate)"
