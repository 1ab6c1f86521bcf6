"""How long after a message was due the provider had it, by the provider's own record: the same for every design.

1. The first message of everybody is due when the job is launched; each other one some time after the provider has
   accepted the one before it.
2. So the time in the backlog counts: whoever launches more people at once has them wait longer.
3. Nothing is asked of the designs: they keep no due moments, or not for long, and each means another thing by them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import quantiles

PERCENTILES = (50, 95, 99)


def lateness(
    arrivals: Iterable[tuple[int, float]], *, launched: float, latency: float, wait: float
) -> Mapping[str, float]:
    """Milliseconds by percentile, `p50` and so on. There must be two messages at least.

    `arrivals`: person and moment (seconds since 1970) of each message; `latency`: the seconds the provider takes from
    arrival to answer; `wait`: those from there until the next message is due.
    """
    of_person: defaultdict[int, list[float]] = defaultdict(list)
    for person, at in arrivals:
        of_person[person].append(at)
    late = []
    for moments in of_person.values():
        came = sorted(moments)
        due = [launched, *(at + latency + wait for at in came[:-1])]
        late += [1000 * (at - moment) for at, moment in zip(came, due, strict=True)]
    cuts = quantiles(late, n=100, method="inclusive")
    return {f"p{percent}": round(cuts[percent - 1], 1) for percent in PERCENTILES}
