"""Broadcasts give way while events come late: processor and database are theirs first, until they are on time again.

1. Whoever answers events says when they come late, with a lease in the database that any worker can see. It ends by
   itself: an events worker that dies holds nobody up.
2. Giving way is not standing still. While events are late, a process does a small piece of each kind of a broadcast's
   work, then rests; the tick hints at what is left.
3. It concerns what may as well be done later: enrolling, stepping and sending of runs that people did not enter by an
   event. What people and providers say is applied as ever.
"""

from typing import Final

import structlog

from worker.runtime.clock import Clock
from worker.runtime.hints import Work
from worker.store.facade import Store

log = structlog.get_logger()

LATE_SECONDS: Final = 0.1
"""An event that has waited so long before it was accepted is late."""
_LASTS_SECONDS: Final = 1.0
_SAID_AGAIN_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 0.1
_TOLD_SECONDS: Final = 10.0
"""Late again after so long is told again."""
_REST_SECONDS: Final = 1.0
_SMALLER: Final = 5
_LEAST: Final = 100
"""A piece is a fifth of what it is otherwise, so that what is begun is soon over, but not so small that to begin it
costs more than to do it."""


class GivingWay:
    """The lateness of events, as one process tells it or obeys it."""

    def __init__(self, store: Store, clock: Clock, tenant_id: str, owner: str) -> None:
        self._store, self._clock, self._owner = store, clock, owner
        self._lease = f"events:{tenant_id}"
        self._said = self._looked = float("-inf")
        self._late = False
        self._worked: dict[Work, float] = {}

    def events_are_late(self) -> None:
        """Say so, for a second from now."""
        now = self._clock.elapsed()
        if now >= self._said + _SAID_AGAIN_SECONDS:
            if now >= self._said + _TOLD_SECONDS:
                log.info("events come late; broadcasts give way until they are on time")
            self._said = now
            self._store.take_lease(self._lease, self._owner, _LASTS_SECONDS)

    def share(self, work: Work, size: int) -> int:
        """How many of `size` a broadcast may do now: all of them, a part while events are late, or 0 for a rest."""
        now = self._clock.elapsed()
        if now >= self._looked + _LOOK_SECONDS:
            self._looked, self._late = now, not self._store.lease_is_free(self._lease, "")
        if not self._late:
            return size
        if now < self._worked.get(work, float("-inf")) + _REST_SECONDS:
            return 0
        self._worked[work] = now
        return min(size, max(_LEAST, size // _SMALLER))
