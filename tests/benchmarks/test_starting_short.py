"""The benchmark of starting in small: each program does a first task, whatever that took."""

import pytest

from tests.benchmarks import starting


@pytest.mark.acceptance
def test_the_benchmark_of_starting_sees_a_first_task_done_by_each_program(monkeypatch):
    monkeypatch.setattr(starting, "WORKERS", ("control",))
    monkeypatch.setattr(starting, "ROUNDS", 1)

    heading, *lines = starting.measure("sqlite")

    assert heading.startswith("sqlite, seconds until the first task is done")
    told = [line.strip().split("  ")[0] for line in lines]
    assert told == ["campaigns --help", starting.BARE, "control", starting.TOGETHER]
