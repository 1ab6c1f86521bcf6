"""Exported NCX files as plain data, or why one cannot be read.

JSON in UTF-8, up to 32 MB, read strictly. All or nothing: of files that cannot be read every one is told, and none is
used.
"""

from collections.abc import Iterable
from pathlib import Path as File
from typing import Any, Final

from worker.domain.faults import Fault
from worker.runtime.definitions import BadDefinitions
from worker.runtime.source_files import LocatedFault
from worker.schema import strict_json
from worker.schema.strict_json import NotStrict

MAX_BYTES: Final = 32_000_000


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
            values.append((file, strict_json.read(_text(file))))
        except _Refused as refused:
            faults.append(LocatedFault(file, refused.line, refused.fault))
        except NotStrict as error:
            hint = "is it the whole file?" if error.line else ""
            found = error.faults or (Fault((), str(error), hint),)
            faults += (LocatedFault(file, error.line, fault) for fault in found)
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
