"""The benchmark of launches in small: both ways enroll everybody, and a message leaves, whatever it took."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import launching
from worker.store.facade import Store

PEOPLE = 3000


def test_the_benchmark_of_launches_enrolls_the_same_people_both_ways(sqlite_url, monkeypatch):
    monkeypatch.setattr(launching, "PEOPLE", PEOPLE)
    monkeypatch.setattr(launching, "RUNS", 1)

    [line] = launching.compare(sqlite_url)

    assert line.startswith("people enrolled a second: ")
    store = Store(sqlite_url)
    with store.engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM enrollments").scalar_one() == 2 * PEOPLE
    store.close()


@pytest.mark.acceptance
def test_the_benchmark_of_launches_sees_the_first_message_and_everybody_enrolled(tmp_path):
    sizes = {"PEOPLE": str(PEOPLE), "RUNS": "1", "DATABASES": "sqlite", "REST_SECONDS": "0", "TMPDIR": str(tmp_path)}
    words = (sys.executable, "-m", "tests.benchmarks.launching")
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        words, cwd=root, env=os.environ | sizes, capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{PEOPLE:,} enrolled after" in ended.stdout
