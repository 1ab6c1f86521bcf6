"""The verdict on the figures: what makes a benchmark fail."""

import pytest

from tests.benchmarks.report import judge


@pytest.mark.parametrize(
    ("speed", "exactly_once", "good"), [(75, True, True), (74, True, False), (120, True, True), (100, False, False)]
)
def test_the_guarantee_may_cost_a_quarter_of_the_messages_and_never_a_message(speed, exactly_once, good):
    def rounds(*speeds, **facts):
        figures = dict.fromkeys(("cpu_us_per_message", "server_cpu_us_per_message", "peak_rss_mb"), 1.0)
        figures |= {"largest_process_mb": 1.0, "exactly_once": True} | facts
        return [{**figures, "messages_per_second": speed} for speed in speeds]

    results = {"unguarded": rounds(100, 10, 101), "ours": rounds(speed, 900, 1, exactly_once=exactly_once)}

    assert judge(results).good is good
