"""The process that ends: forked from a clean server that has our modules loaded, so that each one costs milliseconds.

It reports by its exit code only. What it logs is in a file beside the sandbox's, for whoever has to find out why.
"""

import os
import socket
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import orjson

from tests.crashes.points import POINTS, Point
from tests.crashes.seams import Seams, WatchedRuntime
from tests.crashes.steps import Desk
from tests.runtime.house import House
from worker.runtime.hints import Hint, Work
from worker.runtime.preflight import Launch
from worker.runtime.settings import Settings

STRUCK = 86
"""The exit code of a process that ended where it should."""
_DEADLINE_SECONDS = 30.0
_LOG, _HINTS = "process.log", "hints.jsonl"

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    [__name__, "pytest", "twilio.rest.api.v2010.account.call", "twilio.rest.api.v2010.account.message"]
)


class Doomed:
    """A process that works for a house until it reaches a point, and ends there as kill -9 would end it."""

    def __init__(self, house: House, point: Point, request: Launch, listening: socket.socket | None = None) -> None:
        self._folder = house.folder
        args = (point.label, house.settings, house.folder, request, listening)
        self._process = _FORKS.Process(target=_live, args=args)
        self._process.start()

    def struck(self) -> bool:
        """Whether it ended at its point. What it logged is printed."""
        self._process.join(_DEADLINE_SECONDS)
        print((self._folder / _LOG).read_text())
        return self._process.exitcode == STRUCK

    def end(self) -> None:
        """Whatever became of it, it is gone afterwards."""
        self._process.kill()
        self._process.join()
        self._process.close()

    def hints(self) -> list[Hint]:
        """What the broker has of it."""
        lines = (self._folder / _HINTS).read_bytes().splitlines()
        return [Hint(**fields | {"work": Work(fields["work"])}) for fields in map(orjson.loads, lines)]


def _live(label: str, settings: Settings, folder: Path, request: Launch, listening: socket.socket | None) -> None:
    log = os.open(folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    point = POINTS[label]
    seams = Seams(point.step, point.seam, point.moment, strike=lambda _: os._exit(STRUCK))
    with (folder / _HINTS).open("wb", buffering=0) as broker:
        rt = WatchedRuntime(settings, seams, lambda hint: broker.write(orjson.dumps(asdict(hint)) + b"\n"))
        rt.owner = "the doomed process"
        desk = Desk(rt, request, folder, listening)
        for seams.step, work in point.script.steps.items():
            work(desk)
