"""Tables for people: status, report, and the demo's last page."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from channels.sandbox.ledger import LedgerSummary
from worker.cli.output import show
from worker.runtime.audience import ImportResult
from worker.runtime.reports import Report


def show_status(report: Report, *, as_json: bool) -> None:
    """Where a run is."""
    if as_json:
        show(report.as_json(), as_json=True, text="")
    else:
        Console().print(status_table(report))


def show_report(report: Report, *, as_json: bool) -> None:
    """What a run came to."""
    if as_json:
        show(report.as_json(), as_json=True, text="")
        return
    console = Console()
    console.print(status_table(report))
    console.print(outcome_table(report))
    console.print(people_line(report))


def status_table(report: Report) -> Table:
    """Messages by channel and state."""
    by_channel = report.by_channel("status")
    states = sorted({state for counts in by_channel.values() for state in counts}, key=_STATES.index)
    table = Table(title=f"{report.run.run_id}: {report.run.status}", title_justify="left")
    table.add_column("channel")
    for state in states:
        table.add_column(state, justify="right")
    for channel, counts in by_channel.items():
        table.add_row(channel, *(str(counts.get(state, "")) for state in states))
    table.caption = people_line(report)
    table.caption_justify = "left"
    return table


_STATES = ["queued", "dispatching", "unknown", "held", "accepted", "settled"]


def people_line(report: Report) -> str:
    """Everybody, in one line that adds up."""
    parts = ", ".join(f"{count} {status}" for status, count in sorted(report.counts.enrollments.items()))
    return f"audience {report.counts.audience} = {parts or 'nobody enrolled yet'}"


def outcome_table(report: Report) -> Table:
    """People by the disposition they ended with."""
    table = Table(title="people by disposition", title_justify="left")
    table.add_column("disposition")
    table.add_column("people", justify="right")
    for disposition, count in sorted(report.counts.dispositions.items(), key=lambda item: -item[1]):
        table.add_row(disposition or "(none yet)", str(count))
    return table


def print_demo_report(
    console: Console, imported: ImportResult, report: Report, ledger: LedgerSummary, data_dir: Path
) -> None:
    """The demo's last page."""
    console.print()
    console.print(outcome_table(report))
    console.print(_ledger_table(report, ledger))
    console.print(f"{imported.sentence()}\n{people_line(report)}")
    seconds = report.seconds
    if seconds:
        console.print(f"{sum(report.accepted().values())} messages in {seconds:.0f} s")
    if ledger.faults:
        faults = ", ".join(f"{name} x{count}" for name, count in sorted(ledger.faults.items()))
        console.print(f"faults the provider made on purpose: {faults}")
    console.print(f"report [bold]{data_dir / 'report.json'}[/], ledger [bold]{data_dir / 'ledger.jsonl'}[/]")
    console.print(
        "\nNext:\n"
        "  .venv/bin/campaigns demo --keep                   leave it running, look around in Flower\n"
        "  .venv/bin/campaigns validate examples/renewal     change the workflow, see what is checked\n"
        "  .venv/bin/campaigns up --sandbox                  the same system for campaigns of your own"
    )


def _ledger_table(report: Report, ledger: LedgerSummary) -> Table:
    table = Table(title="what the provider's ledger says", title_justify="left")
    for column in ("channel", "we count", "ledger", "final statuses"):
        table.add_column(column, justify="left" if column in ("channel", "final statuses") else "right")
    for channel, ours in report.accepted().items():
        theirs = ledger.accepted.get(channel, 0)
        mark = "" if ours == theirs else " [red]differs[/]"
        table.add_row(channel, str(ours), f"{theirs}{mark}", _counts(ledger.final_statuses.get(channel, {})))
    table.caption = f"messages that reached somebody twice: {reached_twice(ledger)}"
    table.caption_justify = "left"
    return table


def reached_twice(ledger: LedgerSummary) -> int:
    """Messages that got to the same person more than once. A repeated call after a busy line is none."""
    return sum(repeat.reached > 1 for repeat in ledger.repeats)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
