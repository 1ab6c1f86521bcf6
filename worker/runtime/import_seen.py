"""Who was seen in a file: the earlier row that is the same person.

1. Only hashes are kept, of 64 bits under a key of this process: of four million files of a million people one has two
   that are taken for one.
2. Memory does not grow with the file. The first three million marks are in a table of 50 MB, twelve bytes each, which
   is asked in a third of a microsecond; after them all go to a scratch database that SQLite spills to disk and deletes.
3. Whoever is a duplicate leaves no mark: the next row with what only the duplicate named is somebody new.
"""

import sqlite3
from array import array
from typing import Final, NamedTuple

from worker.store.rows import ContactRow

_FIRST_SLOTS: Final = 1 << 16
_MOST_SLOTS: Final = 1 << 22
_FULL: Final = 0.75
_SETTINGS: Final = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16384", "locking_mode=EXCLUSIVE")


class Twin(NamedTuple):
    """The earlier row of a person, and what tells that it is."""

    row: int
    kind: str


class Seen:
    """The people seen so far. To be used by the thread that made it."""

    def __init__(self, most_slots: int = _MOST_SLOTS) -> None:
        self._most_slots = most_slots
        self._marks: _Table | _Scratch = _Table(min(_FIRST_SLOTS, most_slots))

    def twin(self, row: int, contact: ContactRow) -> Twin | None:
        """The earlier row that is the same person; None if there is none, and this one is known from now on."""
        named = []
        if contact.phone:
            named.append((hash(contact.phone) or 1, "phone"))
        if contact.email:
            named.append((hash(contact.email) or 1, "email"))
        if contact.external_id:
            named.append((hash(f"\0{contact.external_id}") or 1, "external id"))
        found = [Twin(earlier, kind) for mark, kind in named if (earlier := self._marks.row_of(mark))]
        if found:
            return min(found, key=lambda twin: twin.row)
        for mark, _ in named:
            self._marks.put(mark, row)
        if isinstance(self._marks, _Table) and self._marks.is_full:
            self._marks = self._with_room(self._marks)
        return None

    def close(self) -> None:
        """Give the scratch file back."""
        self._marks.close()

    def _with_room(self, full: "_Table") -> "_Table | _Scratch":
        larger = _Table(2 * full.slots) if full.slots < self._most_slots else _Scratch()
        larger.take_all(full)
        return larger


class _Table:
    """Marks and their rows, each in the slot that its last bits say, or in the next free one after it.

    `slots` is a power of two, and at least 16: a row may leave three more marks before there is made room.
    """

    def __init__(self, slots: int) -> None:
        self.slots, self.count = slots, 0
        self.marks, self.rows = array("q", bytes(8 * slots)), array("I", bytes(4 * slots))

    @property
    def is_full(self) -> bool:
        return self.count > self.slots * _FULL

    def row_of(self, mark: int) -> int:
        """The row that left this mark, or 0."""
        marks, last = self.marks, self.slots - 1
        slot = mark & last
        while held := marks[slot]:
            if held == mark:
                return self.rows[slot]
            slot = slot + 1 & last
        return 0

    def put(self, mark: int, row: int) -> None:
        marks, last = self.marks, self.slots - 1
        slot = mark & last
        while marks[slot]:
            slot = slot + 1 & last
        marks[slot], self.rows[slot] = mark, row
        self.count += 1

    def take_all(self, other: "_Table") -> None:
        for mark, row in zip(other.marks, other.rows, strict=True):
            if mark:
                self.put(mark, row)

    def close(self) -> None:
        self.marks, self.rows = array("q"), array("I")


class _Scratch:
    """The same on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for setting in _SETTINGS:
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE seen (mark INTEGER PRIMARY KEY, row INTEGER NOT NULL)")
        self._database.execute("BEGIN")

    def row_of(self, mark: int) -> int:
        found: tuple[int] | None = self._database.execute("SELECT row FROM seen WHERE mark = ?", (mark,)).fetchone()
        return found[0] if found else 0

    def put(self, mark: int, row: int) -> None:
        self._database.execute("INSERT INTO seen VALUES (?, ?)", (mark, row))

    def take_all(self, other: _Table) -> None:
        marks = sorted(pair for pair in zip(other.marks, other.rows, strict=True) if pair[0])
        self._database.executemany("INSERT INTO seen VALUES (?, ?)", marks)

    def close(self) -> None:
        self._database.close()
