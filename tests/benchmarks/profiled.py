"""The product's Celery application (the module PROFILED) with a sampling profiler in each pool process.

1. A sample is taken each time the process has used some more CPU (SIGPROF): waiting is not counted.
2. It is charged to the threads that are not waiting at that moment, in equal shares.
3. When the process ends, `PROFILE_FILE-PID.txt` has the functions by their own share and by that of all they call.
"""

import importlib
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

from celery.signals import worker_process_init, worker_process_shutdown

app = importlib.import_module(os.environ["PROFILED"]).app

INTERVAL_SECONDS = 0.002
ROWS = 80
_WAITING = {"select", "wait", "_worker", "poll", "get", "acquire", "sleep", "_pulse", "recv", "turn"}
"""Functions in which a thread only waits."""


class Sampler:
    """Counts stacks by the code in them."""

    def __init__(self) -> None:
        self.main = threading.main_thread().ident
        self.samples = 0.0
        self.own: Counter[CodeType] = Counter()
        self.within: Counter[CodeType] = Counter()

    def take(self, _number: int, here: FrameType | None) -> None:
        """Signals are handled in the main thread; `here` is where it was."""
        others = [frame for thread, frame in sys._current_frames().items() if thread != self.main]
        frames = [frame for frame in (here, *others) if frame is not None]
        busy = [frame for frame in frames if frame.f_code.co_name not in _WAITING] or frames[:1]
        for frame in busy:
            self._charge(frame, 1 / len(busy))

    def _charge(self, frame: FrameType, share: float) -> None:
        self.samples += share
        self.own[frame.f_code] += share
        stack = {frame.f_code}
        at: FrameType | None = frame
        while (at := at.f_back) is not None:
            stack.add(at.f_code)
        for code in stack:
            self.within[code] += share

    def write(self, file: Path) -> None:
        """The table, as text."""
        lines = [f"{self.samples:.0f} samples"]
        for title, counts in (("own", self.own), ("with what it calls", self.within)):
            lines += ["", f"  %    function, {title}"]
            lines += [f"{count / self.samples:6.1%}  {_name(code)}" for code, count in counts.most_common(ROWS)]
        file.write_text("\n".join(lines) + "\n")


def _name(code: CodeType) -> str:
    return f"{'/'.join(Path(code.co_filename).parts[-3:])}:{code.co_qualname}"


def _begin(**_: object) -> None:
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.take)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def end(**_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sampler.write(Path(f"{os.environ['PROFILE_FILE']}-{os.getpid()}.txt"))

    worker_process_shutdown.connect(end, weak=False)


worker_process_init.connect(_begin)
