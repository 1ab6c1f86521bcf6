"""The benchmark's harness in small: what it reports about delivery must be true before its timings mean anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance

CONTACTS = {"naive": 100, "sdk": 1200, "ours": 100}
CASES = (("mail", "naive"), ("texts", "sdk"), ("mixed", "ours"))
"""Each way to start a design once, each job once; `raw` differs from `sdk` in what it sends only."""
STEPS = {"texts": 2, "mail": 1, "mixed": 3}


def run(folder, **settings):
    given = dict.fromkeys(("DATABASE_URL", "LATENCY_SECONDS", "PROFILE", "WORKERS", "NAIVE_CONTACTS", "RUNS"), "")
    env = {**os.environ, **given, "DATABASES": "sqlite", "QUICK": "1", "BENCH_DIR": str(folder), **settings}
    script = Path(__file__).parent / "run.py"
    return subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def once(request, tmp_path_factory):
    """Job, design and the one repetition."""
    job, design = request.param
    folder = tmp_path_factory.mktemp(design)
    ended = run(folder, JOB=job, DESIGNS=design, CONTACTS=str(CONTACTS[design]))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [file] = folder.glob("*.json")
    assert file.with_suffix(".html").exists()
    [result] = json.loads(file.read_text())["databases"]["sqlite"]["runs"][design]
    return job, design, result


def test_every_message_of_the_job_reaches_the_provider_exactly_once(once):
    job, design, result = once
    assert result["messages"] == STEPS[job] * CONTACTS[design]
    stub = result["stub"]
    assert stub["accepted"] == stub["distinct"] > result["messages"]  # those of the warm-up come on top
    assert (stub["repeated"], stub["repeatedAttempts"]) == (0, 0)
    assert result["exactly_once"]


def test_cpu_memory_and_lateness_are_measured(once):
    _, _, result = once
    assert result["cpu_us_per_message"] > 0
    assert set(result["apart_cpu_us_by_program"]) == {"stub", "redis"}
    assert result["peak_rss_mb"] > result["largest_process_mb"] > 10
    assert 0 < result["late_ms_p50"] <= result["late_ms_p95"] <= result["late_ms_p99"] < 60_000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"JOB": "mixed", "DESIGNS": "naive,raw"}, "DESIGNS: raw knows no calls; take JOB=texts or JOB=mail"),
        ({"JOB": "letters"}, "JOB=letters: expected one of texts, mail, mixed"),
    ],
)
def test_what_there_is_not_is_refused_before_anything_runs(tmp_path, settings, said):
    ended = run(tmp_path, **settings)

    assert (ended.returncode, ended.stdout, ended.stderr.strip()) == (1, "", said)
    assert not list(tmp_path.iterdir())
