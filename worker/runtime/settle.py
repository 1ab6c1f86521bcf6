"""Applies news to attempts: decide on what is known, write if it is still so, else look again and decide anew."""

from collections.abc import Callable, Iterable

import structlog

from worker.domain.attempt import AttemptFacts, Settlement
from worker.runtime.bootstrap import Runtime

log = structlog.get_logger()

Decide = Callable[[AttemptFacts], Settlement | None]
"""What a piece of news means for an attempt as it stands; None when it is no longer news."""

_ROUNDS = 5
"""Losing a race this often means that somebody else is settling the same attempts; their news is as good as ours."""


def settle(rt: Runtime, news: Iterable[tuple[AttemptFacts, Decide]]) -> int:
    """Apply each piece of news once. Returns how many changed something."""
    known = {facts.attempt_id: (facts, decide) for facts, decide in news}
    applied = 0
    for _ in range(_ROUNDS):
        settlements = [s for s in (decide(facts) for facts, decide in known.values()) if s is not None]
        if not settlements:
            break
        settled = rt.store.settle(settlements, rt.now())
        applied += len(settled.applied)
        for attempt_id in settled.refused:
            log.error("two attempts of one message claim to be live", attempt=attempt_id)
        lost = rt.store.attempt_facts([settlement.facts.attempt_id for settlement in settled.lost])
        known = {facts.attempt_id: (facts, known[facts.attempt_id][1]) for facts in lost}
    return applied
