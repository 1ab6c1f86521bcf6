"""The history of a document, for people: who changed what, when, from what to what."""

from collections.abc import Iterator
from typing import Annotated, Any

import orjson
import typer

from worker.cli.context import open_runtime
from worker.cli.output import AsJson, show
from worker.schema.drafts import Wire
from worker.store.codec import moment


def history(
    type_name: Annotated[str, typer.Argument(metavar="TYPE", help="Like campaign or workflow.", show_default=False)],
    document_id: Annotated[str, typer.Argument(metavar="ID", help="The document's id.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Show who changed a document, when, and what from what to what. Deleted ones have a history too.

    For example: campaigns history campaign renewal-q4
    """
    with open_runtime() as rt:
        entries = rt.schema.history(rt.actor, type_name, document_id)
    text = "\n".join(line for entry in entries for line in _lines(entry))
    show({"history": entries}, as_json=as_json, text=text)


def _lines(entry: Wire) -> Iterator[str]:
    yield f"{moment(entry['at']):%Y-%m-%d %H:%M:%S} UTC  {entry['action']} by {entry['by'] or 'nobody named'}"
    for change in entry["changes"]:
        if "from" not in change:
            yield f"  {change['path']}: {_value(change['to'])}"
        elif "to" not in change:
            yield f"  {change['path']}: removed, was {_value(change['from'])}"
        else:
            yield f"  {change['path']}: {_value(change['from'])} -> {_value(change['to'])}"


def _value(value: Any) -> str:
    return orjson.dumps(value).decode()
