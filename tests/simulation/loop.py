"""An event loop without sockets, threads or a real clock: what waits, waits in the world's time.

Jobs for the executor run on the loop's own thread, at once or a moment later, so that the tasks of one process overlap
in more than one way and always in the same way for one seed.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from tests.simulation.world import NEVER, SECOND, Process


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop of one process."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process
        self._selector = _Timer(process)
        self.set_exception_handler(lambda *_: None)  # what a killed process leaves behind is nobody's business

    def time(self) -> float:
        return self._process.world.now / SECOND

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()

        def job() -> None:
            try:
                result = func(*args)
            except BaseException as error:  # noqa: BLE001 - whoever awaits it is told
                _tell(future, error)
            else:
                if not future.done():
                    future.set_result(result)

        if self._process.world.chance(0.5):
            self.call_soon(job)
        else:
            job()
        return future

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a system call here."""


def _tell(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


class _Timer:
    """Stands in for the selector: it only lets time pass."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            self._process.wait(NEVER)
        elif timeout > 0:
            self._process.wait(math.ceil(timeout * SECOND) + 1)
        return []
