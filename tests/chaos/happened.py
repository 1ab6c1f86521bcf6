"""What happened in a chaos run besides what the provider wrote down: plain facts, for the judge.

Moments are Unix seconds of this machine's clock, the same clock that stamps the provider's ledger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.audience import Person
from tests.chaos.schedule import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One fault, from its begin to its end; the same moment where it does not last."""

    kind: Kind
    target: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A time in which nothing of a campaign may leave: from the return of `pause` or `cancel` with exit code 0.

    `until`: the start of the command that resumes it; infinity where none does.
    """

    campaign: str
    since: float
    until: float
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Where our tables leave one person."""

    campaign: str
    phone: str
    status: str
    disposition: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A message whose fate our tables do not know. `attempt`: the id of the attempt in doubt; `at`: its intent."""

    campaign: str
    phone: str
    channel: str
    step: str
    attempt: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the judge is told.

    `senders`: our address -> campaign. `http_seconds`: how long a request may be under way. `reports`: by campaign, as
    `campaigns report --json` prints them. `leftovers`: what should be none, by name. `forged`: HTTP status of our
    answer (0: none) -> forged callbacks; `unknown_ids` likewise. `healed`: when the last fault was over; `finished`:
    when the last run was, None if one never was.
    """

    people: Sequence[Person]
    senders: Mapping[str, str]
    http_seconds: float
    happened: Sequence[Happening]
    stops: Sequence[Stop]
    reports: Mapping[str, Mapping[str, Any]]
    endings: Sequence[Ending]
    held: Sequence[Held]
    leftovers: Mapping[str, int]
    forged: Mapping[int, int]
    unknown_ids: Mapping[int, int]
    healed: float
    finished: float | None
