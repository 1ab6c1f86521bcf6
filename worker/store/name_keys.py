"""Names of people as searches ask for them. It needs no database: whoever reads files computes them there."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from worker.domain.search import keyword_term


def name_keys(fields: Mapping[str, Any]) -> tuple[str, str]:
    """First and last name as searches ask for them; of who has neither, the whole name as the first."""
    first, last, whole = (_term(_text(fields.get(key))) for key in ("firstName", "lastName", "name"))
    return first or ("" if last else whole), last


_term = lru_cache(maxsize=4096)(keyword_term)
"""Names are few where people are many."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
