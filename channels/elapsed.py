"""How much time has passed: the clock that deadlines are kept on.

It is never set, and goes on while the process is stopped or the machine sleeps: whoever was frozen knows it afterwards.
"""

import time
from typing import Final

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux counts the time a machine sleeps in CLOCK_BOOTTIME only (clock_gettime(2)); macOS counts it in the other."""


def elapsed() -> float:
    """Seconds since some moment in the past."""
    return time.clock_gettime(_CLOCK)
