"""The verdict on the figures: what makes a benchmark fail, what is set against what, and the page they are shown on."""

import re
from dataclasses import asdict
from xml.etree import ElementTree as ET

import pytest
from lateness import lateness
from page import page
from report import FIGURES, describe_machine, judge, ratio_sentences


def rounds(*speeds, **facts):
    figures = {**dict.fromkeys(FIGURES, 1.0), "exactly_once": True, **facts}
    return [{**figures, "messages_per_second": speed} for speed in speeds]


@pytest.mark.parametrize(
    ("speed", "exactly_once", "good"), [(75, True, True), (74, True, False), (120, True, True), (100, False, False)]
)
def test_the_guarantee_may_cost_a_quarter_of_the_messages_and_never_a_message(speed, exactly_once, good):
    results = {"unguarded": rounds(100, 10, 101), "ours": rounds(speed, 900, 1, exactly_once=exactly_once)}

    assert judge(results).good is good


def test_we_are_set_against_naive_and_against_the_floors_with_the_database_counted_on_both_sides():
    results = {
        "naive": rounds(100, 100, cpu_us_per_message=1.0, total_cpu_us_per_message=3000),
        "sdk": rounds(8000, 10_000, cpu_us_per_message=1.0, total_cpu_us_per_message=75),
        "ours": rounds(4000, 5000, cpu_us_per_message=1.0, total_cpu_us_per_message=150),
    }

    against_naive, against_sdk = ratio_sentences(asdict(judge(results)))

    assert "45.00 (40.00 - 50.00) times the messages/s; it takes 20.00 (20.00 - 20.00) times our CPU" in against_naive
    assert "0.50 (0.50 - 0.50) of its messages/s; ours takes 2.00 (2.00 - 2.00) times its CPU" in against_sdk


def test_a_message_is_late_from_the_launch_or_from_a_wait_after_the_one_before_was_answered():
    arrivals = [(1, 100.5), (2, 101.0), (1, 102.0), (2, 103.5)]  # answered 0.25 s later, and then a second

    late = lateness(arrivals, launched=100.0, latency=0.25, wait=1.0)

    assert late == {"p50": 750.0, "p95": 1212.5, "p99": 1242.5}  # of 250, 500, 1000, 1250


def test_the_page_shows_every_design_on_every_database_and_loads_nothing_from_elsewhere():
    facts = {
        "cpu_us_by_program": {"raw-1": 3.0, "raw-2": 4.0},
        "servers": {"valkey": "9.1"},
        "late_ms_p50": 0.0,
        "late_ms_p99": 7e6,
    }
    results = {"raw": rounds(30_000, 9, **facts), "ours": rounds(0.2, 0.5, **facts)}
    shown = asdict(judge(results)) | {"runs": results}
    setup = {"job": "texts", "contacts": 20, "naive_contacts": 2, "runs": 2, "workers": None, "latency_seconds": 0.0}

    html = page({"machine": describe_machine(), "setup": setup, "databases": {"sqlite": shown, "postgresql": shown}})

    charts = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html)]
    assert len(charts) == 4
    for chart in charts:
        texts = ["".join(text.itertext()) for text in chart.iter("text")]
        assert [text for text in texts if text in ("raw", "ours")] == ["raw", "ours"] * 2
        for mark in chart.iter():
            assert all(float(mark.get(place, 0)) >= 0 for place in ("x", "x1", "x2", "cx", "width")), mark.attrib
    assert not re.search(r"https?:|<script|<link|url\(", html)
