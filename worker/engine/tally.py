"""What outcomes say about the rates that are watched: which of them are trials, and which went badly.

1. Trials are attempts that came to an end, each once: opening a mail says nothing new about it.
2. What was never tried is no trial: skipped, suppressed, cancelled, stopped by a gate.
3. Not reaching somebody by phone is no failure; a number or a mailbox that does not exist is one.
4. Whoever had opted out before is not counted as driven away by this run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from worker.domain.dispositions import SYSTEM, Category, DispositionBook
from worker.domain.guard import Rate
from worker.engine.guard import Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """So many outcomes of one kind. `attempted`: they belong to an attempt; else a gate, a step or a reply filed them.

    `ours`: the provider refused for our configuration, whatever the recipient.
    """

    disposition: str
    count: int
    attempted: bool = True
    ours: bool = False


Counts = Mapping[Rate, Count]

_GOOD: Final = frozenset({Category.DELIVERED, Category.CONTACTED, Category.MACHINE, Category.NOT_REACHED})
_BAD: Final = frozenset(
    {Category.INVALID, Category.UNREACHABLE, Category.BLOCKED, Category.FAILED_TECH, Category.FAILED_CONFIG}
)
_AFTERWARDS: Final = frozenset({"SMS_REPLIED", "EMAIL_OPENED", "EMAIL_CLICKED"})
"""Said of a message whose arrival has been counted."""
_SAID_STOP: Final = frozenset({"SMS_OPTED_OUT", "EMAIL_UNSUBSCRIBED", "EMAIL_SPAM_REPORT"})
_COMPLAINED: Final = "EMAIL_SPAM_REPORT"
_REFUSED_BEFORE: Final = "SMS_OPTED_OUT"
"""Of an attempt: the provider knows that the person said stop some time ago."""


def system_codes(book: DispositionBook) -> Mapping[str, str]:
    """By what an outcome is filed under, the system's code for it; of several the first."""
    named: dict[str, str] = {}
    for code in SYSTEM:
        named.setdefault(book.file(code).code, code)
    return named | {code: code for code in SYSTEM}


def tally(filed: Iterable[Filed], book: DispositionBook) -> Counts:
    """The trials and the bad ones among these outcomes, by rate."""
    codes = system_codes(book)
    total = dict.fromkeys(Rate, Count())
    for one in filed:
        if code := codes.get(one.disposition):  # else a workflow's own word, which is about no message
            for rate, count in _weigh(code, one).items():
                total[rate] += count
    return total


def _weigh(code: str, one: Filed) -> Counts:
    channel = code.partition("_")[0]
    good, bad = Count(one.count, 0), Count(one.count, one.count)
    stopped = Count(0, one.count)
    if code == _COMPLAINED:
        return {Rate.OPT_OUT: stopped, Rate.COMPLAINT: stopped}
    if code in _SAID_STOP and not (one.attempted and code == _REFUSED_BEFORE):
        return {Rate.OPT_OUT: stopped}
    if code in _AFTERWARDS:
        return {}
    category = SYSTEM[code].category
    if category in _BAD:
        return {Rate.FAILURE: bad}
    if category not in _GOOD or not one.attempted:
        return {}
    match channel:
        case "EMAIL":
            return dict.fromkeys(Rate, good)
        case "SMS":
            return {Rate.FAILURE: good, Rate.OPT_OUT: good}
        case _:
            return {Rate.FAILURE: good}
