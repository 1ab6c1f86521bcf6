"""The main job, as a newcomer sees it: a whole campaign runs, and its counts equal the provider's ledger."""

import os
import signal
import subprocess

import pytest

from tests.acceptance.demos import ROOT
from tests.acceptance.site import BIN, Site
from worker.runtime.supervisor import Supervisor

pytestmark = pytest.mark.acceptance


def test_the_counts_equal_the_ledger_and_add_up_to_the_audience(start_demo):
    demo = start_demo()
    assert demo.finish() == 0, demo.output
    report = demo.report
    accepted = {channel: count for channel, count in report["messages"]["accepted"].items() if count}
    assert accepted == report["ledger"]["accepted"]
    assert report["import"]["accepted"] + report["import"]["rejected"] == report["import"]["rows"] == 1000
    assert sum(report["enrollments"].values()) == sum(report["dispositions"].values()) == report["import"]["accepted"]
    assert report["ledger"]["mostPerAttempt"] == 1
    assert report["ledger"]["reachedTwice"] == 0
    assert report["ledger"]["faults"], "the provider should have misbehaved"
    assert demo.left_running() == []


def test_honcho_on_the_procfile_runs_a_campaign(tmp_path, sqlite_url, redis_url):
    with Supervisor(tmp_path) as supervisor:
        site = Site(tmp_path, supervisor, sqlite_url, redis_url)
        honcho = subprocess.Popen([BIN / "honcho", "start"], cwd=ROOT, env=os.environ | site.env)
        try:
            site.run_campaign()
        finally:
            honcho.send_signal(signal.SIGTERM)
            honcho.wait(60)
