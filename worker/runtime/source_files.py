"""Definitions as they stand in files: plain data, and the line of everything in it.

1. YAML and JSON, several documents in a file: separated by `---`, or as one list.
2. What cannot be read is a fault with file and line, saying what was expected. One broken file hides no other.
3. The data is plain: dicts, lists, text, numbers. Moments that YAML would make dates of stay text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path as File
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from worker.domain.faults import Fault, Path

_SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class LocatedFault:
    """A fault and where it stands. `line` counts from 1; 0 is the file as a whole."""

    file: File
    line: int
    fault: Fault

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {str(self.fault).removeprefix(': ')}"


@dataclass(frozen=True, slots=True)
class Source:
    """One document of a file."""

    file: File
    data: Any = field(repr=False)
    lines: Mapping[Path, int] = field(repr=False)

    def locate(self, fault: Fault) -> LocatedFault:
        """The fault with its line, or with that of the nearest thing around it."""
        path = fault.path
        while path and path not in self.lines:
            path = path[:-1]
        return LocatedFault(self.file, self.lines.get(path, 1), fault)


def find_files(paths: Iterable[File]) -> tuple[list[File], list[LocatedFault]]:
    """The YAML and JSON files among these files and folders, in order; and what is not there."""
    files: list[File] = []
    faults: list[LocatedFault] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
            files += found
            if not found:
                faults.append(LocatedFault(path, 0, Fault((), "has no definitions", "put .yaml or .json files there")))
        elif path.is_file():
            files.append(path)
        else:
            faults.append(LocatedFault(path, 0, Fault((), "is not there", "check the path")))
    return list(dict.fromkeys(files)), faults


def read_sources(file: File) -> tuple[list[Source], list[LocatedFault]]:
    """The documents of one file, and why it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        nodes = [_json_nodes(text)] if file.suffix == ".json" else YAML(typ="rt").load_all(text)
        sources = [source for node in nodes for source in _sources(file, node)]
        if file.suffix == ".json":
            sources = _with_json(sources, json.loads(text))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, YAMLError, RecursionError) as error:
        return [], [_broken(file, error)]
    empty = LocatedFault(file, 0, Fault((), "is empty", "write a document, or remove the file"))
    return sources, [] if sources else [empty]


def _json_nodes(text: str) -> Any:
    """JSON as YAML reads it, which knows its lines. Whether it is JSON is asked first."""
    json.loads(text)
    # A tab may stand in JSON but not in YAML; outside of texts, where JSON wants it escaped, a blank means the same.
    return YAML(typ="rt").load(text.replace("\t", " "))


def _with_json(sources: list[Source], data: Any) -> list[Source]:
    """The values as JSON has them: YAML reads an escaped emoji as two halves."""
    documents = data if isinstance(data, list) else [data] if sources else []
    return [replace(source, data=document) for source, document in zip(sources, documents, strict=True)]


def _sources(file: File, node: Any) -> Iterator[Source]:
    if node is None:
        return
    for item in node if isinstance(node, CommentedSeq) else [node]:
        lines: dict[Path, int] = {}
        data = _plain(item, (), lines)
        if isinstance(item, (CommentedMap, CommentedSeq)):
            lines[()] = item.lc.line + 1
        yield Source(file, data, lines)


def _plain(node: Any, path: Path, lines: dict[Path, int]) -> Any:
    """The node as plain data; the lines of what is in it are noted."""
    if isinstance(node, CommentedMap):
        for key in node:
            lines[*path, _key(key)] = node.lc.key(key)[0] + 1 if key in node.lc.data else lines.get(path, 1)
        return {_key(key): _plain(value, (*path, _key(key)), lines) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            lines[*path, index] = node.lc.item(index)[0] + 1
        return [_plain(value, (*path, index), lines) for index, value in enumerate(node)]
    return _scalar(node)


def _scalar(node: Any) -> str | int | float | bool | None:
    """A value as JSON has it. The reader's own kinds know how they were written; that is of no use here."""
    match node:
        case bool() | None:
            return node
        case date():
            return node.isoformat()
        case int():
            return int(node)
        case float():
            return float(node)
        case _:
            return str(getattr(node, "value", node))


def _key(key: Any) -> str:
    """A key as text: JSON knows no other. `on` and `1` may be names of states."""
    return {True: "true", False: "false", None: "null"}.get(key) or str(key)


_EXPECTED: Final = {
    "mapping values are not allowed": "a text with a colon in it needs quotes; or the line is indented too far",
    "could not find expected ':'": "expected `key: value`, with a blank after the colon",
    "cannot start any token": "indent with blanks, not tabs; a text that begins with @, ` or % needs quotes",
    "expected <block end>": "lines of one list or map begin in the same column",
    "expected ',' or": "a bracket is opened and not closed, or a comma is missing",
    "end of stream": "a quote or a bracket is opened and not closed",
    "undefined alias": "a text that begins with * needs quotes",
    "duplicate key": "remove one of the two",
}


def _broken(file: File, error: Exception) -> LocatedFault:
    """Why a file cannot be read, and what was expected."""
    match error:
        case UnicodeDecodeError():
            line = error.object[: error.start].count(b"\n") + 1
            return LocatedFault(file, line, Fault((), "is not UTF-8", "save the file as UTF-8"))
        case json.JSONDecodeError():
            hint = "every key in double quotes, a comma between two and none at the end"
            return LocatedFault(file, error.lineno, Fault((), f"is not JSON: {error.msg}", hint))
        case MarkedYAMLError():
            problem = (error.problem or "cannot be read").split(" with value")[0]
            marks = [error.problem_mark, error.context_mark]
            if "expected ':'" in problem:  # it is missed on the line that began it, and noticed on the next
                marks.reverse()
            mark = marks[0] or marks[1]
            hint = next((text for sign, text in _EXPECTED.items() if sign in problem), "check quotes and indentation")
            return LocatedFault(file, mark.line + 1 if mark else 1, Fault((), f"is not YAML: {problem}", hint))
        case RecursionError():
            return LocatedFault(file, 0, Fault((), "refers to itself, or is nested without end", "remove the anchor"))
        case _:
            return LocatedFault(file, 0, Fault((), f"cannot be read: {error}"))
