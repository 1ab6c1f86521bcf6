"""Reading JSON Lines of any size: one object a line, whose keys are the columns.

1. Keys need not be the same in each line. All of the file is looked at first, for its keys and its encoding.
2. A line that is no object, or that readers of JSON could understand differently, is a row with a fault.
3. Values stay what they are: numbers, lists and objects become attributes as they stand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import orjson

from worker.runtime.contact_file import MAX_COLUMNS, Progress, Row, UnreadableFile, nobody, read_so_far, require_columns
from worker.runtime.text_encoding import BLOCK, look_at
from worker.schema import strict_json

_LINES_BETWEEN: Final = 1000
_BOM: Final = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLinesFile:
    """A JSON Lines file whose encoding and keys are known."""

    path: Path
    digest: str
    encoding: str
    header: tuple[str, ...]

    def rows(self, progress: Progress = nobody) -> Iterator[Row]:
        """Every line that is not blank, in order."""
        for number, line, place in _lines(self.path, self.encoding):
            if number % _LINES_BETWEEN == 0:
                progress(place)
            try:
                value = strict_json.read(line)
            except strict_json.NotStrict as error:
                yield Row(number, (line,), _sentence(error))
                continue
            if isinstance(value, dict):
                yield Row(number, [value.get(key) for key in self.header])
            else:
                yield Row(number, (line,), 'is no JSON object; write one in each line, like {"phone": "+1…"}')


def open_json_lines(path: Path, *, encoding: str = "") -> JsonLinesFile:
    """Find out which keys there are. Raises UnreadableFile, or OSError."""
    text = look_at(path, encoding)
    keys: dict[str, None] = {}
    is_empty = True
    for number, line, _ in _lines(path, text.encoding):
        if is_empty and line.startswith("[") and not line.endswith("]"):
            raise UnreadableFile(f"{path}: is one JSON text over many lines; write one object in each line")
        is_empty = False
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict):
            keys.update(dict.fromkeys(found))
            if len(keys) > MAX_COLUMNS:
                raise UnreadableFile(
                    f"{path}: up to line {number} has {len(keys):,} different keys, of which at most {MAX_COLUMNS:,}"
                    " can be imported; put what belongs to each other under one key"
                )
    if not keys:
        why = "is empty" if is_empty else "has no JSON object in any line"
        raise UnreadableFile(f"{path}: {why}; write one in each line, or name what it is with --format")
    require_columns(path, tuple(keys))
    return JsonLinesFile(path=path, digest=text.digest, encoding=text.encoding, header=tuple(keys))


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str, int]]:
    """Lines that are not blank, with their numbers, and how many bytes had been read."""
    with path.open(encoding=encoding) as file:
        numbers = iter(range(1, 1 << 62))
        chunks = iter(lambda: file.readlines(BLOCK), [])
        for line in chain.from_iterable(chunks):
            number = next(numbers)
            if stripped := line.strip().removeprefix(_BOM):
                yield number, stripped, read_so_far(file)


def _sentence(error: strict_json.NotStrict) -> str:
    where = f", column {error.column}" if error.column else ""
    first = next((f": {fault.message}" for fault in error.faults), "")
    return f"{error}{where}{first}"
