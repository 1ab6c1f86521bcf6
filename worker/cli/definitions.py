"""Commands on definitions: validate, save."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.context import open_runtime
from worker.cli.output import AsJson, show
from worker.runtime.definitions import load_definitions
from worker.runtime.saving import counts, save_definitions
from worker.runtime.settings import load_settings

Files = Annotated[
    list[Path], typer.Argument(metavar="PATH", help="YAML or JSON files, or folders of them.", show_default=False)
]


def validate(files: Files, *, as_json: AsJson = False) -> None:
    """Check definitions and explain every fault, with file, line and a remedy. Nothing is saved.

    For example: campaigns validate examples/renewal
    """
    found = counts(load_definitions(files, default_region=load_settings().default_region))
    show({"valid": True, "documents": found}, as_json=as_json, text=f"valid: {_listed(found)}")


def save(files: Files, *, as_json: AsJson = False) -> None:
    """Check definitions and save them, all or none. The same file saved twice changes nothing.

    For example: campaigns save examples/renewal
    """
    with open_runtime() as rt:
        found = counts(save_definitions(rt, files))
    show({"saved": found}, as_json=as_json, text=f"saved: {_listed(found)}")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items())
