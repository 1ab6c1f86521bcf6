"""Watching a run live. On a terminal a page that changes in place; elsewhere a line now and then."""

import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live

from worker.cli.output import say
from worker.cli.tables import status_line, status_page
from worker.domain.run import FINAL_RUN
from worker.runtime.bootstrap import Runtime
from worker.runtime.reports import Report, make_report

REFRESH_SECONDS = 0.5
LINE_SECONDS = 3.0
IDLE_SHARE = 9
"""A look at a large run costs the database something: pause this many times as long as the look took."""


def watch_run(rt: Runtime, run_id: str, out: Console, *, keep_alive: Callable[[], None] = lambda: None) -> None:
    """Show a run until it ends. `keep_alive` is called at every look."""
    if out.is_terminal:
        with Live(console=out, auto_refresh=False) as live:
            for report in looks(rt, run_id, keep_alive):
                live.update(status_page(report), refresh=True)
        return
    last = float("-inf")
    for report in looks(rt, run_id, keep_alive):
        if time.monotonic() - last > LINE_SECONDS or report.run.status in FINAL_RUN:
            last = time.monotonic()
            say(out, status_line(report))


def looks(rt: Runtime, run_id: str, keep_alive: Callable[[], None] = lambda: None) -> Iterator[Report]:
    """Looks at a run, one now and then; the last one is when it has ended."""
    while True:
        keep_alive()
        started = time.monotonic()
        report = make_report(rt, run_id)
        took = time.monotonic() - started
        yield report
        if report.run.status in FINAL_RUN:
            return
        time.sleep(max(REFRESH_SECONDS, IDLE_SHARE * took))
