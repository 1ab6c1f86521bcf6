"""Applies news to attempts: decide on what is known, write if it is still so, else look again and decide anew."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog
from sqlalchemy.exc import DBAPIError

from worker.domain.attempt import AttemptFacts, Settlement
from worker.runtime.bootstrap import Runtime
from worker.store.errors import CommitUnknown
from worker.store.rows import Settled
from worker.store.stepping import Step

log = structlog.get_logger()

Decide = Callable[[AttemptFacts], Settlement | None]
"""What a piece of news means for an attempt as it stands; None when it is no longer news."""

_PAUSE_SECONDS = 0.5
_ROUNDS = 5
"""Losing a race this often means that somebody else is settling the same attempts; their news is as good as ours."""


def settle(
    rt: Runtime, news: Iterable[tuple[AttemptFacts, Decide]], *, patience: float = 0.0, step: Step | None = None
) -> Settled:
    """Apply each piece of news once. Returns what that came to.

    `step`: takes the steps it leads to in the same transaction; all news is of one run then. While the database is away
    it is tried again for `patience` seconds: news that is only in memory would be lost. Repeating is safe even where a
    commit may have gone through, since what was applied is no news the second time.
    """
    pieces = list(news)
    ends = rt.clock.elapsed() + patience
    while True:
        try:
            return _settle(rt, pieces, step)
        except (DBAPIError, CommitUnknown):
            if rt.clock.elapsed() > ends:
                raise
        log.warning("answers not written yet, the database is away", count=len(pieces))
        rt.clock.sleep(_PAUSE_SECONDS)


def _settle(rt: Runtime, news: Sequence[tuple[AttemptFacts, Decide]], step: Step | None) -> Settled:
    known = {facts.attempt_id: (facts, decide) for facts, decide in news}
    came_to = Settled()
    for _ in range(_ROUNDS):
        settlements = [s for s in (decide(facts) for facts, decide in known.values()) if s is not None]
        if not settlements:
            break
        settled = rt.store.settle(settlements, rt.now(), step=step)
        came_to += replace(settled, lost=())
        for attempt_id in settled.refused:
            log.error("two attempts of one message claim to be live", attempt=attempt_id)
        lost = rt.store.attempt_facts([s.facts.attempt_id for s in settled.lost], rt.settings.tenant_id)
        known = {facts.attempt_id: (facts, known[facts.attempt_id][1]) for facts in lost}
    return came_to
