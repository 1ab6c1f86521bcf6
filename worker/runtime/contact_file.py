"""A file of people, however it is written: a header, and rows of cells under it.

1. What is wrong with the file as a whole is found before its first row is used: a refused file imports nothing.
2. A row that cannot be read costs itself only.
3. The same file gives the same rows, so that an import that was killed finds the place where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol

MAX_COLUMNS: Final = 1000
_NAMES_SHOWN: Final = 10
_BLOCK: Final = 1 << 20


class FileFormat(StrEnum):
    """What a file of people may be written in."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"


class UnreadableFile(ValueError):
    """The file as a whole cannot be imported; nothing was. The text says why and what to do."""


class Row(NamedTuple):
    """One row, numbered by the line it starts on. `fault` says why its cells cannot be used, or is empty.

    Cells are text, or any JSON value where the file has such.
    """

    number: int
    cells: Sequence[Any]
    fault: str = ""

    def __repr__(self) -> str:
        return f"Row(number={self.number}, fault={self.fault!r})"


Progress = Callable[[int], None]
"""Is told how many bytes of the file have been read."""


class ContactFile(Protocol):
    """A file that can be read. `digest` is that of its content."""

    @property
    def path(self) -> Path: ...

    @property
    def digest(self) -> str: ...

    @property
    def header(self) -> Sequence[str]: ...

    def rows(self, progress: Progress = ...) -> Iterator[Row]:
        """Every row that is not blank, in order; each has a cell for each name of the header, unless it has a fault."""


def nobody(_: int) -> None:
    """Who does not want to know of any progress."""


def require_columns(path: Path, header: Sequence[str]) -> None:
    """Raises UnreadableFile where there are more than anybody names."""
    if len(header) > MAX_COLUMNS:
        raise UnreadableFile(
            f"{path}: has {len(header):,} columns, of which at most {MAX_COLUMNS:,} can be imported;"
            " is the delimiter right? Else leave columns out"
        )


def named(header: Sequence[str]) -> str:
    """The first names of a header, for a sentence that a terminal can show."""
    names = ["".join(mark if mark.isprintable() else "?" for mark in name) for name in header if name]
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return (", ".join(name[:40] for name in names[:_NAMES_SHOWN]) or "none") + more


def read_so_far(file: IO[str]) -> int:
    """How many bytes of a file on the disk have been read."""
    place: int = getattr(file, "buffer").tell()  # noqa: B009 - every text file that `open` makes has one
    return place


def digest_of(path: Path) -> str:
    """The digest of a file's content."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
