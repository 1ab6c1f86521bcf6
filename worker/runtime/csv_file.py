"""Reading a CSV of any size: its delimiter, its rows, in constant memory.

1. A row that cannot be read costs itself only. After an unclosed quote the lines it swallowed are read again.
2. A row is numbered by the line it starts on; the header is line 1.
3. Lines without a quote are rows, so a million of them are left to the csv module, some thousand at a time; only where
   there are quotes is each row watched.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from worker.runtime.contact_file import Progress, Row, UnreadableFile, nobody, read_so_far, require_columns
from worker.runtime.text_encoding import BLOCK, look_at

_DELIMITERS: Final = ",;\t|"
_NAMED: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_AT_ONCE: Final = 1 << 18
_MAX_LINES: Final = 100
"""A cell of more lines than this is an unclosed quote."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A CSV file whose encoding, delimiter and header are known. `rows` streams what stands below the header."""

    path: Path
    digest: str
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    skip: int = 1
    """Lines up to and with the header."""

    def rows(self, progress: Progress = nobody) -> Iterator[Row]:
        """Every row that is not blank, in order."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            for _ in range(self.skip):
                file.readline()
            lines = _Lines(file, self.skip, progress)
            while lines.load():
                if '"' not in "".join(lines.waiting):
                    yield from _plain(lines, self.delimiter, len(self.header))
                yield from _watched(lines, self.delimiter, len(self.header))


def open_csv(path: Path, *, encoding: str = "", delimiter: str = "") -> CsvFile:
    """Find out how the file is written. Raises UnreadableFile, or OSError."""
    delimiter = _NAMED.get(delimiter.lower(), delimiter)
    if delimiter and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise UnreadableFile(f"{delimiter!r} is no delimiter; name one character, or tab")
    text = look_at(path, encoding)
    with path.open(encoding=text.encoding, newline="") as file:
        first, skip = file.readline(BLOCK), 1
        if first.lower().startswith("sep=") and len(first.strip("\r\n")) == len("sep=,"):  # Excel's own way to say it
            delimiter, first, skip = first.strip("\r\n")[-1], file.readline(BLOCK), 2
    if _CONTROL.search(first.replace(delimiter, "") if delimiter else first):
        raise UnreadableFile(f"{path}: is not text; export it as CSV UTF-8")
    if not first.strip():
        raise UnreadableFile(f"{path}: has no header; the first line must name the columns, like phone,email,firstName")
    likely = max(_DELIMITERS, key=lambda mark: len(_cells(path, first, mark)))
    header = tuple(name.strip() for name in _cells(path, first, delimiter or likely))
    if len(header) == 1 and delimiter and len(_cells(path, first, likely)) > 1:
        raise UnreadableFile(
            f"{path}: the first line has no {delimiter!r}, but {likely!r}; leave --delimiter out, or name that one"
        )
    require_columns(path, header)
    return CsvFile(
        path=path,
        digest=text.digest,
        encoding=text.encoding,
        delimiter=delimiter or likely,
        header=header,
        skip=skip,
    )


class _Lines:
    """The lines of a text file, some thousand at a time."""

    def __init__(self, file: IO[str], skipped: int, progress: Progress) -> None:
        self._file, self._progress = file, progress
        self.number = skipped + 1
        """That of the first line that waits."""
        self.waiting: deque[str] = deque()
        """Lines that are read and not used."""

    def load(self) -> bool:
        """Read on where no line is waiting. False at the end of the file."""
        if not self.waiting and (lines := self._file.readlines(_AT_ONCE)):
            self.waiting.extend(lines)
            self._progress(read_so_far(self._file))
        return bool(self.waiting)

    def take(self) -> str:
        """Use the first line that waits."""
        self.number += 1
        return self.waiting.popleft()

    def give_back(self, lines: Sequence[str]) -> None:
        """These, which were used last, are not used after all."""
        self.number -= len(lines)
        self.waiting.extendleft(reversed(lines))


def _cells(path: Path, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise UnreadableFile(f"{path}: the first line {_sentence(error, lines=1)}") from None


def _plain(lines: _Lines, delimiter: str, width: int) -> Iterator[Row]:
    """The rows of waiting lines, which have no quotes. From one on that cannot be read they are left waiting."""
    first, given = lines.number, list(lines.waiting)
    number = first - 1
    try:
        for number, found in enumerate(csv.reader(given, delimiter=delimiter, quoting=csv.QUOTE_NONE), start=first):
            cells = list(map(str.strip, found))
            if not any(cells):
                continue
            if len(cells) == width:
                yield Row(number, cells)
            else:
                yield Row(number, (given[number - first].strip(),), _misfit(cells, width))
    except csv.Error:
        pass
    for _ in range(number + 1 - first):
        lines.take()


def _watched(lines: _Lines, delimiter: str, width: int) -> Iterator[Row]:
    """The rows of waiting lines, and of those after them that the last row reaches into."""
    taken: list[str] = []

    def feed() -> Iterator[str]:
        while len(taken) < _MAX_LINES and lines.load():
            taken.append(lines.take())
            yield taken[-1]

    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    while lines.waiting:
        number = lines.number
        taken.clear()
        try:
            cells, fault = [cell.strip() for cell in next(reader, ())], ""
        except csv.Error as error:
            cells, fault = [], _sentence(error, len(taken))
        text = taken[0].strip()
        fault = fault or _misfit(cells, width)
        if fault:
            lines.give_back(taken[1:])  # they may be people's rows that a stray quote swallowed
            reader = csv.reader(feed(), delimiter=delimiter, strict=True)
        if fault and text:
            yield Row(number, (text,), fault)
        elif any(cells):
            yield Row(number, cells)


def _misfit(cells: list[str], width: int) -> str:
    """Why a row does not fit under the header, or "". Even an empty cell too many may have shifted the others."""
    if len(cells) == width or not any(cells):
        return ""
    remedy = "is a delimiter missing?" if len(cells) < width else "a cell with the delimiter in it needs quotes"
    return f"has {len(cells)} columns where the header has {width}; {remedy}"


def _sentence(error: csv.Error, lines: int) -> str:
    """What the csv module found, in our words."""
    if lines > 1 or "end of data" in str(error):
        return "opens a quote that is never closed; double a quote that is meant"
    if "expected after" in str(error):
        return "has text after a closing quote; double a quote that is meant"
    if "field limit" in str(error):
        limit = csv.field_size_limit()
        return f"has a cell of more than {limit:,} characters; is a quote not closed, or the delimiter another?"
    return f"cannot be read: {error}"
