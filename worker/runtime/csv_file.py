"""Reading a CSV of any size: its encoding, its delimiter, its rows, in constant memory.

1. The encoding is known or the file is refused: a guess would misspell people. A look at the whole file comes first.
2. A row that cannot be read costs itself only. After an unclosed quote the lines it swallowed are read again.
3. A row is numbered by the line it starts on; the header is line 1.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Final

from charset_normalizer import from_bytes

_BLOCK: Final = 1 << 20
_SAMPLE: Final = 1 << 18
_DELIMITERS: Final = ",;\t|"
_MAX_LINES: Final = 100
"""A cell of more lines than this is an unclosed quote."""

_ZEROS_OF_TEXT: Final = 0.1
"""The share of zero bytes above which a file is UTF-16, or no text at all."""

_LIKELY: Final = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp850",
    "mac_roman",
    "koi8_r",
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "cp949",
]
"""What spreadsheets and databases have written before UTF-8, the likeliest first."""

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnreadableFile(ValueError):
    """The file as a whole cannot be imported; nothing was. The text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. `fault` says why its cells cannot be used, or is empty."""

    number: int
    cells: tuple[str, ...] = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A CSV file whose encoding, delimiter and header are known. `rows` streams what stands below the header."""

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    skip: int = 1
    """Lines up to and with the header."""

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank, in order."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            lines = islice(enumerate(_lines(file), start=1), self.skip, None)
            yield from _rows(lines, self.delimiter, len(self.header))


def open_csv(path: Path, *, encoding: str = "", delimiter: str = "") -> CsvFile:
    """Find out how the file is written. Raises UnreadableFile, or OSError."""
    encoding = _known(encoding) if encoding else detect_encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            first = file.readline(_BLOCK)
            skip = 1
            if first.lower().startswith("sep=") and len(first.strip()) == len("sep=,"):  # Excel's own way to say it
                delimiter, first, skip = first.strip()[-1], file.readline(_BLOCK), 2
            for _ in _lines(file):  # a wrong byte is found before the first row is used, not in the middle
                pass
    except UnicodeError:
        raise UnreadableFile(f"{path}: is not {encoding}; save it as UTF-8, or name its encoding") from None
    if not first.strip():
        raise UnreadableFile(f"{path}: has no header; the first line must name the columns, like phone,email,firstName")
    delimiter = delimiter or max(_DELIMITERS, key=lambda mark: len(_cells(first, mark)))
    header = tuple(name.strip() for name in _cells(first, delimiter))
    return CsvFile(path=path, encoding=encoding, delimiter=delimiter, header=header, skip=skip)


def detect_encoding(path: Path) -> str:
    """The encoding of a text file. Raises UnreadableFile where it cannot be told with certainty."""
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
        for bom, name in _BOMS:
            if head.startswith(bom):
                return name
        if head.count(0) > len(head) * _ZEROS_OF_TEXT:
            if guess := _utf16_without_mark(head):
                return guess
            raise UnreadableFile(f"{path}: is not text; export it as CSV UTF-8")
        file.seek(0)
        sample = _sample_unless_utf8(file)
    if sample is None:
        return "utf-8"
    best = from_bytes(sample, cp_isolation=list(_LIKELY))
    if not best:
        raise UnreadableFile(f"{path}: the encoding cannot be told; save it as UTF-8, or name its encoding")
    top = [match for match in best if (match.chaos, match.coherence) == (best[0].chaos, best[0].coherence)]
    if len({str(match) for match in top}) > 1:
        raise UnreadableFile(
            f"{path}: may be {' or '.join(match.encoding for match in top[:3])}, which read differently; "
            "save it as UTF-8, or name its encoding"
        )
    return min((match.encoding for match in top), key=lambda name: _LIKELY.index(name) if name in _LIKELY else 99)


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise UnreadableFile(f"there is no encoding {encoding!r}; utf-8, utf-16 and cp1252 are common ones") from None


def _utf16_without_mark(head: bytes) -> str:
    """Text of mostly Latin letters has a zero in every other byte."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 4 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 4 * odd else ""


def _sample_unless_utf8(file: IO[bytes]) -> bytes | None:
    """None if all of the file is UTF-8, else its first lines that are not plain ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    sample = bytearray()
    is_utf8 = True
    while line := file.readline(_BLOCK):
        if len(sample) < _SAMPLE and not line.isascii():
            sample += line
        try:
            decoder.decode(line)
        except UnicodeDecodeError:
            is_utf8 = False
        if not is_utf8 and len(sample) >= _SAMPLE:
            break
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        is_utf8 = False
    return None if is_utf8 else bytes(sample)


def _lines(file: IO[str]) -> Iterator[str]:
    """The lines of a text file; one that is too long for memory comes in pieces."""
    while line := file.readline(_BLOCK):
        yield line


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _rows(lines: Iterator[tuple[int, str]], delimiter: str, width: int) -> Iterator[Row]:
    waiting: deque[tuple[int, str]] = deque()
    taken: list[tuple[int, str]] = []

    def feed() -> Iterator[str]:
        while len(taken) < _MAX_LINES and (item := waiting.popleft() if waiting else next(lines, None)):
            taken.append(item)
            yield item[1]

    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        try:
            cells, fault = next(reader, None), ""
        except csv.Error as error:
            cells, fault = [], _sentence(error, len(taken))
        if not taken:
            return
        number, text = taken[0]
        cells = [cell.strip() for cell in cells or ()]
        fault = fault or _misfit(cells, width)
        if fault and len(taken) > 1:
            waiting.extendleft(reversed(taken[1:]))  # they may be people's rows that a stray quote swallowed
        if fault:
            reader = csv.reader(feed(), delimiter=delimiter, strict=True)
        if text.strip() and (fault or any(cells)):
            yield Row(number=number, cells=(text.strip(),) if fault else tuple(cells), fault=fault)


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
    return f"cannot be read: {error}"
