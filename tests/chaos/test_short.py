"""The chaos run in its short form: every kind of fault, a thousand people, a minute."""

import json
import subprocess
import sys

import pytest

from tests.chaos.site import ROOT

pytestmark = pytest.mark.acceptance

PATIENCE_SECONDS = 280
"""On a machine of its own it takes half of that."""


def test_everybody_gets_each_message_once_whatever_breaks(tmp_path):
    words = ("--seconds", "60", "--contacts", "1000", "--seed", "1", "--data-dir", str(tmp_path))
    command = (sys.executable, "-m", "tests.chaos.run", *words)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads((tmp_path / "postgres-seed1.json").read_text())
    assert result["passed"]
    assert result["accepted"] > 2000, "so few messages prove little"
    assert {fault["fault"] for fault in result["recoveries"]} >= {"kill -9 of a worker", "PostgreSQL crash and start"}
