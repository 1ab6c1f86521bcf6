"""Printing: one line of JSON for programs, text for people."""

import sys
from collections.abc import Mapping
from typing import Any

import orjson


def show(data: Mapping[str, Any], *, as_json: bool, text: str) -> None:
    """Print `data` as JSON, or `text`."""
    line = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).decode() if as_json else text
    sys.stdout.write(line + "\n")
