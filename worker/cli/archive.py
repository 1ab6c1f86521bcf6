"""The command that moves ended runs out of the database, into files."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.output import AsJson, show
from worker.domain.durations import parse_duration
from worker.runtime.archiving import Archived, Refused, archive_older, try_to_archive
from worker.runtime.bootstrap import Runtime
from worker.runtime.reports import resolve_run

Outcomes = Iterator[Archived | Refused]


def archive(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Their ids, or `last`.", show_default=False)
    ] = None,
    *,
    older_than: Annotated[
        str, typer.Option(metavar="DURATION", help="All runs that ended so long ago: 90d, 26 weeks.")
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where a folder for each run is made; else `archive` in DATA_DIR."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Move ended runs out of the database into Parquet files. What they came to stays; so does whom not to contact.

    The files hold addresses and texts; only their owner may read them. What was stopped goes on when it is said again.

    For example: campaigns archive --older-than 90d
    """
    work = _work(runs or [], older_than, to)
    with open_runtime() as rt:
        found = []
        for one in work(rt):
            found.append(one)
            if not as_json:
                show({}, as_json=False, text=_line(one))
    if as_json:
        show({"runs": [_said(one) for one in found]}, as_json=True, text="")
    elif not found:
        show({}, as_json=False, text=f"no run ended more than {older_than} ago that is not archived yet")
    if runs and any(isinstance(one, Refused) for one in found):
        raise typer.Exit(Exit.NOT_NOW)


def _work(runs: list[str], older_than: str, to: Path | None) -> Callable[[Runtime], Outcomes]:
    """What is to be done, once there is a database. Raises Stop."""
    if bool(runs) == bool(older_than):
        raise Stop("name the runs to archive, or say --older-than 90d", Exit.BAD_INPUT)
    if runs:
        return partial(_each, runs=runs, to=to)
    if older_than.strip().isdigit():
        raise Stop(f"--older-than {older_than}: of what? Say a unit, as in {older_than.strip()}d", Exit.BAD_INPUT)
    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise Stop(f"--older-than {older_than!r} {error}", Exit.BAD_INPUT) from None
    return partial(archive_older, age=age, to=to)


def _each(rt: Runtime, runs: Iterable[str], to: Path | None) -> Outcomes:
    for run_id in [resolve_run(rt, run) for run in dict.fromkeys(runs)]:
        yield try_to_archive(rt, run_id, to)


def _line(one: Archived | Refused) -> str:
    if isinstance(one, Refused):
        return f"{one.run_id} stays: {one.reason}"
    counted = ", ".join(f"{count} {table}" for table, count in one.rows.items())
    return f"{one.run_id} is archived in {one.folder}: {counted}"


def _said(one: Archived | Refused) -> dict[str, Any]:
    if isinstance(one, Refused):
        return {"runId": one.run_id, "archived": False, "reason": one.reason}
    return {"runId": one.run_id, "archived": True, "folder": one.folder, "rows": one.rows}
