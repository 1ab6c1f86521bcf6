"""Names of people as searches ask for them. It needs no database: whoever reads files computes them there."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from worker.domain.search import keyword_term


def name_keys(fields: Mapping[str, Any]) -> tuple[str, str]:
    """First and last name as searches ask for them; of who has neither, the whole name as the first."""
    first, last = _text(fields.get("firstName")), _text(fields.get("lastName"))
    return first or ("" if last else _text(fields.get("name"))), last


def _text(value: Any) -> str:
    return _term(value) if isinstance(value, str) else ""


_term = lru_cache(maxsize=4096)(keyword_term)
"""Names are few where people are many."""
