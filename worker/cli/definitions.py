"""Commands on definitions and audiences: validate, save, import."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.errors import Exit, Stop

Files = Annotated[
    list[Path], typer.Argument(metavar="PATH", help="YAML or JSON files, or folders of them.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text, errors too.")]


def validate(files: Files, *, as_json: AsJson = False) -> None:
    """Check definitions and explain every fault, with file, line and a remedy. Nothing is saved.

    For example: campaigns validate examples/renewal
    """
    from worker.cli.output import show
    from worker.runtime.definitions import load_definitions
    from worker.runtime.saving import counts
    from worker.runtime.settings import load_settings

    found = counts(load_definitions(files, default_region=load_settings().default_region))
    show({"valid": True, "documents": found}, as_json=as_json, text=f"valid: {_listed(found)}")


def save(files: Files, *, as_json: AsJson = False) -> None:
    """Check definitions and save them, all or none. The same file saved twice changes nothing.

    For example: campaigns save examples/renewal
    """
    from worker.cli.context import open_runtime
    from worker.cli.output import show
    from worker.runtime.saving import counts, save_definitions

    with open_runtime() as rt:
        found = counts(save_definitions(rt, files))
    show({"saved": found}, as_json=as_json, text=f"saved: {_listed(found)}")


def import_contacts(
    file: Annotated[
        Path, typer.Argument(metavar="CSV", help="A CSV file; its first line names the columns.", show_default=False)
    ],
    *,
    contact_list: Annotated[str, typer.Option("--list", help="Name of the contact list; default: the file's.")] = "",
    region: Annotated[str, typer.Option(help="Country of numbers without one, like US; default: DEFAULT_REGION.")] = "",
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go; default: FILE.rejects.csv.")] = None,
    encoding: Annotated[str, typer.Option(help="How the file is written, like cp1252; default: found out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Import contacts. Rejected rows go to a file, each with its reason. Importing the same file twice is harmless.

    For example:

    campaigns import examples/renewal/contacts.csv --list renewal

    campaigns import kunden.csv --region DE --encoding cp1252
    """
    from worker.cli.context import open_runtime
    from worker.cli.output import show
    from worker.runtime.audience import import_file

    with open_runtime() as rt:
        result = import_file(
            rt,
            file,
            list_name=contact_list or file.stem,
            region=region or rt.settings.default_region,
            rejects=rejects or file.parent / f"{file.stem}.rejects.csv",
            encoding=encoding,
        )
    if not result.accepted:
        raise Stop(f"{file}: no row can be used; {result.sentence()}", Exit.BAD_INPUT)
    show(result.as_json(), as_json=as_json, text=result.sentence())


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items())
