"""What the sandbox's ledger says, beside our own counts: the page that only the demo shows."""

from rich.table import Table

from channels.sandbox.ledger import LedgerSummary
from worker.cli.tables import falling, listed, plain_table
from worker.runtime.reports import Report


def ledger_table(report: Report, ledger: LedgerSummary) -> Table:
    """Our counts beside the provider's."""
    table = plain_table("what the provider's ledger says", "channel", "we count", "ledger")
    table.add_column("final statuses")
    for channel, ours in report.accepted().items():
        statuses = ledger.final_statuses.get(channel, {})
        theirs = ledger.accepted.get(channel, 0)
        mark = "" if ours == theirs else " [red]differs[/]"
        table.add_row(channel, str(ours), f"{theirs}{mark}", listed(dict(falling(statuses))))
    return table


def reached_twice(ledger: LedgerSummary) -> int:
    """Messages that got to the same person more than once. A repeated call after a busy line is none."""
    return sum(repeat.reached > 1 for repeat in ledger.repeats)
