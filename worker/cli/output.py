"""Printing: one line of JSON for programs, text for people."""

import sys
import textwrap
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text, errors too.")]
"""The option that commands with a result have."""

_WIDTH_OF_FILES = 1000


def show(data: Mapping[str, Any], *, as_json: bool, text: str) -> None:
    """Print `data` as JSON, or `text`."""
    line = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).decode() if as_json else text
    sys.stdout.write(line + "\n")


def console() -> Console:
    """Where pages go. They fit into a terminal; in a pipe or a file no line is broken."""
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = _WIDTH_OF_FILES
    return out


def say(out: Console, sentence: str) -> None:
    """Print a sentence. It wraps between words; a path in it stays whole, so that it can be copied."""
    lines = textwrap.fill(sentence, out.width, break_long_words=False, break_on_hyphens=False)
    out.print(lines, soft_wrap=True)


def offer(out: Console, *commands: str) -> None:
    """Print commands to copy, each in one line however long."""
    for command in commands:
        out.print(f"  {command}", soft_wrap=True)
