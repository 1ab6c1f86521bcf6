"""Printing: one line of JSON for programs, text for people."""

import sys
from collections.abc import Mapping
from typing import Any

import orjson
from rich.console import Console

_WIDTH_OF_FILES = 120


def show(data: Mapping[str, Any], *, as_json: bool, text: str) -> None:
    """Print `data` as JSON, or `text`."""
    line = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).decode() if as_json else text
    sys.stdout.write(line + "\n")


def console() -> Console:
    """Where tables go. Into a pipe or a file they are as wide as they like, on a terminal as wide as it is."""
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = max(out.width, _WIDTH_OF_FILES)
    return out


def say(out: Console, *lines: str) -> None:
    """Print lines that somebody may copy: a path or a command is never broken in two."""
    for line in lines:
        out.print(line, soft_wrap=True)
