"""The judge bites: with one guarantee taken out, the same seeds show what it was for.

Each says within how many runs. That is a promise too: a judge that needs ten thousand has become blind.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.simulation.faults import Faults
from tests.simulation.series import play
from tests.unguarded import NoFencingStore, NoIntentStore, lateness_unchecked
from worker.engine import settlement

DEADLY = Faults(kill=0.02, odd_answer=0.3, slow_answer=0.3)
FREEZING = Faults(freeze_long=0.5, freeze_at="claim_messages done")
LATE = Faults(freeze_long=0.5, freeze_at="settle")
DOUBTFUL = Faults(odd_answer=0.6, callback_missing=0.9)
DEAF = Faults(hint_lost=0.5)


def first(beginning, *, within, **options):
    """The seed of the first run that violates something in these words, of so many runs."""
    for outcome in play(range(1, within + 1), **options):
        if outcome.violation and outcome.violation.startswith(beginning):
            return outcome.seed
    return None


@contextmanager
def one_look_is_enough() -> Iterator[None]:
    twice, settlement._UNSEEN_LIMIT = settlement._UNSEEN_LIMIT, 1
    try:
        yield
    finally:
        settlement._UNSEEN_LIMIT = twice


def test_without_intent_people_are_written_to_twice():
    assert first("sent twice", within=40, faults=DEADLY, store_class=NoIntentStore)


def test_without_fencing_people_are_written_to_twice():
    with lateness_unchecked():
        assert first("sent twice", within=40, faults=FREEZING, store_class=NoFencingStore, by_ledger_only=True)


def test_without_fencing_what_was_known_is_lost():
    with lateness_unchecked():
        assert first("less is known", within=20, faults=LATE, store_class=NoFencingStore)


def test_where_one_look_proves_absence_people_are_written_to_twice():
    with one_look_is_enough():
        assert first("sent twice", within=20, faults=DOUBTFUL)


def test_where_nobody_ticks_a_lost_hint_is_the_end():
    assert first("everything hangs", within=10, faults=DEAF, ticks=False)


@pytest.mark.parametrize("faults", [DEADLY, FREEZING, LATE, DOUBTFUL, DEAF])
def test_with_its_guarantees_the_product_bears_the_same_trouble(faults):
    assert first("", within=5, faults=faults) is None
