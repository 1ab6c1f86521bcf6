"""Commands on audiences: import."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.output import AsJson, show
from worker.runtime.contact_file import FileFormat
from worker.runtime.import_file import import_file


def import_contacts(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A CSV, JSON Lines or Parquet file of people.", show_default=False),
    ],
    *,
    contact_list: Annotated[
        str | None, typer.Option("--list", help="Name of the contact list; default: the file's.", show_default=False)
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=MEANING",
            help="What a column is: phone, email, externalId, timezone, language, country, optOut, an attribute's name,"
            ' or nothing to leave it out. Repeat it for others: --map "Handy 2=phone" --map Notiz=',
            show_default=False,
        ),
    ] = None,
    region: Annotated[str, typer.Option(help="Country of numbers without one, like US; default: DEFAULT_REGION.")] = "",
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go; default: FILE.rejects.csv.")] = None,
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="What the file is; default: by its suffix, else CSV.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="How the file is written, like cp1252; default: found out.")] = "",
    delimiter: Annotated[str, typer.Option(help="What stands between cells, like ; or tab; default: found out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Import contacts. Rejected rows go to a file, each with its reason. Importing the same file twice is harmless.

    An import that was stopped goes on where it was when it is started again.

    For example:

    campaigns import examples/renewal/contacts.csv --list renewal

    campaigns import kunden.csv --region DE --encoding cp1252 --map "Tarif 2026=plan"
    """
    if contact_list is not None and not contact_list.strip():
        raise Stop("--list: a contact list needs a name; give one, or leave --list out", Exit.BAD_INPUT)
    called = _called(columns or [])
    with open_runtime() as rt, _bar(file, shown=not as_json) as progress:
        result = import_file(
            rt,
            file,
            list_name=contact_list or file.stem,
            region=region or rt.settings.default_region,
            rejects=rejects or file.parent / f"{file.stem}.rejects.csv",
            encoding=encoding,
            delimiter=delimiter,
            file_format=file_format,
            called=called,
            progress=progress,
        )
    if not result.accepted:
        raise Stop(f"{file}: no row can be used; {result.sentence()}", Exit.BAD_INPUT)
    show(result.as_json(), as_json=as_json, text=result.sentence())


def _called(columns: Sequence[str]) -> dict[str, str]:
    """Columns and what they are to be read as. The last = divides: what a column means has none in it."""
    called: dict[str, str] = {}
    for text in columns:
        column, equals, meaning = text.rpartition("=")
        if not equals or not column.strip():
            raise Stop(f"--map {text!r}: write COLUMN=MEANING, like --map Handy=phone", Exit.BAD_INPUT)
        if column.strip() in called:
            raise Stop(f"--map names the column {column.strip()!r} twice; name it once", Exit.BAD_INPUT)
        called[column.strip()] = meaning.strip()
    return called


@contextmanager
def _bar(file: Path, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar of the file's bytes on a terminal; elsewhere nothing."""
    out = Console(stderr=True)
    if not shown or not out.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn(file.name), BarColumn(), TaskProgressColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=file.stat().st_size if file.is_file() else None)
        yield lambda place: bar.update(task, completed=place)
