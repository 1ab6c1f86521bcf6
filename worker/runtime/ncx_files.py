"""Exported NCX files as plain data, or why one cannot be read.

1. JSON in UTF-8, up to 32 MB. All or nothing: of files that cannot be read every one is told, and none is used.
2. What could not be kept as it is, is refused: a key that is there twice, NUL, half of a surrogate pair, numbers that
   other readers round, nesting that no document needs.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path as File
from typing import Any, Final

from worker.domain.faults import Fault, Path
from worker.runtime.definitions import BadDefinitions
from worker.runtime.source_files import LocatedFault

MAX_BYTES: Final = 32_000_000
MAX_DEPTH: Final = 64
_MAX_WHOLE: Final = 2**53
_DIGITS_READ: Final = 18
_FAULTS_TOLD: Final = 20
_UNKEPT: Final = re.compile("[\0\ud800-\udfff]")


class _Refused(ValueError):
    """The file cannot be used; `fault` says why."""

    def __init__(self, message: str, hint: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.fault = Fault((), message, hint)
        self.line = line


def read_files(files: Iterable[File]) -> list[tuple[File, Any]]:
    """The JSON of each file. Raises BadDefinitions."""
    values: list[tuple[File, Any]] = []
    faults: list[LocatedFault] = []
    for file in dict.fromkeys(files):
        try:
            value = _parsed(_text(file))
        except _Refused as refused:
            faults.append(LocatedFault(file, refused.line, refused.fault))
            continue
        faults += (LocatedFault(file, 0, fault) for fault in islice(_unkept(value), _FAULTS_TOLD))
        values.append((file, value))
    if faults:
        raise BadDefinitions(faults)
    return values


def _text(file: File) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Refused("is not there", "check the path") from None
    except IsADirectoryError:
        raise _Refused("is a folder", "name the files in it") from None
    except OSError as error:
        raise _Refused(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise _Refused(f"is larger than {MAX_BYTES // 1_000_000} MB", "export fewer documents at a time")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _Refused("is not UTF-8", "save the file as UTF-8", line) from None
    if "\0" in text[:4]:
        raise _Refused("is not UTF-8", "save the file as UTF-8")
    if not text.strip():
        raise _Refused("is empty", "export it again")
    if text.lstrip().startswith("<"):
        raise _Refused("is a web page or XML, not JSON", "has the session ended? log in and export it again")
    return text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_whole)
    except json.JSONDecodeError as error:
        raise _Refused(f"is not JSON: {error.msg}", "is it the whole file?", error.lineno) from None
    except RecursionError:
        raise _too_deep() from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _Refused(f"has an object with the key {_shown(twice)!r} twice", "keep one of them")
    return found


def _whole(digits: str) -> int:
    """A whole number; of one that is too large its beginning, which is too large as well."""
    return int(digits[:_DIGITS_READ])


def _unkept(value: Any) -> Iterator[Fault]:
    """What is in the data that cannot be kept as it is. Raises nothing, however deep it goes."""
    ahead: list[tuple[Path, Any]] = [((), value)]
    while ahead:
        path, item = ahead.pop()
        if len(path) > MAX_DEPTH:
            yield _too_deep().fault
            return
        match item:
            case dict():
                if any(_UNKEPT.search(key) for key in item):
                    yield Fault(path, "has a key with a NUL or half of a surrogate pair", "take it out")
                ahead += [((*path, _shown(key)), part) for key, part in reversed(item.items())]
            case list():
                ahead += [((*path, index), part) for index, part in reversed(list(enumerate(item)))]
            case str() if _UNKEPT.search(item):
                yield Fault(path, "has a NUL or half of a surrogate pair", "take it out")
            case bool():
                pass
            case int() if abs(item) > _MAX_WHOLE:
                yield Fault(path, "is a whole number past 2^53, which many readers round", "write it as text")
            case float() if not math.isfinite(item):
                yield Fault(path, "is no finite number", "leave it out, or write it as text")


def _too_deep() -> _Refused:
    return _Refused(f"is nested deeper than {MAX_DEPTH} levels", "no document of NCX is; is it the right file?")


def _shown(key: str) -> str:
    """A key as it can be printed."""
    return _UNKEPT.sub("\ufffd", key)[:60]
