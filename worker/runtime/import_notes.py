"""What is left out of rows that are taken: one bad address beside a good one costs nobody, a spoiled column many.

It is told by column: in how many rows, in which first, and why in most of them. An import that goes on where it was
reads the file from its start, so it tells of all of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.runtime.import_row import Note

_WITHOUT: Final = {"phone": "a phone number", "email": "an email address", "language": "a language"}
"""What can be left out. A country is not: whatever is written there stays an attribute."""

_FIRST: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What is left out of one kind of column. `rows`: of how many; `first`: their numbers, not all; `mostly`: why."""

    column: str
    rows: int
    first: tuple[int, ...]
    mostly: str

    def as_json(self) -> dict[str, Any]:
        """For `--json` and reports."""
        return {"column": self.column, "rows": self.rows, "firstRows": list(self.first), "mostly": self.mostly}

    def sentence(self) -> str:
        """For people."""
        rows, were = ("row", "was") if self.rows == 1 else ("rows", "were")
        numbers = ", ".join(map(str, self.first)) + (", …" if self.rows > len(self.first) else "")
        hint = "; is --region the country of these numbers?" if self.column == "phone" else ""
        return (
            f"{self.rows} {rows} {were} taken without {_WITHOUT[self.column]} that cannot be read ({rows} {numbers}):"
            f" it {'mostly ' if self.rows > 1 else ''}{self.mostly}{hint}"
        )


class Tally:
    """Counts what is left out, row by row; it does not grow with the file."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._first: dict[str, list[int]] = {}
        self._why: dict[str, Counter[str]] = {}

    def add(self, row: int, notes: Sequence[Note]) -> None:
        """Count one row that was taken. Of two bad numbers in it the first one counts."""
        for column, why in {note.column: note.why for note in reversed(notes)}.items():
            if column in _WITHOUT:
                self._rows[column] += 1
                self._why.setdefault(column, Counter())[why] += 1
                first = self._first.setdefault(column, [])
                if len(first) < _FIRST:
                    first.append(row)

    def left_out(self) -> tuple[LeftOut, ...]:
        """What was found so far."""
        return tuple(
            LeftOut(
                column=column,
                rows=self._rows[column],
                first=tuple(self._first[column]),
                mostly=self._why[column].most_common(1)[0][0],
            )
            for column in _WITHOUT
            if column in self._rows
        )
