"""What a campaign's supervisors are told without having asked: ids, counts and a reason of our own, nobody's data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

ATTEMPT_PREFIX: Final = "alert_"
"""Of the ids that travel with alerts: what a provider says about one is news of no attempt."""


class AlertKind(StrEnum):
    """What has happened to a run; the words are those of the webhook's `type`."""

    AUTO_PAUSED = "autoPaused"
    """The guard has paused it."""
    CANARY_FAILED = "canaryFailed"
    """The guard has paused it before the rest of its audience was enrolled."""
    FINISHED = "finished"
    FAILED = "failed"
    ERROR_RATE = "errorRate"
    """A rate has crossed its bound, and the campaign does not want to be paused for it."""
    MISSED_SCHEDULE = "missedSchedule"
    """A firing of its schedule was missed by more than the grace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. `told`: whom it has reached so far; `tries` counts the claims, this one included.

    `detail` has a `reason` for people, and what else there is to say.
    """

    alert_id: int
    run_id: str
    kind: AlertKind
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    tries: int = 0
    delivered_at: datetime | None = None
    note: str = ""
