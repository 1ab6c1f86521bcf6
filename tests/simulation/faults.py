"""What goes wrong in one run, and how often. Drawn from the seed: each run has some kinds of trouble and not others.

With every fault in every run most would end in the same few ways; with some of them left out a run gets further, and
into corners (Groce et al., "Swarm Testing", ISSTA 2012).
"""

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Probabilities; for processes at each point, for the others each time it could happen."""

    kill: float = 0.0
    freeze: float = 0.0
    """It stands still for seconds up to somewhat more than a lease."""
    freeze_long: float = 0.0
    """It stands still until others may have looked for its messages twice."""
    freeze_at: str = ""
    """Where that happens; empty: anywhere."""
    call_fails: float = 0.0
    """A call of the store is rolled back and raises."""
    outage: float = 0.0
    """At each point: that all calls of the store fail for a while."""
    commit_unknown: float = 0.0
    """It is committed, and raises all the same."""
    time_limit: float = 0.0
    """A task that has gone on for longer than Celery lets it is interrupted, and killed if it still goes on."""
    odd_answer: float = 0.0
    """A send is answered in any way but a plain yes."""
    slow_answer: float = 0.0
    list_fails: float = 0.0
    callback_missing: float = 0.0
    callback_doubled: float = 0.0
    callback_late: float = 0.0
    id_missing: float = 0.0
    """A callback without our attempt id; the provider's reference is the only link."""
    hint_lost: float = 0.0
    hint_doubled: float = 0.0
    hint_late: float = 0.0
    ticks_missing: float = 0.0
    """After each tick: that the next ones are missing for a while."""
    broker_flushed: float = 0.0
    """With each hint: that all hints are lost."""
    stop_any_time: float = 0.0
    """For each person: a STOP out of the blue."""
    stop_at_worst: float = 0.0
    """With each hint at mails or calls: a STOP by text, just before they leave."""
    whim: float = 0.0
    """A person who decides about a held message drops it, or sends it again, whatever the provider's ledger says."""

    @classmethod
    def drawn(cls, rng: random.Random) -> "Faults":
        """Each fault is in about half of the runs."""
        rates = {name: rng.choice((0.0, 0.3, 1.0)) * most for name, most in _MOST.items()}
        freeze_at = rng.choice(_WORST)
        if freeze_at:
            rates["freeze_long"] *= 20
        return cls(**rates, freeze_at=freeze_at)


_MOST: Final = {
    "kill": 0.02,
    "freeze": 0.015,
    "freeze_long": 0.008,
    "call_fails": 0.03,
    "outage": 0.004,
    "commit_unknown": 0.04,
    "time_limit": 0.8,
    "odd_answer": 0.5,
    "slow_answer": 0.3,
    "list_fails": 0.2,
    "callback_missing": 0.3,
    "callback_doubled": 0.3,
    "callback_late": 0.3,
    "id_missing": 0.3,
    "hint_lost": 0.5,
    "hint_doubled": 0.6,
    "hint_late": 0.3,
    "ticks_missing": 0.1,
    "broker_flushed": 0.05,
    "stop_any_time": 0.4,
    "stop_at_worst": 0.6,
    "whim": 0.5,
}
_WORST: Final = ("", "", "claim_messages done", "about to write the request", "settle")
"""Where standing still hurts most: with an intent that is not sent yet, with an answer that is not written yet."""
NONE: Final = Faults()
