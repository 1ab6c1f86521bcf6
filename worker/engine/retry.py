"""When a message is tried again. Only outcomes that are certain have a rule at all (`worker.domain.dispositions`)."""

from datetime import datetime, timedelta
from typing import Final

from worker.domain.dispositions import DispositionRule
from worker.engine.calendar import after

LONGEST_DELAY: Final = timedelta(days=7)

FIRST_BACKOFF: Final = timedelta(seconds=5)
LONGEST_BACKOFF: Final = timedelta(minutes=15)
MAX_UNSENT: Final = 24
"""How often a message that surely never left is handed to the provider: about five hours of an outage."""


def next_attempt(rule: DispositionRule, attempts: int, now: datetime, speed: float = 1.0) -> datetime | None:
    """When to try again after `attempts` attempts, the one just ended included; None where that is the end of it."""
    retry = rule.retry
    if retry is None or attempts >= retry.max_attempts:
        return None
    growth = retry.backoff ** min(attempts - 1, 50) if attempts > 1 else 1.0
    delay = min(timedelta(seconds=min(retry.delay_seconds * growth, 1e8)), LONGEST_DELAY)
    return after(now, delay, speed)


def after_not_sent(number: int, retry_after: float | None, now: datetime) -> datetime | None:
    """When to hand over again what never left; never sooner than the provider asked for. None after `MAX_UNSENT`.

    A rehearsal's speed does not shorten it: it protects a real provider.
    """
    if number >= MAX_UNSENT:
        return None
    backoff = min(FIRST_BACKOFF * 2 ** min(number - 1, 20), LONGEST_BACKOFF)
    asked = timedelta(seconds=min(retry_after or 0, LONGEST_DELAY.total_seconds()))
    return after(now, max(backoff, asked), 1.0)
