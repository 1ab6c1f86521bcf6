"""From a CSV to contacts: normalized, checked, each person once; what cannot be used is given back with its reason.

1. Memory does not grow with the file: rows are streamed, and who was seen is kept on disk, as digests.
2. A person is known by external id, number or mail address. The first row of a person wins.
3. An opt-out is heard wherever it stands: also in a row that is a duplicate, or rejected for another reason.
4. A reason names the column and the remedy, never the address.
"""

import csv
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from worker.domain.addresses import REGIONS
from worker.runtime.csv_file import CsvFile, Row, UnreadableFile, open_csv
from worker.runtime.import_columns import Columns, columns_of
from worker.runtime.import_row import read_row
from worker.store.rows import ContactRow, Suppression

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A row that is a contact. `notes` say what of it could not be used, like a broken number beside a good address."""

    row: int
    contact: ContactRow = field(repr=False)
    suppressions: tuple[Suppression, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A row that is no contact, or one we have. Its `suppressions` hold all the same."""

    row: int
    reason: str
    cells: tuple[str, ...] = field(default=(), repr=False)
    suppressions: tuple[Suppression, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A CSV file that can be imported: it can be read, and its columns are understood."""

    file: CsvFile
    columns: Columns
    default_region: str

    def contacts(self) -> Iterator[Imported | Rejected]:
        """One answer for every row that is not blank, in order."""
        with closing(_Seen()) as seen:
            for row in self.file.rows():
                yield self._read(row, seen)

    def _read(self, row: Row, seen: "_Seen") -> Imported | Rejected:
        if row.fault:
            return Rejected(row=row.number, reason=row.fault, cells=row.cells)
        reading = read_row([_unguarded(cell) for cell in row.cells], self.columns, self.default_region)
        if reading.faults:
            reason = "; ".join(reading.faults)
        elif twin := seen.twin(row.number, reading.contact):
            reason = f"is a duplicate of row {twin[0]}: same {twin[1]}"
        else:
            return Imported(
                row=row.number, contact=reading.contact, suppressions=reading.suppressions, notes=reading.notes
            )
        return Rejected(row=row.number, reason=reason, cells=row.cells, suppressions=reading.suppressions)


def open_audience(path: Path, *, default_region: str = "US", encoding: str = "", delimiter: str = "") -> Audience:
    """Look at a file before anything is imported. Raises UnreadableFile (nothing was imported) or OSError.

    `default_region` (ISO 3166) is the country of numbers without a country code, where the row has no country either.
    """
    if default_region not in REGIONS:
        raise UnreadableFile(f"there is no country {default_region!r}; give two letters of ISO 3166, like US or GB")
    file = open_csv(path, encoding=encoding, delimiter=delimiter)
    try:
        columns = columns_of(file.header)
    except UnreadableFile as error:
        raise UnreadableFile(f"{path}: {error}") from None
    return Audience(file=file, columns=columns, default_region=default_region)


def read_contacts(path: Path, *, default_region: str = "US") -> Iterator[Imported | Rejected]:
    """The contacts of a CSV file and the rows that are none. Raises UnreadableFile before the first one."""
    return open_audience(path, default_region=default_region).contacts()


class RejectFile:
    """Rejected rows as a CSV: line, reason, and the row as it came. Correct it and import it again.

    A cell that a spreadsheet would run as a formula (`=`, `+`, `-`, `@` in front) is written with a leading
    apostrophe; the import takes it off again. See OWASP, CSV injection.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["rejectedRow", "rejectedReason", *map(_guarded, header)])
        self.count = 0

    def write(self, rejected: Rejected) -> None:
        self._writer.writerow([rejected.row, _guarded(rejected.reason), *map(_guarded, rejected.cells)])
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


class _Seen:
    """Who was seen in this file. A scratch database that SQLite spills to disk and deletes; it holds digests only."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16384"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, row INTEGER, kind TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def twin(self, row: int, contact: ContactRow) -> tuple[int, str] | None:
        """The earlier row that is the same person, and by what; None if there is none, and this one is now known."""
        marks = (("phone", contact.phone), ("email", contact.email), ("external id", contact.external_id))
        keys = [
            (blake2b(f"{kind}:{value}".encode(), digest_size=16).digest(), row, kind) for kind, value in marks if value
        ]
        placeholders = ",".join("?" * len(keys))
        found: tuple[int, str] | None = self._database.execute(
            f"SELECT row, kind FROM seen WHERE digest IN ({placeholders}) ORDER BY row LIMIT 1",  # noqa: S608 - question marks only
            [digest for digest, _, _ in keys],
        ).fetchone()
        if not found:
            self._database.executemany("INSERT INTO seen VALUES (?, ?, ?)", keys)
        return found

    def close(self) -> None:
        self._database.close()


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
