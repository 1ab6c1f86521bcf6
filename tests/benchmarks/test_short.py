"""The benchmark's harness in small: what it reports about delivery must be true before its timings mean anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance

CONTACTS = 200
DESIGNS = ("naive", "ours")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    setup = {"DESIGNS": ",".join(DESIGNS), "DATABASES": "sqlite", "RUNS": "1"}
    sizes = {
        "CONTACTS": str(CONTACTS),
        "NAIVE_CONTACTS": str(CONTACTS),
        "DATABASE_URL": "",
        "LATENCY_SECONDS": "",
        "JOB": "mixed",
    }
    env = {**os.environ, **setup, **sizes, "BENCH_DIR": str(folder), "PROFILE": ""}
    script = Path(__file__).parent / "run.py"
    ended = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=240, check=False)
    files = list(folder.glob("*.json"))
    assert files, ended.stdout + ended.stderr
    return json.loads(files[0].read_text())["databases"]["sqlite"]


@pytest.mark.parametrize("design", DESIGNS)
def test_every_message_of_the_job_reaches_the_provider_exactly_once(result, design):
    [once] = result["runs"][design]
    assert once["messages"] == 3 * CONTACTS
    stub = once["stub"]
    assert stub["accepted"] == stub["distinct"] > once["messages"]  # those of the warm-up come on top
    assert (stub["repeated"], stub["repeatedAttempts"]) == (0, 0)
    assert once["exactly_once"]


@pytest.mark.parametrize("design", DESIGNS)
def test_cpu_and_memory_of_every_process_are_measured(result, design):
    [once] = result["runs"][design]
    assert once["cpu_us_per_message"] > 0
    assert set(once["apart_cpu_us_by_program"]) == {"stub", "redis"}
    assert once["peak_rss_mb"] > once["largest_process_mb"] > 10
