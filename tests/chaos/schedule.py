"""What will go wrong and when: a plan made of a seed, before anything starts.

1. The plan is data. The same seed, seconds and database give the same plan, down to the second and the victim.
2. What lasts is scaled from the long form, ten minutes, but stays longer than the time-out it is meant to meet.
   Freezes of workers are never scaled: they must outlive a lease, or they prove nothing.
3. Redis, PostgreSQL and the provider are away one after the other, so that each recovery has one cause. Workers die all
   the time.
4. The last quarter is quiet: everything must come to its end by itself.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WORKERS: Final = ("sms", "sms2", "email", "voice", "control", "control2")
"""Two of them send texts and two step people: one that was thought dead has a rival."""

LONG_SECONDS: Final = 600.0
_QUIET_SHARE: Final = 0.25
_FIRST_FAULT: Final = 3.0
_SHORT: Final = 0.5
"""Of the long form. What is shorter has half as many kills a minute and one service fault of a kind: a worker takes
seconds to start, and who never lives is never killed in mid send."""


class Kind(StrEnum):
    """What can happen, in the words of the table."""

    KILL_WORKER = "kill -9 of a worker"
    KILL_CHILD = "kill -9 of a pool child"
    FREEZE_WORKER = "worker frozen longer than its lease"
    RESTART_WORKER = "rolling restart of the workers"
    BEAT_AWAY = "beat away"
    KILL_WEB = "kill -9 of web"
    REDIS_FLUSH = "Redis emptied"
    REDIS_CRASH = "Redis kill -9 and start"
    REDIS_FREEZE = "Redis frozen"
    REDIS_AWAY = "Redis away"
    POSTGRES_RESTART = "PostgreSQL fast restart"
    POSTGRES_CRASH = "PostgreSQL crash and start"
    POSTGRES_CUT = "PostgreSQL sessions terminated"
    POSTGRES_FREEZE = "PostgreSQL frozen"
    OUTAGE = "provider outage"
    MIX = "provider faults changed"
    FORGED = "forged callbacks"
    UNKNOWN_ID = "callbacks for unknown attempts"
    OPT_OUT = "people opting out"
    PAUSE = "pause and resume"
    CANCEL = "cancel"
    EDIT = "workflow edited"


REDIS: Final = frozenset({Kind.REDIS_FLUSH, Kind.REDIS_CRASH, Kind.REDIS_FREEZE, Kind.REDIS_AWAY})
POSTGRES: Final = frozenset({Kind.POSTGRES_RESTART, Kind.POSTGRES_CRASH, Kind.POSTGRES_CUT, Kind.POSTGRES_FREEZE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that happens `at` seconds after the first send, for `seconds` where it lasts.

    `target`: which worker, or which channels; empty where there is only one.
    """

    at: float
    kind: Kind
    target: str = ""
    seconds: float = 0.0


def make_plan(seconds: float, seed: int, database: str, freeze_seconds: float) -> list[Fault]:
    """The faults of one run, in order. `database`: postgres or sqlite. `freeze_seconds`: longer than a lease."""
    chance = random.Random(f"{seed}/{seconds:g}/{database}")
    ends = seconds * (1 - _QUIET_SHARE)
    freezes = list(_freezes(chance, ends, freeze_seconds))
    faults = [
        *freezes,
        *_kills(chance, ends, seconds / LONG_SECONDS, freezes),
        *_rolling_restarts(ends, seconds / LONG_SECONDS, freezes),
        *_services(chance, ends, seconds / LONG_SECONDS, database),
        *_people(ends, seconds / LONG_SECONDS),
        *_strangers(ends),
    ]
    return sorted(faults, key=lambda fault: (fault.at, fault.kind))


def faults_end(seconds: float) -> float:
    """When the last fault is over and the provider has healed, in seconds after the first send."""
    return seconds * (1 - _QUIET_SHARE)


def _freezes(chance: random.Random, ends: float, freeze_seconds: float) -> Iterator[Fault]:
    """Somebody who sends texts first, then who steps people, then anybody. All wake before the quiet begins."""
    room = ends - _FIRST_FAULT - freeze_seconds
    count = max(2, round(room / 100))
    for number in range(count):
        at = _FIRST_FAULT + room * (number + chance.uniform(0.2, 0.8)) / count
        target = ("sms", "control")[number] if number < 2 else chance.choice(WORKERS)
        yield Fault(at=round(at, 1), kind=Kind.FREEZE_WORKER, target=target, seconds=freeze_seconds)


