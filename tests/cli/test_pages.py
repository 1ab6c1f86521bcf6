"""What people see: pages that fit into a terminal, lines that can be copied, and a watch that moves."""

import io
import os
import pty
import signal
import subprocess
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from channels.sandbox.ledger import summarize
from tests.cli.conftest import RENEWAL, SANDBOX
from tests.engine.builders import NOW
from worker.cli.ledger_page import ledger_table
from worker.cli.output import offer, say
from worker.cli.tables import outcome_table, status_line, status_page
from worker.domain.attempt import MessageStatus
from worker.domain.run import Run, RunStatus
from worker.runtime.reports import Report
from worker.store.rows import RunReport

RUN = Run(
    tenant_id="default",
    run_id="run_01m84hea6dw6wxgrrve8c94y53",
    campaign_id="renewal-q4",
    status=RunStatus.RUNNING,
    campaign={},
    workflows={},
    dispositions=(),
    options={},
    contact_list_id="lst_1",
    enrolled=True,
    created_at=NOW - timedelta(days=3),
    started_at=NOW - timedelta(minutes=3),
    finished_at=None,
)
CHANNELS = ("sms", "email", "voice")
FULL = Report(
    run=RUN,
    counts=RunReport(
        audience=250_000,
        enrollments={"ready": 50_000, "waiting": 99_000, "settling": 1_000, "finished": 99_990, "failed": 10},
        dispositions={"": 150_000, "EMAIL_DROPPED_UNSUBSCRIBED": 99_990, "WORKFLOW_FAILED": 10},
        messages={(channel, status, "", ""): 100_000 for channel in CHANNELS for status in MessageStatus},
        attempts={(channel, "accepted"): 100_000 for channel in CHANNELS},
        outcomes={},
    ),
    at=NOW,
)
"""A large run in which everything happens at once."""


def shown(*parts: object, width: int = 80) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    for part in parts:
        out.print(part)
    return out.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_pages_of_a_large_run_fit_and_break_no_row(width):
    lines = shown(status_page(FULL), outcome_table(FULL), ledger_table(FULL, summarize([])), width=width)

    assert max(map(len, lines)) <= width
    for channel in CHANNELS:
        assert sum(line.startswith(channel) for line in lines) == 2
    assert sum("100000" in line for line in lines) == 2 * len(CHANNELS)


def test_a_status_says_how_far_how_long_and_how_much_was_accepted_by_channel():
    page = "\n".join(shown(status_page(FULL), width=120))

    assert "run_01m84hea6dw6wxgrrve8c94y53 of renewal-q4: running, 0:03:00" in page
    assert "250000 people = 50000 ready + 99000 waiting + 1000 settling + 99990 finished + 10 failed" in page
    assert "accepted in all" in page
    assert status_line(FULL).endswith("accepted 100000 sms, 100000 email, 100000 voice")


@pytest.mark.parametrize(
    ("run", "report", "says"),
    [
        ({}, {"behind_canary": 3960}, "a canary goes first: 250000 people; 3960 wait for it"),
        ({"status": RunStatus.PAUSED}, {"reason": "too [many] failed"}, "why: too [many] failed"),
        ({"status": RunStatus.SCHEDULED, "next_at": NOW}, {}, f"it starts at {NOW:%Y-%m-%d %H:%M} UTC"),
        ({"open_ended": True}, {}, "closed: nobody else comes in"),
        ({"status": RunStatus.DRAFT, "started_at": None}, {}, "draft, not started"),
    ],
)
def test_a_status_says_what_the_numbers_do_not_tell(run, report, says):
    found = replace(FULL, run=replace(RUN, **run), **report)
    assert says in "\n".join(shown(status_page(found), width=120))
    assert says.removeprefix("draft, ") in status_line(found)


def test_paths_and_commands_are_never_broken_in_two():
    out = Console(file=io.StringIO(), width=40)
    path = "/a/folder/with/a/name/that/is/longer/than/the/terminal/is/wide/report.json"

    say(out, f"the rejected rows are in {path}")
    offer(out, f"source {path}")

    assert out.file.getvalue().splitlines() == ["the rejected rows are in", path, f"  source {path}"]


@pytest.fixture
def launched(run):
    run("import", RENEWAL / "contacts.csv", "--rejects", "rejects.csv")
    assert run("launch", RENEWAL, **SANDBOX).code == 0


def test_a_report_in_a_pipe_has_no_colors_and_no_padding(desk, launched):
    said = desk.process("report", "last")

    assert said.code == 0
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_a_watch_on_a_terminal_changes_in_place_and_ends_with_the_run(desk, launched):
    ours, theirs = pty.openpty()
    env = desk.env | {"TERM": "xterm"}
    with subprocess.Popen(
        desk.command("status", "last", "--watch"), cwd=desk.folder, env=env, stdout=theirs, stderr=theirs
    ) as watch:
        os.close(theirs)
        seen = _read(ours, until=b"running")
        assert desk.process("cancel", "last").code == 0
        seen += _read(ours, until=b"cancelled")
        try:
            assert watch.wait(20) == 0
        finally:
            watch.send_signal(signal.SIGKILL)
    os.close(ours)

    assert b"\x1b[1A" in seen, "the page should be drawn over"
    assert b"Traceback" not in seen


def _read(terminal: int, *, until: bytes) -> bytes:
    seen, ends = b"", time.monotonic() + 20
    while until not in seen:
        assert time.monotonic() < ends, seen
        seen += os.read(terminal, 65536)
    return seen
