"""`campaigns`: launch campaigns, watch them, run the system on one machine.

Exit codes: 0 done · 1 a fault of ours · 2 the input is wrong, nothing was changed · 3 the surroundings are not ready
(database, Redis, a port, a folder) · 4 not possible in the present state · 130 stopped by Ctrl-C.
"""

import sys
from collections.abc import Callable

import typer

from worker.cli import definitions, holds, runs, services
from worker.cli.errors import guarded

app = typer.Typer(
    name="campaigns",
    help="Outbound campaigns over SMS, email and voice: each person once, nobody lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 a fault of ours, 2 wrong input, 3 surroundings not ready, 4 not possible now.",
)

COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("demo", services.demo),
    ("up", services.up),
    ("validate", definitions.validate),
    ("save", definitions.save),
    ("import", definitions.import_contacts),
    ("launch", runs.launch),
    ("status", runs.status),
    ("report", runs.report),
    ("pause", runs.pause),
    ("resume", runs.resume),
    ("cancel", runs.cancel),
    ("sandbox", services.sandbox),
    ("web", services.web),
    ("migrate", services.migrate),
)
for name, command in COMMANDS:
    app.command(name)(command)
app.add_typer(holds.app)


def main() -> None:
    """Entry point: errors become one sentence and an exit code."""
    sys.exit(guarded(app, sys.argv[1:]))


if __name__ == "__main__":
    main()
