"""Time for the runtime. Everything below it is given the time; no decision trusts this machine's wall clock.

1. `now` is the database's time. Machines whose clocks differ by minutes agree on what is due, and two looks at a
   provider that must lie a minute apart do so, whichever workers take them.
2. `elapsed` measures how long something took. It is never set, and goes on while the process is stopped or the machine
   sleeps: whoever was frozen knows it afterwards.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from channels.elapsed import elapsed

log = structlog.get_logger()

SYNC_SECONDS: Final = 30.0
"""Between two looks at the database's clock. Meanwhile `elapsed` carries on; it drifts by milliseconds."""

READINGS: Final = 3
"""So often a look reads it. The quickest is the truest: one that had to open a connection is off by half that time."""


class Clock(Protocol):
    """What the runtime asks about time."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def elapsed(self) -> float:
        """Seconds since some moment in the past."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


def wall() -> datetime:
    """What this machine's clock shows, aware, UTC: for the age of what a provider signed, and to date an error."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


class DatabaseClock:
    """The clock that `read` tells, such as `Store.now`: asked at first use, then by a thread of its own."""

    def __init__(self, read: Callable[[], datetime], elapsed: Callable[[], float] = elapsed) -> None:
        self._read = read
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None
        """The database's time at a moment of `elapsed`."""

    def now(self) -> datetime:
        """The database's time. Raises what the database raises, only when it has never answered."""
        known = self._known
        if known is None:
            known = self._sync()
        elif self._elapsed() - known[1] > SYNC_SECONDS and self._lock.acquire(blocking=False):
            # Nobody waits for it: while the database is away the old reading still serves.
            threading.Thread(target=self._sync_and_release, name="clock", daemon=True).start()
        at, since = known
        return at + timedelta(seconds=self._elapsed() - since)

    def elapsed(self) -> float:
        """Seconds since this machine started."""
        return self._elapsed()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def _sync(self) -> tuple[datetime, float]:
        _, at, since = min(self._reading() for _ in range(READINGS))
        self._known = known = (at, since)
        return known

    def _reading(self) -> tuple[float, datetime, float]:
        """How long the answer took, the time it gave, and when that was."""
        asked = self._elapsed()
        at = self._read().astimezone(UTC)
        took = self._elapsed() - asked
        return took, at, asked + took / 2  # the database looked at its clock somewhere between question and answer

    def _sync_and_release(self) -> None:
        try:
            self._sync()
        except SQLAlchemyError as error:
            log.warning("the database's clock cannot be read, going on with ours", error=type(error).__name__)
        finally:
            self._lock.release()
