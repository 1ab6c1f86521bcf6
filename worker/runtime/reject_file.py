"""Rejected rows as a CSV: line, reason, and the row as it came. Correct it and import it again.

1. The two columns in front are ours: an import makes no attributes of them, and a reject file of a reject file has them
   once.
2. A corrected row is taken whatever its reason still says, but for one: a duplicate needs no correction to be a good
   row, and taken again it would overwrite the row that came first. So it stays rejected until its reason is cleared.
3. A cell that a spreadsheet would run as a formula (`=`, `+`, `-`, `@` in front) is written with a leading apostrophe;
   the import takes it off again. See OWASP, CSV injection.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from worker.store.codec import to_json

ROW: Final = "rejectedRow"
REASON: Final = "rejectedReason"
OURS: Final = frozenset([ROW, REASON])
"""The columns that say where a row was rejected, and why."""

_DUPLICATE: Final = re.compile(r"a duplicate of row \d+", re.ASCII)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class RejectFile:
    """Where rejected rows go. Raises OSError where that cannot be written."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._width = len(header)
        self._places = [place for place, name in enumerate(header) if name not in OURS]
        self._writer.writerow([ROW, REASON, *(_guarded(header[place]) for place in self._places)])
        self.count = 0

    def write(self, row: int, reason: str, cells: Sequence[Any]) -> None:
        if len(cells) == self._width:  # else it is one line, which does not fit under the header
            cells = [cells[place] for place in self._places]
        self._writer.writerow([row, _guarded(reason), *(_guarded(_written(cell)) for cell in cells)])
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def duplicate_of(row: int, kind: str) -> str:
    """Why a row is rejected that is the same person as an earlier one. `kind`: what they have in common."""
    return f"is a duplicate of row {row}: same {kind}; to take it all the same, clear this cell"


def still_duplicate(reason: str) -> str:
    """Why a row is rejected once more whose reason still calls it a duplicate; "" for any other reason."""
    if found := _DUPLICATE.search(reason):
        return f"was {found[0]} of an earlier file and is still marked so; to take it all the same, clear this cell"
    return ""


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
