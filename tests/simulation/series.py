"""Many runs one after the other, and what is said of them."""

import gc
import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import structlog

from tests.simulation.simulation import Outcome, simulate
from tests.simulation.world import SECOND

_SHOWN = 40
_BETWEEN_COLLECTIONS = 25


@dataclass(slots=True)
class Tally:
    """What came of a series."""

    runs: int = 0
    points: int = 0
    kills: int = 0
    accepted: int = 0
    violations: int = 0

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.points += outcome.points
        self.kills += outcome.kills
        self.accepted += outcome.accepted
        self.violations += bool(outcome.violation)

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.violations} with a violation; {self.accepted} messages accepted,"
            f" {self.kills} processes killed, {self.points} points at which anything could happen"
        )


def play(seeds: Iterable[int], **options: Any) -> Iterator[Outcome]:
    """Play these runs. Options are those of `simulate`."""
    collects = gc.isenabled()
    gc.disable()  # a run makes few cycles, and looking for them in all that is loaded costs a tenth of it
    try:
        with silently():
            for number, seed in enumerate(seeds):
                yield simulate(seed, **options)
                if number % _BETWEEN_COLLECTIONS == 0:
                    gc.collect()
    finally:
        if collects:
            gc.enable()


@contextmanager
def silently() -> Iterator[None]:
    """Thousands of crashes would fill the log, and writing it is slower than playing them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def lines(trace: Sequence[tuple[int, str, str]]) -> Iterator[str]:
    """The events, one a line: seconds since the start, who, what."""
    for at, who, what in trace:
        yield f"{at / SECOND:14.3f}  {who:10} {what}"


def explain(outcome: Outcome) -> str:
    """All there is to know about a violation: the seed, what was violated, the last events, how to see it again."""
    error = traceback.format_exception(outcome.error) if outcome.error else []
    return "\n".join(
        chain(
            [f"seed {outcome.seed}: {outcome.violation}", *error],
            [f"the last {_SHOWN} of {len(outcome.trace)} events:", *lines(outcome.trace[-_SHOWN:])],
            [f"again: make simulate SEED={outcome.seed} RUNS=1"],
            [f"every event: .venv/bin/python -m tests.simulation.run --seed {outcome.seed} --trace"],
        )
    )
