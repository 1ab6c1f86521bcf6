"""Ctrl-C ends everything a demo has started, whenever it comes."""

import signal

import pytest

from worker.runtime.supervisor import wait_until

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("moment", ["at the start", "in the middle"])
def test_ctrl_c_stops_everything_it_started(start_demo, moment):
    demo = start_demo()
    if moment == "at the start":
        wait_until((demo.data_dir / "pids" / "redis").exists, seconds=30, what="Redis to start")
    else:
        wait_until(lambda: demo.ledger_lines() > 50, seconds=60, what="the first messages")

    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(30) == 130
    assert "Traceback" not in demo.output
    wait_until(lambda: demo.left_running() == [], seconds=5, what="everything to end")
