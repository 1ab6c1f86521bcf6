"""Redis and Celery as far as they matter: hints that get lost, doubled and late, and workers that take them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.simulation.faults import Faults
from tests.simulation.world import NEVER, SECOND, Process, World
from worker.runtime.hints import Hint

_EXPIRES: Final = 30 * SECOND


@dataclass(frozen=True, slots=True)
class _Waiting:
    hint: Hint
    at: int


class Broker:
    """The queues."""

    def __init__(self, world: World, faults: Callable[[], Faults]) -> None:
        self._world, self._faults = world, faults
        self._waiting: list[_Waiting] = []
        self.ticker: Process | None = None
        """The worker whose turn it is to tick instead of taking a hint."""

    def publish(self, process: Process, hint: Hint) -> None:
        """Called by a process. Never raises: a hint that cannot be published is dropped."""
        process.point(f"hints at {hint.work}")
        world, faults = self._world, self._faults()
        if world.chance(faults.broker_flushed):
            world.tell("broker", f"is emptied of {len(self._waiting)} hints")
            self._waiting.clear()
        if world.chance(faults.hint_lost) or (not hint.share and self._is_waiting(hint)):
            return
        for _ in range(2 if world.chance(faults.hint_doubled) else 1):
            late = world.between(1, 40) if world.chance(faults.hint_late) else world.between(0, 0.05)
            self._waiting.append(_Waiting(hint, world.now + late))
        self._wake_workers()

    def take(self, process: Process) -> Hint | None:
        """The next hint for this worker, or None when it is to tick."""
        world = self._world
        while True:
            process.require_alive()
            self._waiting = [one for one in self._waiting if one.at > world.now - _EXPIRES]
            due = [one for one in self._waiting if one.at <= world.now]
            if self.ticker is process:
                self.ticker = None
                return None
            if due:
                taken = world.rng.choice(due)
                self._waiting.remove(taken)
                return taken.hint
            process.idle = True
            process.wait(min((one.at for one in self._waiting), default=NEVER) - world.now)
            process.idle = False

    def _is_waiting(self, hint: Hint) -> bool:
        return any((one.hint.work, one.hint.run_id) == (hint.work, hint.run_id) for one in self._waiting)

    def _wake_workers(self) -> None:
        first = min((one.at for one in self._waiting), default=NEVER)
        for process in self._world.processes:
            if process.idle:
                process.wake_at = min(process.wake_at, first)
