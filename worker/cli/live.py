"""Watching a run live. On a terminal a table that changes in place; elsewhere a line now and then."""

import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar

from worker.cli.tables import people_line, status_table
from worker.domain.run import FINAL_RUN
from worker.runtime.bootstrap import Runtime
from worker.runtime.reports import Report, make_report

REFRESH_SECONDS = 0.5
LINE_SECONDS = 3.0


def watch_run(
    rt: Runtime, run_id: str, *, keep_alive: Callable[[], None] = lambda: None, console: Console | None = None
) -> None:
    """Show a run until it ends. `keep_alive` is called at every look."""
    console = console or Console()
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            for report in _looks(rt, run_id, keep_alive):
                live.update(_picture(report))
        return
    last = 0.0
    for report in _looks(rt, run_id, keep_alive):
        if time.monotonic() - last > LINE_SECONDS or report.run.status in FINAL_RUN:
            last = time.monotonic()
            console.print(f"{report.run.status}: {people_line(report)}; accepted {_accepted(report)}", soft_wrap=True)


def _looks(rt: Runtime, run_id: str, keep_alive: Callable[[], None]) -> Iterator[Report]:
    while True:
        keep_alive()
        report = make_report(rt, run_id)
        yield report
        if report.run.status in FINAL_RUN:
            return
        time.sleep(REFRESH_SECONDS)


def _picture(report: Report) -> Group:
    final = sum(report.counts.enrollments.get(status, 0) for status in ("finished", "failed", "cancelled"))
    return Group(status_table(report), ProgressBar(total=max(1, report.counts.audience), completed=final, width=60))


def _accepted(report: Report) -> str:
    return ", ".join(f"{count} {channel}" for channel, count in report.accepted().items())
