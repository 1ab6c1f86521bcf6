"""The benchmark of events in small: every event arrives through either door, and its figures can be told."""

import pytest

from tests.benchmarks.events import Case, ours, stream, task


@pytest.mark.parametrize("door", [stream, task])
def test_events_arrive_and_it_is_told_how_long_they_took(door):
    measured = ours(Case("idle", door, rate=40, limit=60), "sqlite", seconds=1, bulk=0, warm_up=3)

    assert (measured.sent, len(measured.took)) == (40, 40)
    assert 0 < measured.at(50) <= measured.at(99)
    assert "idle" in measured.line()
