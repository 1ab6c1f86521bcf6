"""How a text file is written: its encoding, which is known with certainty, or the file is refused.

1. A guess would misspell people. So all of the file is looked at before anything of it is used.
2. A file that is written in two encodings is no text in either; it is refused with the lines.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

from charset_normalizer import from_bytes

from worker.runtime.contact_file import UnreadableFile

BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 16 * BLOCK
_SAMPLE: Final = 1 << 18
_ZEROS_OF_TEXT: Final = 0.1
"""The share of zero bytes above which a file is UTF-16, or no text at all."""

_SINGLE_BYTE: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp850", "mac_roman", "koi8_r"),
)
_LIKELY: Final = [*_SINGLE_BYTE, "cp932", "euc_jp", "gb18030", "big5", "cp949"]
"""What spreadsheets and databases have written before UTF-8, the likeliest first."""

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_NO_TEXT: Final = {
    b"PK\x03\x04": "is a workbook or an archive; save the sheet as CSV UTF-8, or unpack it",
    b"\xd0\xcf\x11\xe0": "is a workbook; save the sheet as CSV UTF-8",
    b"\x1f\x8b": "is compressed; unpack it",
    b"PAR1": "is Parquet; say so with --format parquet",
}
"""What files begin with that have names like a table's and are none that can be read as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """How a text file is written, and the digest of its content."""

    encoding: str
    digest: str


def look_at(path: Path, encoding: str = "") -> Text:
    """Read the whole file once. `encoding`: found out if empty. Raises UnreadableFile, or OSError."""
    named = _known(encoding) if encoding else _told_by_its_head(path)
    digest, fault = _decode(path, named or "utf-8")
    if fault and named:
        raise UnreadableFile(f"{path}: is not {named} (line {fault}); save it as UTF-8, or name its encoding")
    if not fault:
        return Text(encoding=named or "utf-8", digest=digest)
    guess = _guess(path)
    if _decode(path, guess)[1]:
        raise UnreadableFile(f"{path}: the encoding cannot be told; save it as UTF-8, or name its encoding")
    return Text(encoding=guess, digest=digest)


def _known(encoding: str) -> str:
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)  # those that turn bytes into bytes are no encodings of text
    except LookupError:
        raise UnreadableFile(f"there is no encoding {encoding!r}; utf-8, utf-16 and cp1252 are common ones") from None
    return found.name


def _told_by_its_head(path: Path) -> str:
    """What the first bytes say; "" if they leave it open."""
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    for magic, remedy in _NO_TEXT.items():
        if head.startswith(magic):
            raise UnreadableFile(f"{path}: {remedy}")
    if head.count(0) <= len(head) * _ZEROS_OF_TEXT:
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)  # Latin letters have a zero in every other byte
    if odd > 4 * even:
        return "utf-16-le"
    if even > 4 * odd:
        return "utf-16-be"
    raise UnreadableFile(f"{path}: is not text; export it as CSV UTF-8")


def _decode(path: Path, encoding: str) -> tuple[str, int]:
    """The digest of the whole file, and the first line that is not in this encoding, or 0."""
    digest, decoder = blake2b(digest_size=16), codecs.getincrementaldecoder(encoding)()
    fault, line, length = 0, 1, 0
    with path.open("rb") as file:
        for block, is_last in _blocks(file):
            digest.update(block)
            if fault:
                continue
            try:
                text = decoder.decode(block, final=is_last)
            except UnicodeError as error:
                fault = line + block.count(b"\n", 0, getattr(error, "start", 0))
                continue
            line += text.count("\n")
            length = length + len(text) if "\n" not in text and "\r" not in text else 0
            if length > _LONGEST_LINE:
                raise UnreadableFile(f"{path}: line {line} is longer than {_LONGEST_LINE >> 20} MB; is it a table?")
    return digest.hexdigest(), fault


def _blocks(file: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    block = file.read(BLOCK)
    while block:
        following = file.read(BLOCK)
        yield block, not following
        block = following


def _guess(path: Path) -> str:
    """The encoding of a file that is not UTF-8. Raises UnreadableFile where it cannot be told with certainty."""
    sample, utf8_line, other_line = _lines_not_ascii(path)
    best = from_bytes(sample, cp_isolation=list(_LIKELY))
    if not best:
        raise UnreadableFile(f"{path}: the encoding cannot be told; save it as UTF-8, or name its encoding")
    top = [match for match in best if (match.chaos, match.coherence) == (best[0].chaos, best[0].coherence)]
    guess = min((match.encoding for match in top), key=lambda name: _LIKELY.index(name) if name in _LIKELY else 99)
    if utf8_line and guess in _SINGLE_BYTE:  # by accident such a text is almost never UTF-8
        raise UnreadableFile(
            f"{path}: is written in two encodings: line {utf8_line} is UTF-8 and line {other_line} is not;"
            " export it again as UTF-8, or name the encoding to read all of it by"
        )
    if len({str(match) for match in top}) > 1:
        raise UnreadableFile(
            f"{path}: may be {' or '.join(match.encoding for match in top[:3])}, which read differently; "
            "save it as UTF-8, or name its encoding"
        )
    return guess


def _lines_not_ascii(path: Path) -> tuple[bytes, int, int]:
    """Lines that are not plain ASCII, as a sample, and the first of those that are UTF-8 and that are not; 0: none."""
    sample, utf8_line, other_line = bytearray(), 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(BLOCK), b""), start=1):
            if line.isascii():
                continue
            if len(sample) < _SAMPLE:
                sample += line[:_SAMPLE]
            try:
                line.decode()
                utf8_line = utf8_line or number
            except UnicodeDecodeError:
                other_line = other_line or number
            if len(sample) >= _SAMPLE and utf8_line and other_line:
                break
    return bytes(sample), utf8_line, other_line
