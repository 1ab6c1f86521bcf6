"""Whether a rate has crossed its bound: a chain of sequential probability ratio tests.

Each test weighs "half the bound" against "the bound" (Wald, Sequential Tests of Statistical Hypotheses, Ann. Math.
Stat. 16, 1945): every message multiplies the evidence by how much likelier it is under the one than under the other.

1. A test that comes down on the side of the lower rate says GO_ON, and the next begins where it ended. So a run that
   has gone well for a million messages is stopped hardly later than one that has just begun.
2. The k-th test may stop wrongly with probability ALPHA / (k (k + 1)). Together: a run whose rates never exceed half
   their bounds is stopped in its whole life with probability ALPHA at most, however long it lives and however often
   somebody looks (Ville's inequality).
3. At a rate on its bound or over it, each test says GO_ON with probability BETA at most.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.domain.guard import Rate

ALPHA: Final = 0.05
BETA: Final = 0.05
GOOD_SHARE: Final = 0.5
"""Of the bound: a rate that low is fine. Between it and the bound the test may say either, and takes its time."""


class Verdict(StrEnum):
    """What a look came to."""

    CONTINUE = "continue"
    """Too few to tell."""
    GO_ON = "go_on"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages could have gone badly, and how many did."""

    trials: int = 0
    bad: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.trials + other.trials, self.bad + other.bad)


@dataclass(frozen=True, slots=True)
class Weighing:
    """The test that is under way: the how manyth, what it has seen, and whether one before it said GO_ON."""

    number: int = 1
    seen: Count = Count()

    @property
    def has_gone_on(self) -> bool:
        return self.number > 1


def look(test: Weighing, news: Count, bound: float) -> tuple[Verdict, Weighing]:
    """Take in what is new. After GO_ON the test given back is the next one."""
    test = Weighing(test.number, test.seen + news)
    weight = evidence(test.seen, bound)
    if weight >= math.log(test.number * (test.number + 1) / ALPHA):
        return Verdict.STOP, test
    if weight <= math.log(BETA):
        return Verdict.GO_ON, Weighing(test.number + 1)
    return Verdict.CONTINUE, test


def evidence(seen: Count, bound: float) -> float:
    """The logarithm of how much likelier `seen` is at the bound than at half of it."""
    good_rate = GOOD_SHARE * bound
    good = max(seen.trials - seen.bad, 0)  # a complaint may be told before the delivery
    return seen.bad * math.log(bound / good_rate) + good * math.log((1 - bound) / (1 - good_rate))


def within(seen: Count, bound: float) -> bool:
    """Whether the rate as it was seen is not over the bound."""
    return seen.bad <= bound * seen.trials


_BADLY: Final = {
    Rate.FAILURE: "messages failed",
    Rate.OPT_OUT: "readers said stop",
    Rate.COMPLAINT: "mails were reported as spam",
}


def in_words(rate: Rate, seen: Count, bound: float) -> str:
    """What was seen, for people."""
    share = seen.bad / seen.trials if seen.trials else 1.0
    return f"{seen.bad} of {seen.trials} {_BADLY[rate]} ({share:.1%}); the bound is {bound:.2%} (guard.{rate})"
