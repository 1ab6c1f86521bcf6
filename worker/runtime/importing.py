"""From a file to contacts: normalized, checked, each person once; what cannot be used is given back with its reason.

1. Memory does not grow with the file: rows are streamed, and who was seen is kept on disk (`import_seen.py`).
2. A person is known by external id, number or mail address. The first row of a person wins, also where the others are
   imported again from the reject file as they are.
3. An opt-out is heard wherever it stands: also in a row that is a duplicate, or rejected for another reason.
4. A reason names the column and the remedy, never the address.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

from worker.domain.addresses import REGIONS
from worker.runtime.contact_file import ContactFile, FileFormat, Progress, UnreadableFile, nobody
from worker.runtime.csv_file import open_csv
from worker.runtime.import_columns import Columns, columns_of
from worker.runtime.import_row import Imported, Rejected, read_row
from worker.runtime.import_seen import Seen
from worker.runtime.json_lines_file import open_json_lines
from worker.runtime.parquet_file import open_parquet
from worker.runtime.reject_file import duplicate_of

_SUFFIXES: Final = {
    ".jsonl": FileFormat.JSON_LINES,
    ".ndjson": FileFormat.JSON_LINES,
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
}
"""Anything else is a CSV until it proves otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A file that can be imported: it can be read, and its columns are understood."""

    file: ContactFile
    columns: Columns
    default_region: str

    def contacts(self, progress: Progress = nobody) -> Iterator[Imported | Rejected]:
        """One answer for every row that is not blank, in order."""
        with closing(Seen()) as seen:
            for row in self.file.rows(progress):
                if row.fault:
                    yield Rejected(row.number, row.fault, row.cells)
                    continue
                found = read_row(row, self.columns, self.default_region)
                if isinstance(found, Imported) and (twin := seen.twin(row.number, found.contact)):
                    yield Rejected(row.number, duplicate_of(twin.row, twin.kind), row.cells, found.suppressions)
                else:
                    yield found


def open_audience(
    path: Path,
    *,
    default_region: str = "US",
    file_format: FileFormat | None = None,
    encoding: str = "",
    delimiter: str = "",
    called: Mapping[str, str] | None = None,
) -> Audience:
    """Look at a file before anything is imported. Raises UnreadableFile (nothing was imported) or OSError.

    `default_region` (ISO 3166) is the country of numbers without a country code, where the row has no country either.
    `file_format`: by the file's suffix if None. `called`: columns and what they are to be read as.
    """
    if default_region not in REGIONS:
        raise UnreadableFile(f"there is no country {default_region!r}; give two letters of ISO 3166, like US or GB")
    if path.exists() and not path.is_dir() and not path.is_file():
        raise UnreadableFile(f"{path}: is no file on a disk, and has to be read twice; save it as one")
    file = _opened(path, file_format or _SUFFIXES.get(path.suffix.lower(), FileFormat.CSV), encoding, delimiter)
    try:
        columns = columns_of(file.header, called)
    except UnreadableFile as error:
        raise UnreadableFile(f"{path}: {error}") from None
    return Audience(file=file, columns=columns, default_region=default_region)


def _opened(path: Path, file_format: FileFormat, encoding: str, delimiter: str) -> ContactFile:
    match file_format:
        case FileFormat.CSV:
            return open_csv(path, encoding=encoding, delimiter=delimiter)
        case FileFormat.JSON_LINES:
            return open_json_lines(path, encoding=encoding)
        case FileFormat.PARQUET:
            return open_parquet(path)
        case _:
            assert_never(file_format)


def read_contacts(path: Path, *, default_region: str = "US") -> Iterator[Imported | Rejected]:
    """The contacts of a file and the rows that are none. Raises UnreadableFile before the first one."""
    return open_audience(path, default_region=default_region).contacts()
