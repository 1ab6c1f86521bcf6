"""`campaigns`: launch campaigns, watch them, run the system on one machine.

Exit codes: 0 done · 1 a fault of ours · 2 the input is wrong, nothing was changed · 3 the surroundings are not ready
(database, Redis, a port, a folder) · 4 not possible in the present state · 130 stopped by Ctrl-C.
"""

import gc
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand

from worker.cli.access import needing
from worker.cli.commands import COMMANDS, GROUPS, Command
from worker.cli.errors import guarded

_STYLE: Final[dict[str, Any]] = {"pretty_exceptions_enable": False, "rich_markup_mode": "rich"}


class Later(TyperCommand):
    """A command of which only the row is known. Typer calls its function for the real one when somebody types it."""

    def make_context(self, *words: Any, **options: Any) -> Any:
        """Where Typer begins to read what follows the command's name."""
        real: Callable[[], Any] = self.callback  # type: ignore[assignment]  # each has one
        return real().make_context(*words, **options)


def _later(row: Command) -> Callable[[], Any]:
    """What imports the command of this row, and makes Typer's command of it."""

    def real() -> Any:
        module, _, function = row.place.partition(".")
        alone = typer.Typer(add_completion=False, **_STYLE)
        alone.command()(needing(row.access, getattr(import_module(f"worker.cli.{module}"), function)))
        return typer.main.get_command(alone)

    return real


app = typer.Typer(
    name="campaigns",
    help="Outbound campaigns over SMS, email and voice: each person once, nobody lost.",
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 a fault of ours, 2 wrong input, 3 surroundings not ready, 4 not possible now.",
    **_STYLE,
)
_groups = {name: typer.Typer(name=name, help=text, no_args_is_help=True) for name, text in GROUPS.items()}
for _row in COMMANDS:
    _group, _, _word = _row.words.rpartition(" ")
    (_groups[_group] if _group else app).command(_word, cls=Later, help=_row.line)(_later(_row))
for _group_app in _groups.values():
    app.add_typer(_group_app)


def main() -> None:
    """Entry point: errors become one sentence and an exit code."""
    # Looking for garbage in what was imported would take a third of the time of a short command.
    gc.set_threshold(50_000, 20, 20)
    code = guarded(app, sys.argv[1:])
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
