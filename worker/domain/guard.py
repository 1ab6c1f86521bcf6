"""The bounds a run may not cross: the `guard` key of a campaign.

```yaml
guard: {failureRate: 0.1, optOutRate: 0.02, complaintRate: off}   # or `guard: off`
```
1. A rate that is not named has its default. A run over a bound is paused; a canary over it lets nobody follow.
2. `off` pauses nothing: the supervisors are told that the default has been crossed, and the run goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from worker.domain.base import closest
from worker.domain.faults import Fault


class Rate(StrEnum):
    """What is watched: a share of messages."""

    FAILURE = "failureRate"
    """Of all that have an outcome, those that failed."""
    OPT_OUT = "optOutRate"
    """Of texts and mails that arrived, those whose reader said stop."""
    COMPLAINT = "complaintRate"
    """Of mails that arrived, those that were reported as spam."""


DEFAULTS: Final[Mapping[Rate, float]] = {Rate.FAILURE: 0.2, Rate.OPT_OUT: 0.05, Rate.COMPLAINT: 0.005}
"""One mail in two hundred reported as spam is past what large mailbox providers bear: Google asks for less than 0.3 %
(support.google.com/mail/answer/81126). The others are where a list or a text is wrong rather than unlucky."""

OFF: Final = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The bound of each rate, and which of them pause nothing."""

    bounds: Mapping[Rate, float] = field(default_factory=lambda: DEFAULTS)
    off: frozenset[Rate] = frozenset()


def read_guard(written: Any) -> tuple[Guard, list[Fault]]:
    """The guard as it is written, and everything that is wrong with it."""
    if written is None:
        return Guard(), []
    if _is_off(written):
        return Guard(off=frozenset(Rate)), []
    if not isinstance(written, Mapping):
        return Guard(), [Fault((), "must be a map of rates to bounds, or off", "write it like {failureRate: 0.1}")]
    bounds, off, faults = dict(DEFAULTS), set(), []
    for key, value in written.items():
        if key not in DEFAULTS:
            meant = closest(key, list(DEFAULTS))
            hint = f"did you mean {meant}?" if meant else f"one of {', '.join(DEFAULTS)}"
            faults.append(Fault((str(key),), "is no rate", hint))
        elif _is_off(value):
            off.add(Rate(key))
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            faults.append(Fault((key,), "must be a share above 0 and below 1, or off", "5 percent are 0.05"))
        else:
            bounds[Rate(key)] = float(value)
    return Guard(bounds=bounds, off=frozenset(off)), faults


def _is_off(value: Any) -> bool:
    """Some YAML readers make a boolean of it."""
    return value is False or value == OFF
