"""Rejected rows as a CSV: line, reason, and the row as it came. Correct it and import it again.

A cell that a spreadsheet would run as a formula (`=`, `+`, `-`, `@` in front) is written with a leading apostrophe; the
import takes it off again. See OWASP, CSV injection.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from worker.store.codec import to_json

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class RejectFile:
    """Where rejected rows go. Raises OSError where that cannot be written."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["rejectedRow", "rejectedReason", *map(_guarded, header)])
        self.count = 0

    def write(self, row: int, reason: str, cells: Sequence[Any]) -> None:
        self._writer.writerow([row, _guarded(reason), *(_guarded(_written(cell)) for cell in cells)])
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def unguarded(cells: Sequence[Any]) -> Sequence[Any]:
    """Cells as they were before they were guarded."""
    try:
        if "'" not in "".join(cells):
            return cells
    except TypeError:  # not all is text
        pass
    return [_unguarded(cell) if isinstance(cell, str) else cell for cell in cells]


def _written(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    return "" if cell is None else to_json(cell)


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