def _kills(chance: random.Random, ends: float, scale: float, freezes: list[Fault]) -> Iterator[Fault]:
    """A worker every two seconds and a child every five, in the long form; everybody once before anybody twice.

    Who is frozen is spared, and a while before: it must hold something, and wake up.
    """
    slower = 2.0 if scale < _SHORT else 1.0
    for kind, period in ((Kind.KILL_WORKER, 2.0 * slower), (Kind.KILL_CHILD, 5.0 * slower)):
        at, turn = _FIRST_FAULT, list[str]()
        while at < ends:
            frozen = {f.target for f in freezes if f.at - 8 <= at <= f.at + f.seconds + 3}
            if frozen.issuperset(turn):
                turn = chance.sample(WORKERS, len(WORKERS))
            target = next(name for name in turn if name not in frozen)
            turn.remove(target)
            yield Fault(at=round(at, 1), kind=kind, target=target)
            at += period


def _rolling_restarts(ends: float, scale: float, freezes: list[Fault]) -> Iterator[Fault]:
    """One worker after the other, but for who is frozen."""
    for share in (0.8,) if scale < _SHORT else (0.35, 0.8):
        for place, name in enumerate(WORKERS):
            at = ends * share + 2.0 * place
            if not any(f.target == name and f.at - 20 <= at <= f.at + f.seconds + 3 for f in freezes):
                yield Fault(at=round(at, 1), kind=Kind.RESTART_WORKER, target=name)


def _services(chance: random.Random, ends: float, scale: float, database: str) -> Iterator[Fault]:
    """One after the other with equal rests between, in an order that the seed shuffles."""
    times = 1 if scale < _SHORT else 3
    one_each: list[tuple[Kind, str, float]] = [
        *[(Kind.REDIS_FLUSH, "", 0.0)] * times,
        *[(Kind.REDIS_CRASH, "", 1.0)] * min(2, times),
        (Kind.REDIS_FREEZE, "", max(6.0, 20 * scale)),
        (Kind.REDIS_AWAY, "", max(6.0, 60 * scale)),
        (Kind.OUTAGE, "sms,voice", max(4.0, 30 * scale)),
        (Kind.OUTAGE, "email", max(4.0, 30 * scale)),
    ]
    if database == "postgres":
        one_each += [
            (Kind.POSTGRES_RESTART, "", 0.0),
            (Kind.POSTGRES_CRASH, "", 0.0),
            *[(Kind.POSTGRES_CUT, "", 0.0)] * times,
            (Kind.POSTGRES_FREEZE, "", max(3.0, 10 * scale)),
        ]
    chance.shuffle(one_each)
    rest = (ends - _FIRST_FAULT - sum(lasts for _, _, lasts in one_each)) / (len(one_each) + 1)
    at = _FIRST_FAULT
    for kind, target, lasts in one_each:
        at += rest
        yield Fault(at=round(at, 1), kind=kind, target=target, seconds=lasts)
        at += lasts
    webs = max(2, round(8 * scale))
    for number in range(webs):
        yield Fault(at=round(ends * (number + 0.6) / webs, 1), kind=Kind.KILL_WEB)
    yield Fault(at=round(ends * 0.55, 1), kind=Kind.BEAT_AWAY, seconds=max(5.0, 30 * scale))
    for share in (0.25, 0.5, 0.75):
        yield Fault(at=round(ends * share, 1), kind=Kind.MIX)


def _people(ends: float, scale: float) -> Iterator[Fault]:
    """What operators do, and those who have heard enough."""
    pauses = 2 if scale < _SHORT else 5  # each takes a while: it waits for what is in flight
    for number in range(pauses):
        at = ends * (0.08 + 0.8 * number / pauses)
        yield Fault(at=round(at, 1), kind=Kind.PAUSE, seconds=max(3.0, 10 * scale))
    yield Fault(at=round(ends * 0.2, 1), kind=Kind.EDIT)
    yield Fault(at=round(ends * 0.3, 1), kind=Kind.CANCEL)
    for share in (0.2, 0.35, 0.5, 0.65):
        yield Fault(at=round(ends * share, 1), kind=Kind.OPT_OUT)


def _strangers(ends: float) -> Iterator[Fault]:
    """Callbacks nobody should believe, and callbacks about what we have never sent."""
    at = _FIRST_FAULT
    while at < ends:
        yield Fault(at=round(at, 1), kind=Kind.FORGED)
        yield Fault(at=round(at + 1.5, 1), kind=Kind.UNKNOWN_ID)
        at += 3.0
