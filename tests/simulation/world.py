"""The world a simulation plays in: one clock, one agenda, and processes of which one runs at a time.

1. A process is a thread. It runs from one `point` to the next; at each point the world decides by its seed who goes on.
   So the same seed gives the same run, event for event.
2. Time passes only at points, and when nobody has anything to do it jumps to the next thing that happens.
3. Who was killed gets `Died` from its point and from everything it still calls, and so changes nothing any more.
4. The clock is years away from the one of this machine: whatever reads that one shows (`judge.py`).
"""

import heapq
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND: Final = 1_000_000
"""Time is counted in microseconds since `START`."""
START: Final = datetime(2031, 3, 3, 15, 0, tzinfo=UTC)
NEVER: Final = 10**18
_STUCK_SECONDS: Final = 20
"""Of real time; a thread that does not end by then loops without ever coming to a point."""


class Died(BaseException):
    """The process was killed; this only unwinds its thread."""


class Process:
    """A program that can be killed, frozen, and sent to sleep."""

    def __init__(self, world: "World", name: str, body: Callable[["Process"], None]) -> None:
        self.world, self.name, self.body = world, name, body
        self.wake_at = world.now
        self.frozen_until = 0
        self.dead = False
        self.idle = False
        """It waits for work, not in the middle of any."""
        self.task_began: int | None = None
        self.was_told = False
        """That its task has gone on for too long."""
        self.boot = world.rng.randrange(1_000_000) * SECOND
        """What its monotonic clock began with; no two agree."""
        self.turn = threading.Lock()
        self.turn.acquire()
        self.thread = threading.Thread(target=self._live, name=name, daemon=True)
        self.thread.start()

    def _live(self) -> None:
        self.turn.acquire()
        try:
            if not self.dead:
                self.body(self)
        except Died:
            pass
        except BaseException as error:  # noqa: BLE001 - it is reported with the seed
            self.world.fail(f"{self.name} broke: {type(error).__name__}: {error}", error)
        finally:
            self.world.leave(self)

    def point(self, what: str) -> None:
        """Here anything may happen: others go on, time passes, this process is killed or stands still."""
        self.require_alive()
        self.world.point(self, what)
        self.require_alive()

    def wait(self, microseconds: int) -> None:
        """Do nothing for so long, or until somebody sets `wake_at`."""
        self.require_alive()
        self.wake_at = min(NEVER, self.world.now + microseconds)
        self.world.pass_on(self)
        self.require_alive()
        self.world.mishap(self, "")
        self.require_alive()

    def require_alive(self) -> None:
        if self.dead:
            raise Died

    @property
    def runs_again_at(self) -> int:
        return max(self.wake_at, self.frozen_until)


class World:
    """Clock, agenda, processes and what happened."""

    def __init__(self, seed: int, *, idle: Callable[[], None], mishap: Callable[[Process, str], None]) -> None:
        self.rng = random.Random(seed)
        self.now = 0
        self.points = 0
        self.trace: list[tuple[int, str, str]] = []
        self.violation = ""
        self.error: BaseException | None = None
        self.processes: list[Process] = []
        self._idle, self.mishap = idle, mishap
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._noted = 0
        self._over = self._closing = False
        self._end = threading.Lock()
        self._end.acquire()

    # Time

    @property
    def clock(self) -> datetime:
        return START + timedelta(microseconds=self.now)

    def at(self, when: int, do: Callable[[], None]) -> None:
        """Put on the agenda what happens by itself, whoever is alive then."""
        self._noted += 1
        heapq.heappush(self._agenda, (max(when, self.now), self._noted, do))

    @property
    def next_event_at(self) -> int:
        return self._agenda[0][0] if self._agenda else NEVER

    def tell(self, who: str, what: str) -> None:
        self.trace.append((self.now, who, what))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def between(self, low: float, high: float) -> int:
        """So many seconds, as microseconds."""
        return int(self.rng.uniform(low, high) * SECOND)

    # Processes

    def start(self, name: str, body: Callable[[Process], None]) -> Process:
        process = Process(self, name, body)
        self.processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        self.tell(process.name, "is killed")
        process.dead = True
        process.wake_at = process.frozen_until = self.now

    def freeze(self, process: Process, microseconds: int) -> None:
        self.tell(process.name, f"stands still for {microseconds / SECOND:.1f} s")
        process.frozen_until = self.now + microseconds

    def point(self, process: Process, what: str) -> None:
        self.points += 1
        self.now += int(self.rng.expovariate(1 / 3000))
        self.tell(process.name, what)
        self.mishap(process, what)
        if not process.dead:
            self.pass_on(process)

    def pass_on(self, process: Process) -> None:
        """Let the one whose turn it is go on, which may be this one."""
        other = self._whose_turn()
        if other is not process:
            self._wake(other)
            process.turn.acquire()

    def leave(self, process: Process) -> None:
        """The thread of this process is at its end."""
        self.processes.remove(process)
        if not self._closing:
            self._wake(self._whose_turn())

    def _wake(self, process: Process | None) -> None:
        (process.turn if process else self._end).release()

    def _whose_turn(self) -> Process | None:
        try:
            while not self._over:
                while self._agenda and self._agenda[0][0] <= self.now:
                    heapq.heappop(self._agenda)[2]()
                ready = [p for p in self.processes if p.wake_at <= self.now and p.frozen_until <= self.now]
                if ready and not self._over:
                    return ready[0] if len(ready) == 1 else self.rng.choice(ready)
                if not self._over:
                    self._idle()
        except Exception as error:  # noqa: BLE001 - it is reported with the seed
            self.fail(f"the simulation itself broke: {type(error).__name__}: {error}", error)
        return None

    def jump(self, to: int) -> None:
        """Nobody has anything to do until then."""
        self.now = max(self.now, to)

    # Its end

    def fail(self, what: str, error: BaseException | None = None) -> None:
        """An invariant is violated. The first one counts."""
        if not self.violation:
            self.violation, self.error = what, error
            self.tell("judge", what)
        self._over = True

    def end(self) -> None:
        self._over = True

    def run(self) -> None:
        """Let everybody live until the world ends; afterwards no thread is left."""
        self._wake(self._whose_turn())
        self._end.acquire()
        self._closing = True
        for process in list(self.processes):
            process.dead = True
            process.turn.release()
            process.thread.join(_STUCK_SECONDS)
            assert not process.thread.is_alive(), f"{process.name} never comes to a point"
