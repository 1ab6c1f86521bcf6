"""Follows the hints at urgent runs in the process that gives them: steps and sends for whoever came by an event.

1. No broker and no queue stand between an event and its message.
2. A turn follows each hint once. What is hinted by the way waits for the next turn, so that new events come in between;
   only what a step owes leaves at once.
3. While one thread of a process takes turns, the others leave such hints to it: batches are larger, and no two threads
   of one interpreter stand in each other's way.
4. What raises, or is left undone when this process dies, the tick finds in the database.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from channels.elapsed import elapsed
from channels.messages import ChannelKind
from worker.runtime.advance import advance
from worker.runtime.bootstrap import Runtime
from worker.runtime.dispatch import dispatch
from worker.runtime.hints import Hint, Work

log = structlog.get_logger()

_LONGEST_SECONDS: Final = 1.0
"""A turn that takes longer is held up by somebody: what is hinted at meanwhile goes the ordinary way."""
_CHANNELS: Final = {Work(f"{kind}.dispatch"): kind for kind in ChannelKind}


class UrgentTurns:
    """The hints that one thread of this process follows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[tuple[Work, str, str], None] = {}
        self._awake = False
        self._since = 0.0

    @property
    def are_due(self) -> bool:
        """Whether there is anything to follow."""
        return bool(self._due)

    def keep(self, hint: Hint) -> bool:
        """Keep a hint for a turn. False if it is none for us, or nobody will take it soon."""
        if not hint.urgent or (hint.work is not Work.ADVANCE and hint.work not in _CHANNELS):
            return False
        with self._lock:
            keeps = self._awake and elapsed() - self._since < _LONGEST_SECONDS
            if keeps:
                self._due[hint.work, hint.tenant_id, hint.run_id] = None
            return keeps

    def wake(self) -> None:
        """A turn begins; hints are kept from now on."""
        with self._lock:
            self._awake, self._since = True, elapsed()

    def sleep(self) -> bool:
        """From now on none are kept. False, and nothing is changed, while some are due."""
        with self._lock:
            self._awake = bool(self._due)
            return not self._awake

    def drop(self) -> None:
        """The same whatever is due: the tick will find it."""
        with self._lock:
            self._due.clear()
            self._awake = False

    def take(self, rt: Runtime) -> None:
        """One turn. `rt`: of the thread that takes it, with a loop of its own and its hints kept here."""
        for _, tenant_id, run_id in self._pop(Work.ADVANCE):
            with _left_to_the_tick(run_id):
                advance(rt, tenant_id, run_id)
        for work, tenant_id, run_id in self._pop(*_CHANNELS):
            with _left_to_the_tick(run_id):
                rt.run(dispatch(rt, tenant_id, run_id, _CHANNELS[work]))

    def _pop(self, *works: Work) -> list[tuple[Work, str, str]]:
        with self._lock:
            found = [due for due in self._due if due[0] in works]
            for due in found:
                del self._due[due]
        return found


@contextmanager
def _left_to_the_tick(run_id: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("urgent work left to the tick", run=run_id)
