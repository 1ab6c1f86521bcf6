"""The main job, as a newcomer sees it: a whole campaign runs, and its counts equal the provider's ledger."""

import os
import signal
import subprocess

import pytest

from tests.acceptance.demos import ROOT
from tests.acceptance.site import BIN, Site
from worker.runtime.supervisor import Supervisor

pytestmark = pytest.mark.acceptance

OUTCOMES = ("audience", "enrollments", "dispositions")


def test_the_counts_equal_the_ledger_and_add_up_to_the_audience(undisturbed):
    assert undisturbed.finish() == 0, undisturbed.output
    report = undisturbed.report
    accepted = {channel: count for channel, count in report["messages"]["accepted"].items() if count}
    assert accepted == report["ledger"]["accepted"]
    assert report["import"]["accepted"] + report["import"]["rejected"] == report["import"]["rows"] == 1000
    assert sum(report["enrollments"].values()) == sum(report["dispositions"].values()) == report["import"]["accepted"]
    assert report["ledger"]["mostPerAttempt"] == 1
    assert report["ledger"]["reachedTwice"] == 0
    assert report["ledger"]["faults"], "the provider should have misbehaved"
    assert undisturbed.left_running() == []


def test_honcho_on_the_procfile_gives_the_same_report(undisturbed, tmp_path, sqlite_url, redis_url):
    with Supervisor(tmp_path) as supervisor:
        site = Site(tmp_path, supervisor, sqlite_url, redis_url)
        honcho = subprocess.Popen([BIN / "honcho", "start"], cwd=ROOT, env=os.environ | site.env)
        try:
            report = site.run_campaign(ROOT / "examples/renewal/contacts.csv")
        finally:
            honcho.send_signal(signal.SIGTERM)
            honcho.wait(60)

    assert _outcomes(report) == _outcomes(undisturbed.report)


def _outcomes(report):
    return {key: report[key] for key in OUTCOMES} | {"messages": report["messages"]["byDisposition"]}
