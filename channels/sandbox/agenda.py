"""What the sandbox will do later: one heap, one timer of the event loop, however many messages are under way.

1. Seconds are those of the real provider; `speed` divides them.
2. Actions are plain functions and quick; what waits for the network is handed to the courier.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

_TURN: Final = 200
"""Actions per turn of the event loop, so that requests are answered in between."""

Action = Callable[[], None]


class Agenda:
    """Runs actions when they are due. Made inside a running event loop."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Action]] = []
        self._serial = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def after(self, seconds: float, action: Action) -> None:
        """Run `action` after so many seconds of the provider's time."""
        self.after_real(seconds / self._speed, action)

    def after_real(self, seconds: float, action: Action) -> None:
        """Run `action` after so many seconds on the wall, whatever the speed."""
        if self._closed:
            return
        self._serial += 1
        entry = (self._loop.time() + seconds, self._serial, action)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._arm()

    def __len__(self) -> int:
        return len(self._heap)

    def close(self) -> None:
        """Drop everything that is not done yet."""
        self._closed = True
        self._heap.clear()
        if self._timer:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._run) if self._heap else None

    def _run(self) -> None:
        now = self._loop.time()
        try:
            for _ in range(_TURN):
                if not self._heap or self._heap[0][0] > now:
                    break
                heapq.heappop(self._heap)[2]()
        finally:
            self._arm()
