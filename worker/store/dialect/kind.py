"""Which of the two it is, and what the other modules of the dialect share."""

from hashlib import md5
from typing import Final

from sqlalchemy import (
    Connection,
    Engine,
)


def first_line_only(error: BaseException) -> None:
    """What the server says after it (DETAIL, CONTEXT) quotes rows and parameters."""
    error.args = tuple(str(part).partition("\n")[0] for part in error.args)


PLACES: Final = float(2**32)


def place(key: str) -> float:
    return int(md5(key.encode(), usedforsecurity=False).hexdigest()[:8], 16) / PLACES


def is_postgres(conn: Connection | Engine) -> bool:
    return conn.dialect.name == "postgresql"
