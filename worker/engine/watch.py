"""What the guard makes of a run's outcomes: pause it, tell somebody, let the rest follow its canary, or nothing.

1. A refusal for our own configuration pauses at once: whoever comes next would be refused too.
2. A rate over its bound pauses. One that is switched off is told of, once.
3. A canary whose tests could not decide, and that has come to its end, is judged by its rates as they were seen. Of one
   that was resumed only a part was seen since: then nobody follows unless somebody lets them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.domain.dispositions import DispositionBook
from worker.domain.guard import Guard, Rate
from worker.engine.guard import Count, Verdict, Weighing, in_words, look, within
from worker.engine.tally import Filed, system_codes, tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is known of a run since its launch or its last resume. `warned`: the rates that were told of."""

    totals: Mapping[Rate, Count] = field(default_factory=lambda: dict.fromkeys(Rate, Count()))
    tests: Mapping[Rate, Weighing] = field(default_factory=lambda: dict.fromkeys(Rate, Weighing()))
    warned: frozenset[Rate] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "totals": {rate: [count.trials, count.bad] for rate, count in self.totals.items()},
            "tests": {rate: [test.number, test.seen.trials, test.seen.bad] for rate, test in self.tests.items()},
            "warned": sorted(self.warned),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Watch":
        """The inverse of `to_json`; of nothing, a watch that begins."""
        if not stored:
            return cls()
        return cls(
            totals={Rate(rate): Count(*numbers) for rate, numbers in stored["totals"].items()},
            tests={Rate(rate): Weighing(n, Count(*seen)) for rate, (n, *seen) in stored["tests"].items()},
            warned=frozenset(map(Rate, stored["warned"])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a look came to. `stop`: why to pause; `warn`: what to tell; `fine`: every test has said GO_ON."""

    watch: Watch
    stop: str = ""
    warn: str = ""
    fine: bool = False


def judge(watch: Watch, filed: Sequence[Filed], book: DispositionBook, guard: Guard) -> Judgement:
    """Take in new outcomes."""
    news = tally(filed, book)
    looks = {rate: look(watch.tests[rate], news[rate], guard.bounds[rate]) for rate in Rate}
    crossed = {rate for rate, (verdict, _) in looks.items() if verdict is Verdict.STOP}
    told = {rate: in_words(rate, looks[rate][1].seen, guard.bounds[rate]) for rate in Rate if rate in crossed}
    watched = [rate for rate in Rate if rate not in guard.off]
    ours = "" if Rate.FAILURE in guard.off else _of_our_own(filed, book)
    new = crossed & guard.off - watch.warned
    after = Watch(
        totals={rate: watch.totals[rate] + news[rate] for rate in Rate},
        tests={rate: test for rate, (_, test) in looks.items()},
        warned=watch.warned | new,
    )
    return Judgement(
        watch=after,
        stop="; ".join([*([ours] if ours else []), *(words for rate, words in told.items() if rate not in guard.off)]),
        warn="; ".join(words for rate, words in told.items() if rate in new),
        fine=_is_fine(after, watched),
    )


def _is_fine(watch: Watch, watched: Sequence[Rate]) -> bool:
    """Whether every rate that can be told so far has passed: where no mail leaves, nobody complains."""
    told = [rate for rate in watched if watch.totals[rate].trials]
    return bool(told or not watched) and all(watch.tests[rate].has_gone_on for rate in told)


def conclude(watch: Watch, guard: Guard, *, resumed: bool = False) -> str:
    """Why a canary that has come to its end undecided lets nobody follow; "" where it does."""
    if resumed:
        return (
            "the canary has come to its end, and what was seen since it was resumed does not pass its tests;"
            " `campaigns resume --release` lets the others follow"
        )
    over = [rate for rate in Rate if rate not in guard.off and not within(watch.totals[rate], guard.bounds[rate])]
    return "; ".join(in_words(rate, watch.totals[rate], guard.bounds[rate]) for rate in over)


def _of_our_own(filed: Sequence[Filed], book: DispositionBook) -> str:
    refused = [one for one in filed if one.ours]
    if not refused:
        return ""
    codes, count = system_codes(book), sum(one.count for one in refused)
    names = ", ".join(sorted({codes.get(one.disposition, one.disposition) for one in refused}))
    return (
        f"the provider refused {count} message{'s' * (count > 1)} for our configuration ({names});"
        " check credentials, senders and permissions, then resume"
    )
