"""CPU and memory of process trees, as the kernel accounts them.

1. A tree's CPU is what its live processes used plus what they inherited from children they have waited for, so a pool
   process that was replaced is not lost. Where there is a clock of each process (Linux), live ones are read to the
   nanosecond; otherwise, like the dead, in ticks of 10 ms.
2. Memory is resident set size. Shared pages count once per process: the sum is an upper bound.
"""

import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

SAMPLE_SECONDS = 0.2


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """User and system time of a tree so far, dead descendants included."""
    total = 0.0
    for process in tree(pid):
        try:
            times = process.cpu_times()
            total += _own(process.pid, times.user + times.system) + times.children_user + times.children_system
        except (psutil.NoSuchProcess, OSError):
            continue  # its parent has waited for it, and is read with its time in a later reading
    return total


def _own(pid: int, ticks: float) -> float:
    """Of the process without its children; `ticks` is what it used by the coarse account."""
    return time.clock_gettime(~pid << 3 | 2) if sys.platform == "linux" else ticks  # see clock_getcpuclockid(3)


@dataclass
class Memory:
    """The highest readings so far, bytes."""

    sum: int = 0
    largest: int = 0
    largest_of: dict[str, int] = field(default_factory=dict)
    """By program: its largest process."""


class Meter:
    """Watches named programs (name -> pid of the tree's root) from `start` to `stop`."""

    def __init__(self, programs: Mapping[str, int]) -> None:
        self._programs = dict(programs)
        self._begun: dict[str, float] = {}
        self._memory: dict[str, int] = {}
        self.memory = Memory()
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._begun = {name: cpu_seconds(pid) for name, pid in self._programs.items()}
        self._sampler.start()

    def stop(self) -> dict[str, float]:
        """End; CPU seconds by program since the start."""
        used = {name: cpu_seconds(pid) - self._begun[name] for name, pid in self._programs.items()}
        self._ended.set()
        self._sampler.join()
        return used

    def _sample(self) -> None:
        while True:
            sizes = {name: _sizes(pid) for name, pid in self._programs.items()}
            every = [size for of_program in sizes.values() for size in of_program]
            memory = self.memory
            memory.sum = max(memory.sum, sum(every))
            memory.largest = max(memory.largest, *every, 0)
            for name, of_program in sizes.items():
                memory.largest_of[name] = max(memory.largest_of.get(name, 0), *of_program, 0)
            if self._ended.wait(SAMPLE_SECONDS):
                return


def _sizes(pid: int) -> list[int]:
    sizes = []
    for process in tree(pid):
        try:
            sizes.append(process.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return sizes
