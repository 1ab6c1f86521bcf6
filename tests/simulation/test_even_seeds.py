"""The other half of the runs of `test_odd_seeds.py`."""

from tests.simulation.series import explain, play
from tests.simulation.test_odd_seeds import RUNS


def test_whatever_happens_nobody_is_written_to_twice_and_nobody_is_forgotten():
    for outcome in play(range(2, RUNS + 1, 2)):
        assert not outcome.violation, explain(outcome)
