"""The same seed is the same run, event for event: in this process, in another one, on another day."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.simulation.series import explain, lines, play

ROOT = Path(__file__).parent.parent.parent
SEEDS = range(1, 6)
DIGEST_THEM = """
import hashlib
from tests.simulation.test_replay import SEEDS, digests
print(*digests(SEEDS))
"""


def digests(seeds):
    """One for the trace of each run."""
    return [hashlib.sha256("\n".join(lines(one.trace)).encode()).hexdigest() for one in play(seeds)]


def test_a_seed_gives_the_same_run_again_in_this_process_and_in_others():
    told = digests(SEEDS)
    assert len(set(told)) == len(SEEDS)
    assert digests(reversed(SEEDS)) == told[::-1]
    for hash_seed in ("1", "2"):  # the order of sets must not matter
        other = subprocess.run(
            [sys.executable, "-c", DIGEST_THEM],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "TZ": "Asia/Kathmandu"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        assert other.stdout.split() == told


def test_a_violation_is_shown_with_its_last_events_and_the_command_that_plays_it_again():
    [outcome] = play([1])
    first, _, *events, again, every = explain(replace(outcome, violation="too loud")).splitlines()
    assert first == "seed 1: too loud"
    assert events == list(lines(outcome.trace))[-40:]
    assert again.endswith("make simulate SEED=1 RUNS=1")
    assert every.endswith("python -m tests.simulation.run --seed 1 --trace")


def test_the_command_plays_runs_and_says_how_they_went():
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", "--seed", "3", "--runs", "2", "--trace"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    first, *_, last = done.stdout.splitlines()
    assert "plan" in first
    assert last.startswith("2 runs, 0 with a violation")
