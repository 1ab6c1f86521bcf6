"""How long from an event to the provider's socket: idle, beside bulk runs, and by the obvious design.

    python -m tests.benchmarks.events                 # about four minutes

1. Latency is from just before the event is handed over to the moment the stub has read the text. Both are the machine's
   monotonic clock.
2. Through the task (`campaigns.trigger`) come TASKS_PER_SECOND events a second, through the stream RATE.
3. Every event is about somebody new: a contact, an enrollment, a step, a message, an attempt, all on the disk.
4. Beside a bulk run: a broadcast of texts to BULK people goes on through the ordinary workers. A stream has one beside
   it whose sender is paced by BULK_PER_SECOND, by default as SMS_PER_SECOND is; a task has one that takes all of the
   machine it can get, of the same tenant or of another one with workers of its own.
5. CPU is that of our workers, and of the database server, for all they did from the first event to the last text; the
   texts of a bulk run are in it.
6. The obvious design is one Celery task for each event that sends at once and records nothing. It is given the same
   events as the stream in the same run, and what it has done by the end is counted.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from statistics import quantiles
from typing import Any

from celery import Celery

from tests.benchmarks.event_site import Site, event, open_site, paced
from tests.benchmarks.measure import Meter
from worker.runtime.supervisor import wait_until

RATE = int(os.environ.get("RATE", "2000"))
TASKS_PER_SECOND = int(os.environ.get("TASKS_PER_SECOND", "20"))
SECONDS = float(os.environ.get("SECONDS", "20"))
BULK = int(os.environ.get("BULK", "100000"))
BULK_PER_SECOND = os.environ.get("BULK_PER_SECOND", "100")
"""What one sender may, by default."""
UNBOUND = "1000000"
DATABASES = os.environ.get("DATABASES", "postgresql").split(",")
WARM_UP_PER_SECOND = 100


class Beside(Enum):
    """Whose bulk run goes on meanwhile."""

    NOBODY = auto()
    OWN = auto()
    NEIGHBOUR = auto()


@dataclass(frozen=True)
class Measured:
    """Seconds from event to provider for those that arrived; `sent` events in all."""

    name: str
    sent: int
    took: tuple[float, ...]
    lasted: float
    cpu: Mapping[str, float]
    """Seconds by program."""
    limit: float
    beside: int = 0
    """Texts of the broadcast that left meanwhile."""

    def at(self, percent: int) -> float:
        return quantiles(self.took, n=100, method="inclusive")[percent - 1] if len(self.took) > 1 else float("inf")

    def line(self) -> str:
        parts = " ".join(f"{1000 * self.at(p):8.0f}" for p in (50, 95, 99))
        verdict = "holds" if self.at(99) < self.limit and len(self.took) == self.sent else "MISSED"
        cpu = " ".join(f"{name} {1e6 * seconds / self.sent:.0f}" for name, seconds in self.cpu.items())
        arrived = f"{self.sent / self.lasted:9,.0f} {len(self.took) / self.sent:8.0%}"
        beside = f"; broadcast {self.beside / self.lasted:,.0f} texts/s" if self.beside else ""
        return f"{self.name:34} {arrived} {parts}  {verdict}  {cpu}{beside}"


Give = Callable[[Site, list[dict[str, object]]], None]
"""Hands events over, all at once."""


@dataclass(frozen=True)
class Case:
    """Events through one door at this rate, with a bulk run beside them that sends `pace` texts a second at most."""

    name: str
    door: Callable[[Site], Give]
    rate: int
    limit: float
    beside: Beside = Beside.NOBODY
    pace: str = UNBOUND


def stream(site: Site) -> Give:
    def give(site: Site, events: list[dict[str, object]]) -> None:
        with site.client.pipeline(transaction=False) as pipeline:
            for one in events:
                pipeline.xadd("campaigns:events", {"event": json.dumps(one)})
            pipeline.execute()

    return give


def task(site: Site) -> Give:
    shop = Celery("shop")
    shop.conf.update(broker_url=site.redis_url, broker_transport_options={"global_keyprefix": "camp:"})
    return _one_by_one(shop, lambda one: {"name": "campaigns.trigger", "kwargs": one, "queue": "events"})


def obvious(site: Site) -> Give:
    return _one_by_one(Celery("shop", broker=site.redis_url), lambda one: {"name": "naive.event", "args": (one,)})


def _one_by_one(shop: Celery, task_of: Callable[[dict[str, object]], dict[str, object]]) -> Give:
    def give(site: Site, events: list[dict[str, object]]) -> None:
        with shop.producer_pool.acquire(block=True) as producer:
            for one in events:
                shop.send_task(**task_of(one), producer=producer)

    return give


CASES = (
    Case("campaigns.trigger, idle", task, TASKS_PER_SECOND, 0.1),
    Case("campaigns.trigger, beside a bulk run", task, TASKS_PER_SECOND, 0.5, Beside.OWN),
    Case("campaigns.trigger, beside another's", task, TASKS_PER_SECOND, 0.5, Beside.NEIGHBOUR),
    Case("stream, idle", stream, RATE, 0.5),
    Case("stream, beside a bulk run", stream, RATE, 0.5, Beside.OWN, BULK_PER_SECOND),
)


def ours(case: Case, database: str, *, seconds: float, bulk: int, warm_up: int = 200) -> Measured:
    """What came of one case; `bulk` people are in the run beside it."""
    with open_site(database) as site, ExitStack() as stack:
        site.listen()
        site.start("events")
        give = case.door(site)
        warm, _ = _send(site, give, 201, WARM_UP_PER_SECOND, warm_up / WARM_UP_PER_SECOND)
        wait_until(lambda: warm.keys() <= site.arrived().keys(), seconds=60, what="the events of the warm-up to arrive")
        broadcast = None
        if case.beside is not Beside.NOBODY:
            broadcast = site if case.beside is Beside.OWN else stack.enter_context(site.neighbour())
            broadcast.broadcast(bulk)
            broadcast.start("sms", "control", SMS_PER_SECOND=case.pace)
            wait_until(broadcast.broadcast_has_sent, seconds=60, what="the bulk run to begin")
        measured = _measured(site, give, case.rate, seconds, name=case.name, limit=case.limit)
        assert broadcast is None or not broadcast.broadcast_has_ended(), (
            "the bulk run was over first; give it more BULK"
        )
        return measured


def naive(*, rate: int, seconds: float) -> Measured:
    """The obvious design; it needs no database."""
    with open_site("sqlite") as site:
        site.start_naive()
        give = obvious(site)
        _send(site, give, 201, 10, 2)
        return _measured(site, give, rate, seconds, name="one task each, sends at once", limit=0.5)


def _measured(site: Site, give: Give, rate: int, seconds: float, **named: Any) -> Measured:
    meter = site.meter()
    meter.start()
    return _wait(site, meter, *_send(site, give, 202, rate, seconds), **named)


def _send(site: Site, give: Give, label: int, rate: int, seconds: float) -> tuple[Mapping[str, float], float]:
    """Hand events over at this rate. When each was, by its number, and how long it took in all."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    for numbers in paced(round(rate * seconds), rate):
        events = [event(label, number) for number in numbers]
        sent |= dict.fromkeys((str(one["contact"]["phone"]) for one in events), time.monotonic())
        give(site, events)
    return sent, time.monotonic() - began


def _wait(site: Site, meter: Meter, sent: Mapping[str, float], lasted: float, **named: Any) -> Measured:
    """Until all have arrived, or nothing does any more for as long as they were sent."""
    ends = time.monotonic() + max(5.0, lasted)
    while True:
        arrived = site.arrived()
        took = tuple(arrived[phone] - at for phone, at in sent.items() if phone in arrived)
        if len(took) == len(sent) or time.monotonic() > ends:
            beside = site.broadcast_texts(since=min(sent.values()))
            return Measured(sent=len(sent), took=took, lasted=lasted, cpu=meter.stop(), beside=beside, **named)
        time.sleep(0.5)  # between two looks at how many have arrived


def lines(database: str) -> Iterator[str]:
    """The table, line by line."""
    yield f"{database:34} {'events/s':>9} {'arrived':>8} {'p50':>8} {'p95':>8} {'p99':>8}  milliseconds, CPU us/event"
    for case in CASES:
        yield ours(case, database, seconds=SECONDS, bulk=BULK).line()
    yield naive(rate=RATE, seconds=SECONDS).line()


def main() -> int:
    for database in DATABASES:
        for line in lines(database):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
