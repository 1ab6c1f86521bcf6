"""Who was seen in a file: the earlier row that is the same person.

1. Only hashes are kept, under a key of this process. Of a hundred thousand files of a million people one has two that
   are taken for one.
2. Memory does not grow with the file. The first three million marks are in a table of 33 MB, which is asked in a third
   of a microsecond; those after them in a scratch database that SQLite spills to disk and deletes.
3. Whoever is a duplicate leaves no mark: the next row with what only the duplicate named is somebody new.
"""

import sqlite3
from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.runtime.import_row import Person

_SLOTS: Final = 1 << 22
_FULL: Final = 0.75
_ROW_BITS: Final = 24
_LAST_ROW: Final = (1 << _ROW_BITS) - 1
_KINDS: Final = ("phone", "email", "external id")
_SETTINGS: Final = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-8192", "locking_mode=EXCLUSIVE")


class Twin(NamedTuple):
    """The earlier row of a person, and what tells that it is."""

    row: int
    kind: str


class Seen:
    """The people seen so far. To be used by the thread that made it.

    A slot of the table has the first 40 bits of a mark and the row that left it. It is the one that the mark's last
    bits say, or the next free one after it. `slots` is a power of two.
    """

    def __init__(self, slots: int = _SLOTS) -> None:
        self._table, self._last = array("q", [0]) * slots, slots - 1
        self._room = int(slots * _FULL)
        self._scratch: _Scratch | None = None

    def twin(self, row: int, contact: Person) -> Twin | None:
        """The earlier row that is the same person; None if there is none, and this one is known from now on."""
        phone, email, external_id = contact.phone, contact.email, contact.external_id
        marks = []
        if phone:
            marks.append(hash(phone))
        if email:
            marks.append(hash(email))
        if external_id:
            marks.append(~hash(external_id))  # the same text as an address is something else
        if earlier := self._claim(row, marks):
            kinds = [kind for kind, value in zip(_KINDS, (phone, email, external_id), strict=True) if value]
            return min((Twin(other, kinds[place]) for place, other in earlier), key=lambda twin: twin.row)
        return None

    def close(self) -> None:
        """Give the scratch file back."""
        if self._scratch:
            self._scratch.close()

    def _claim(self, row: int, marks: Sequence[int]) -> list[tuple[int, int]]:
        """Leave these marks for a row, or none if some are there: then their places among `marks`, and whose they are.

        It is called for every row there is, so it does all in one place.
        """
        table, last = self._table, self._last
        free: list[int] = []
        earlier: list[tuple[int, int]] = []
        for mark in marks:
            slot = mark & last
            while held := table[slot]:
                if (held ^ mark) >> _ROW_BITS:
                    slot = slot + 1 & last
                else:
                    earlier.append((len(free) + len(earlier), held & _LAST_ROW))
                    break
            else:
                free.append(slot)
        if self._scratch:
            earlier += self._scratch.rows_of(marks)
        if earlier:
            return earlier
        self._room -= len(marks)
        if self._room < 0 or row > _LAST_ROW:
            self._scratch = self._scratch or _Scratch()
            self._scratch.put(marks, row)
            return []
        for mark, slot in zip(marks, free, strict=True):
            while table[slot]:  # another mark of this row has just taken it
                slot = slot + 1 & last  # noqa: PLW2901 - the next one then
            table[slot] = mark & ~_LAST_ROW | row
        return []


class _Scratch:
    """Marks on the disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for setting in _SETTINGS:
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE seen (mark INTEGER PRIMARY KEY, row INTEGER NOT NULL)")
        self._database.execute("BEGIN")

    def rows_of(self, marks: Sequence[int]) -> list[tuple[int, int]]:
        """The places of the marks that are here, and the rows that left them."""
        ask = "SELECT row FROM seen WHERE mark = ?"
        found = ((place, self._database.execute(ask, (mark,)).fetchone()) for place, mark in enumerate(marks))
        return [(place, row[0]) for place, row in found if row]

    def put(self, marks: Sequence[int], row: int) -> None:
        self._database.executemany("INSERT INTO seen VALUES (?, ?)", [(mark, row) for mark in marks])

    def close(self) -> None:
        self._database.close()
