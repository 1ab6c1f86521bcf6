"""Half of the runs that every `make test` plays; `test_even_seeds.py` is the other half, for the other processor."""

from tests.simulation.series import explain, play

RUNS = 340


def test_whatever_happens_nobody_is_written_to_twice_and_nobody_is_forgotten():
    for outcome in play(range(1, RUNS, 2)):
        assert not outcome.violation, explain(outcome)
