"""How many requests a token may make: GCRA, one number for each token that is busy.

1. `per_second` on average, `burst` at once after a rest. Each web process counts for itself.
2. A token that has rested is forgotten, so memory holds those of the last moment only, real or made up.
3. Used in one thread, that of the event loop.
"""

import math
from collections.abc import Callable, Hashable
from typing import Final

_ROUNDING: Final = 1e-9
"""Seconds by which sums of intervals may be off."""

_TIDY: Final = 1000
"""Keys that are kept before it is looked which of them have rested."""


class RateLimit:
    """The limit. `elapsed` gives seconds since some moment; `per_second` 0 is no limit."""

    def __init__(self, per_second: float, burst: int, elapsed: Callable[[], float]) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._credit = self._interval * (burst - 1)
        self._elapsed = elapsed
        self._due: dict[Hashable, float] = {}
        """When the next request would come if they came evenly."""
        self._room = _TIDY

    def take(self, key: Hashable) -> float:
        """Count one request. Returns 0, or the seconds to wait; then it is not counted."""
        if not self._interval:
            return 0.0
        now = self._elapsed()
        due = max(self._due.get(key, -math.inf), now)
        wait = due - now - self._credit
        if wait > _ROUNDING:
            return wait
        self._due[key] = due + self._interval
        if len(self._due) > self._room:
            self._forget_the_rested(now)
        return 0.0

    def _forget_the_rested(self, now: float) -> None:
        self._due = {key: due for key, due in self._due.items() if due > now}
        self._room = max(_TIDY, 2 * len(self._due))
