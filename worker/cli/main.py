"""`campaigns`: launch campaigns, watch them, run the system on one machine.

Exit codes: 0 done · 1 a fault of ours · 2 the input is wrong, nothing was changed · 3 the surroundings are not ready
(database, Redis, a port, a folder) · 4 not possible in the present state · 130 stopped by Ctrl-C.
"""

import sys
from collections.abc import Callable

import typer

from worker.cli import (
    access,
    audience_preview,
    audiences,
    definitions,
    events,
    history,
    holds,
    launches,
    ncx,
    runs,
    schedules,
    services,
    tokens,
)
from worker.cli.errors import guarded

app = typer.Typer(
    name="campaigns",
    help="Outbound campaigns over SMS, email and voice: each person once, nobody lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 a fault of ours, 2 wrong input, 3 surroundings not ready, 4 not possible now.",
)

COMMANDS: tuple[tuple[str, Callable[..., None], access.Access], ...] = (
    ("demo", services.demo, access.MACHINE),
    ("up", services.up, access.MACHINE),
    ("validate", definitions.validate, access.MACHINE),
    ("save", definitions.save, access.OF_THE_TYPE),
    ("import", audiences.import_contacts, access.IMPORT_CONTACTS),
    ("import-ncx", ncx.import_ncx, access.OF_THE_TYPE),
    ("history", history.history, access.OF_THE_TYPE),
    ("audience", audience_preview.audience, access.PREVIEW_AUDIENCES),
    ("launch", launches.launch, access.RUN_CAMPAIGNS),
    ("status", runs.status, access.READ_CAMPAIGNS),
    ("report", runs.report, access.READ_CAMPAIGNS),
    ("log", runs.log, access.READ_CAMPAIGNS),
    ("start", runs.start, access.RUN_CAMPAIGNS),
    ("pause", runs.pause, access.STOP_CAMPAIGNS),
    ("resume", runs.resume, access.STOP_CAMPAIGNS),
    ("cancel", runs.cancel, access.STOP_CAMPAIGNS),
    ("close", runs.close, access.RUN_CAMPAIGNS),
    ("schedule preview", schedules.preview, access.READ_CAMPAIGNS),
    ("holds list", holds.list_held, access.READ_CAMPAIGNS),
    ("holds settle", holds.settle, access.RUN_CAMPAIGNS),
    ("events list", events.list_known, access.READ_EVENTS),
    ("events show", events.show_one, access.READ_EVENTS),
    ("events replay", events.replay, access.WRITE_EVENTS),
    ("tokens create", tokens.create, access.GIVE_TOKENS),
    ("tokens list", tokens.list_all, access.GIVE_TOKENS),
    ("tokens revoke", tokens.revoke, access.GIVE_TOKENS),
    ("sandbox", services.sandbox, access.MACHINE),
    ("web", services.web, access.MACHINE),
    ("migrate", services.migrate, access.MACHINE),
)
"""Every command, in the order of the help, with the scopes it needs."""

GROUPS = {
    "schedule": "When campaigns start.",
    "events": "Events that bring people into campaigns: list them, look into one, replay what came to nothing.",
    "holds": "Messages that may or may not have left: list them, settle them.",
    "tokens": "API tokens: create, list, revoke.",
}

_groups = {name: typer.Typer(name=name, help=text, no_args_is_help=True) for name, text in GROUPS.items()}
for _name, _command, _access in COMMANDS:
    _group, _, _word = _name.rpartition(" ")
    (_groups[_group] if _group else app).command(_word)(access.needing(_access, _command))
for _group_app in _groups.values():
    app.add_typer(_group_app)


def main() -> None:
    """Entry point: errors become one sentence and an exit code."""
    sys.exit(guarded(app, sys.argv[1:]))


if __name__ == "__main__":
    main()
