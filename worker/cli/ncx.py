"""`campaigns import-ncx`: takes over what was exported from NCX, and reports on every document."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.context import open_runtime
from worker.cli.errors import Exit
from worker.cli.output import AsJson, show
from worker.runtime import ncx_import
from worker.runtime.ncx_cases import Case
from worker.runtime.ncx_import import Fate, Imported

_WIDTH = 100


def import_ncx(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Exported JSON: documents, lists, pages, bundles.", show_default=False),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report; save nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import campaigns, workflows, functions and dispositions exported from NCX.

    What can run here is saved together; what cannot is left out, with what depends on it and why (exit code 2). The
    same import again changes nothing.

    For example: campaigns import-ncx campaign.json workflows.json functions.json dispositions.json --dry-run
    """
    with open_runtime() as rt:
        imported = ncx_import.import_ncx(rt, files, dry_run=dry_run)
    show(_facts(imported), as_json=as_json, text="\n".join(_page(imported)))
    if not imported.complete:
        raise typer.Exit(Exit.BAD_INPUT)


def _facts(imported: Imported) -> dict[str, Any]:
    """The report for programs."""
    return {
        "dryRun": imported.dry_run,
        "complete": imported.complete,
        "counts": imported.counts,
        "documents": [_document(case, fate) for case, fate in imported.documents],
    }


def _document(case: Case, fate: Fate) -> dict[str, Any]:
    return {
        "type": case.type,
        "id": case.id,
        "name": case.name,
        "file": str(case.found.file),
        "at": list(case.found.at),
        "fate": fate,
        "mapped": case.keys.mapped,
        "kept": case.keys.kept,
        "unset": case.keys.unset,
        "replaced": case.keys.replaced,
        "adjusted": [{"path": one.path, "what": one.what} for one in case.adjusted],
        "faults": [{"path": one.path, "message": one.message, "hint": one.hint} for one in case.faults],
    }


def _page(imported: Imported) -> Iterator[str]:
    """The same for people."""
    for case, fate in imported.documents:
        named = f' "{case.name}"' if case.name else ""
        yield _printable(f"{case.type or 'document'} {case.id or _place(case)}{named}: {fate}")
        for fault in case.faults:
            yield _wrapped(str(fault).removeprefix(": "))
        if not case.faults:
            yield from _keys(case)
    if replaced := sorted({key for case, _ in imported.documents for key in case.keys.replaced}):
        yield f"not taken over, since this installation writes them itself: {', '.join(replaced)}"
    yield ("dry run, nothing was saved; " if imported.dry_run else "") + _summary(imported.counts)


def _keys(case: Case) -> Iterator[str]:
    groups = (
        ("adjusted", [f"{'.'.join(map(str, one.path))} ({one.what})" for one in case.adjusted]),
        (f"kept as it came, without effect here ({len(case.keys.kept)})", case.keys.kept),
    )
    yield _wrapped(f"understood: {len(case.keys.mapped)} keys, {len(case.keys.unset)} empty ones")
    for label, items in groups:
        if items:
            yield _wrapped(f"{label}: {', '.join(items)}")


def _place(case: Case) -> str:
    """Where a document without an id stands."""
    return " ".join((str(case.found.file), ".".join(map(str, case.found.at)))).rstrip()


def _printable(text: str) -> str:
    """Without what would move the cursor: names come from a file."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _wrapped(line: str) -> str:
    return textwrap.fill(
        _printable(line),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(counts: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(f"{fate}: {_listed(kinds.items())}" for fate, kinds in counts.items())


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts)
