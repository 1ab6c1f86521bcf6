"""Pages for people: where a run is, and what it came to. They fit into 80 columns."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table

from worker.domain.attempt import MessageStatus
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.run import RunStatus
from worker.runtime.reports import Report

_BAR_WIDTH = 60


def status_page(report: Report) -> Group:
    """Where a run is: how far, how many people, and its messages by channel and state."""
    bar = ProgressBar(total=max(1, report.counts.audience), completed=report.done, width=_BAR_WIDTH)
    return Group(
        f"[bold]{report.run.run_id}[/] of {report.run.campaign_id}: {report.run.status}, {_clock(report.elapsed)}",
        *(escape(note) for note in _notes(report)),
        people_line(report),
        Padding(bar, (0, 0, 1, 0), expand=False),
        _message_table(report),
        *([f"\n{held} held: campaigns holds list {report.run.run_id}"] if (held := report.counts.held) else []),
    )


def status_line(report: Report) -> str:
    """The same in one line, for logs and pipes."""
    accepted = listed(report.accepted()) or "nothing yet"
    notes = "".join(f"{note}; " for note in _notes(report))
    return f"{_clock(report.elapsed)} {report.run.status}: {notes}{people_line(report)}; accepted {accepted}"


def _notes(report: Report) -> Iterator[str]:
    """What of a run the numbers do not tell."""
    if report.run.status is RunStatus.SCHEDULED and report.run.next_at:
        yield f"it starts at {report.run.next_at:%Y-%m-%d %H:%M} UTC"
    if report.reason:
        yield f"why: {report.reason}"
    if report.behind_canary is not None:
        yield f"a canary goes first: {report.counts.audience} people; {report.behind_canary} wait for it"
    if report.closed:
        yield "closed: nobody else comes in"
    if report.run.archived_at:
        yield f"archived on {report.run.archived_at:%Y-%m-%d}: its people and messages are in {report.run.archive}"


def people_line(report: Report) -> str:
    """Everybody, in one line that adds up."""
    counts = {str(status): report.counts.enrollments.get(status, 0) for status in EnrollmentStatus}
    return f"{report.counts.audience} people = {listed(counts, ' + ') or 'nobody enrolled yet'}"


def outcome_table(report: Report) -> Table:
    """People by the disposition they ended with."""
    table = _table("people by disposition", "disposition")
    table.add_column("people", justify="right")
    for disposition, count in falling(report.counts.dispositions):
        table.add_row(disposition or "(none yet)", str(count))
    return table


def _message_table(report: Report) -> Table:
    by_channel = report.by_channel("status")
    used = [status for status in MessageStatus if any(status in counts for counts in by_channel.values())]
    table = _table("", "messages")
    for status in used:
        table.add_column(status, justify="right")
    table.add_column("accepted in all", justify="right")
    for channel, accepted in report.accepted().items():
        counts = by_channel[channel]
        table.add_row(channel, *(str(counts.get(status, "")) for status in used), str(accepted or ""))
    return table


def plain_table(title: str, first: str, *numbers: str) -> Table:
    """A table of names with numbers beside them."""
    table = _table(title, first)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def _table(title: str, first: str) -> Table:
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    table.add_column(first, no_wrap=True)
    return table


def _clock(elapsed: timedelta | None) -> str:
    return "not started" if elapsed is None else str(timedelta(seconds=int(elapsed.total_seconds())))


def falling(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names with their counts, the largest first."""
    return sorted(counts.items(), key=lambda item: -item[1])


def listed(counts: Mapping[str, int], between: str = ", ") -> str:
    """Counts with their names in one line; what is 0 is left out."""
    return between.join(f"{count} {name}" for name, count in counts.items() if count)
