"""The benchmark of events in small: every event arrives, and its figures can be told."""

from tests.benchmarks.events import ours


def test_events_arrive_and_it_is_told_how_long_they_took():
    [measured] = ours("sqlite", rate=40, seconds=1, bulk=0, warm_up=3)

    assert (measured.sent, len(measured.took)) == (40, 40)
    assert 0 < measured.at(50) <= measured.at(99)
    assert "stream, idle" in measured.line()
