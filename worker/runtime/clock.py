"""The one place that reads the wall clock; everything below the runtime is given the time."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)
