"""Whether work stays as cheap as the database grows, what a finished contact takes, what archiving costs others.

    python -m tests.benchmarks.flat          # PEOPLE=10000000, SMALL=100000, ROUNDS=40, STORED=20000, SECONDS_EACH=5

1. Two databases of PostgreSQL have the same live run of half of SMALL people, and beside it finished ones with their
   messages, attempts and outcomes: up to SMALL enrollments in all, and up to PEOPLE. They are measured in turn.
2. Client and server CPU are those of this thread and of the process of its connection. The kernel may count the latter
   in ticks of milliseconds: of it the mean is told, of the others the median.
3. Verdicts are printed. It fails only where something breaks. 10,000,000 people take 40 GB and half an hour.
"""

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parent))  # its neighbors are scripts

from channels.messages import ChannelKind
from channels.results import Certainty, SendResult
from tests.benchmarks.flat_archiving import beside_archiving
from tests.benchmarks.flat_runs import PROVIDER, TENANT, Carrying, carry_out, copy_runs, new_run, people, ref_of
from tests.benchmarks.server import new_database, postgres
from worker.engine import settlement
from worker.runtime.advance import step_now
from worker.runtime.events import forgotten_before
from worker.runtime.settle import settle
from worker.store.columns import metadata
from worker.store.facade import Store

PEOPLE = int(os.environ.get("PEOPLE", "10000000"))
SMALL = int(os.environ.get("SMALL", "0")) or min(100_000, max(PEOPLE // 10, 200))
ROUNDS = int(os.environ.get("ROUNDS", "40"))
STORED = int(os.environ.get("STORED", "0")) or min(20_000, max(SMALL, 200))
SECONDS_EACH = float(os.environ.get("SECONDS_EACH", "5"))
LIVE = SMALL // 2
STEPPED = min(500, LIVE // (ROUNDS + 2))
SENT = min(100, STEPPED)
FINISHED = min(5000, LIVE)
TEMPLATE = FINISHED // 10
"""People of a finished run, and of the one that they are copies of."""
LOOKS = 10
"""So often each question is asked in a round."""

MOST_RATIO, MOST_KB, MOST_SLOWER = 1.3, 1.5, 0.10


class Cost(NamedTuple):
    """What one piece of work took, seconds."""

    wall: float
    client: float
    server: float


Costs = dict[str, list[Cost]]


_SCHEDULED = 2
"""CPU time of another process is a clock of this kind and its pid, see clock_getcpuclockid(3)."""


class Bench:
    """One database with a live run, and the process of its connection."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.store = Store(url)
        self.store.migrate()
        self.rt = Carrying(self.store, folder)
        self.live = ""
        self.costs: Costs = defaultdict(list)
        with self.store.engine.connect() as conn:
            pid = conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        self._clock = (~pid << 3) | _SCHEDULED

    def fill(self, enrolled: int) -> None:
        """The people, the live run, and finished runs up to so many enrollments."""
        people(self.store, LIVE)
        template = new_run(self.rt, "template", limit=TEMPLATE)
        carry_out(self.rt, template)
        copy_runs(self.store, template, TEMPLATE, (enrolled - LIVE) // FINISHED, FINISHED // TEMPLATE)
        self.live = new_run(self.rt, "live")
        settle_down(self.store)

    def round(self) -> None:
        """Each piece of work once."""
        rt, store = self.rt, self.store
        limits = {"owner": "bench", "limit": STEPPED, "lease": rt.settings.lease, "now": rt.now()}
        claims, claimed = self._timed(partial(store.claim_enrollments, TENANT, self.live, **limits))
        steps = [step for claim in claims if (step := step_now(rt, claim))]
        _, committed = self._timed(partial(store.commit_steps, steps, rt.now()))
        self.costs[f"claim {STEPPED} people, commit their steps"].append(_sum(claimed, committed))
        limits = {"limit": SENT, "lease": rt.settings.lease, "now": rt.now(), "provider": PROVIDER}
        rules = rt.definition(TENANT, self.live)
        found, claimed = self._timed(
            partial(store.claim_messages, TENANT, self.live, ChannelKind.SMS, rules=rules, **limits)
        )
        news = [(facts, partial(self._accepted, rules=rules)) for facts in found.attempts]
        _, settled = self._timed(partial(settle, rt, news, step=partial(step_now, rt)))
        self.costs[f"claim {SENT} messages, settle them"].append(_sum(claimed, settled))
        assert len(claims) == STEPPED, f"{len(claims)} people of {STEPPED} were due"
        assert len(news) == SENT, f"{len(news)} messages of {SENT} were due"
        looks: Mapping[str, Callable[[], object]] = {
            "a tick asks what is due": partial(store.due_work, TENANT, rt.now(), forgotten_before(rt)),
            "progress of the live run": partial(store.run_progress, TENANT, self.live),
            "status and report of the live run": partial(store.run_report, TENANT, self.live),
        }
        for name, look in looks.items():
            cost = self._timed(lambda look=look: [look() for _ in range(LOOKS)])[1]
            self.costs[name].append(Cost(*(part / LOOKS for part in cost)))

    def _accepted(self, facts: Any, rules: Any) -> Any:
        result = SendResult(certainty=Certainty.ACCEPTED, provider_ref=ref_of(facts.attempt_id), segments=2)
        options = self.rt.options(rules)
        return settlement.from_result(facts, result, book=rules.book, now=self.rt.now(), options=options)

    def _timed(self, work: Callable[[], Any]) -> tuple[Any, Cost]:
        wall, client, server = time.perf_counter(), time.thread_time(), self._server_seconds()
        result = work()
        return result, Cost(
            wall=time.perf_counter() - wall,
            client=time.thread_time() - client,
            server=self._server_seconds() - server,
        )

    def _server_seconds(self) -> float:
        return time.clock_gettime(self._clock)


def _sum(*costs: Cost) -> Cost:
    return Cost(*(sum(parts) for parts in zip(*costs, strict=True)))


def settle_down(store: Store) -> None:
    """What was written so far is not to be paid for by what is measured next."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        for statement in ("VACUUM ANALYZE", "CHECKPOINT"):
            conn.exec_driver_sql(statement)


def compare(small: Bench, large: Bench) -> Iterator[str]:
    """The rounds of both, in turn; the first of each is not counted."""
    for number in range(ROUNDS + 1):
        for bench in (small, large) if number % 2 else (large, small):
            bench.round()
    for name in small.costs:
        yield name
        pair = [bench.costs[name][1:] for bench in (small, large)]
        ratios = {}
        for part in Cost._fields:
            before, after = ([getattr(cost, part) * 1000 for cost in costs] for costs in pair)
            middle = mean if part == "server" else median
            ratios[part] = middle(after) / max(middle(before), _TICK)
            spread = " - ".join(
                f"{q:.2f}" for q in _quartiles([b / max(a, _TICK) for a, b in zip(before, after, strict=True)])
            )
            told = "" if part == "server" else f" ({spread})"
            costs = f"{middle(before):8.2f} ms, {middle(after):8.2f} ms in the larger"
            yield f"  {part:<6} {costs}: x {ratios[part]:.2f}{told}"
        worst = max(ratios["wall"], ratios["server"])
        yield f"  {_verdict(worst <= MOST_RATIO)}: x {worst:.2f} of at most {MOST_RATIO}"


_TICK = 0.01


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return (values[0],) * 2 if values else (1.0, 1.0)
    first, _, last = quantiles(values, n=4)
    return first, last


_SIZES = """
SELECT c.relname, coalesce(i.relname, ''), pg_relation_size(coalesce(i.oid, c.oid))
    + CASE WHEN i.oid IS NULL THEN pg_table_size(c.oid) - pg_relation_size(c.oid) ELSE 0 END
FROM pg_class c LEFT JOIN (
    SELECT indrelid, indexrelid AS oid, r.relname FROM pg_index JOIN pg_class r ON r.oid = indexrelid
    UNION ALL SELECT oid, NULL, NULL FROM pg_class
) i ON i.indrelid = c.oid WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""


def storage(url: str, folder: Path) -> Iterator[str]:
    """What a contact takes whose run was really carried out: heaps and indexes, history and inbox.

    Three runs, with a VACUUM after each: what the rows of the first have left behind is room for the next, and what the
    third adds is counted.
    """
    store = Store(url)
    store.migrate()
    people(store, STORED)
    rt = Carrying(store, folder)
    before = _sizes(store)
    for number in range(3):
        before = _sizes(store)
        carry_out(rt, new_run(rt, f"stored_{number}"))
        settle_down(store)
    grown = {key: (size - before[key]) / STORED for key, size in _sizes(store).items() if size != before[key]}
    assert store.run_report(TENANT, "stored_2").enrollments == {"finished": STORED}
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM FULL")
    packed = sum(_sizes(store)[key] for key in grown) / STORED / 3
    columns = _columns(store, {table for table, _ in grown})
    rt.close()
    total, inbox = sum(grown.values()), sum(size for (table, _), size in grown.items() if table == "inbox")
    own = total - inbox
    yield f"a finished contact of two texts takes {own / 1024:.2f} KB, with its receipts {total / 1024:.2f} KB"
    yield f"  without free room (VACUUM FULL, fill factors as they are) {packed / 1024:.2f} KB"
    for (table, index), size in sorted(grown.items(), key=lambda item: -item[1]):
        yield f"  {size:7.0f} bytes  {table}{f', index {index}' * bool(index)}"
    yield "  bytes by column: " + ", ".join(columns)
    yield f"  {_verdict(total / 1024 <= MOST_KB)}: {total / 1024:.2f} KB of at most {MOST_KB}"


def _sizes(store: Store) -> Mapping[tuple[str, str], int]:
    with store.engine.connect() as conn:
        rows = conn.exec_driver_sql(_SIZES).all()
    return defaultdict(int, {(table, index): int(size) for table, index, size in rows})


def _columns(store: Store, tables: Iterable[str]) -> list[str]:
    """How many bytes of a contact are in which column, the largest first; those of a few bytes are left out."""
    found = {}
    with store.engine.connect() as conn:
        for table in tables:
            names = [column.name for column in metadata.tables[table].columns]
            sums = ", ".join(f'sum(pg_column_size("{name}"))' for name in names)
            rows = conn.exec_driver_sql(f"SELECT count(*), {sums} FROM {table}").one()
            found |= {f"{table}.{name}": (size or 0) / STORED / 3 for name, size in zip(names, rows[1:], strict=True)}
    return [f"{name} {size:.0f}" for name, size in sorted(found.items(), key=lambda one: -one[1]) if size > 15]


def _verdict(met: bool) -> str:  # noqa: FBT001 - all that it is told
    return "met" if met else "NOT MET"


def archiving(bench: Bench) -> Iterator[str]:
    """How much a live run slows down while others are archived beside it."""
    slower, without, beside, told = beside_archiving(bench.url, bench.folder, SECONDS_EACH)
    yield f"messages/s of a live run: {without:,.0f} alone, {beside:,.0f} beside archiving ({told})"
    yield f"  {_verdict(slower <= MOST_SLOWER)}: {slower:.1%} slower of at most {MOST_SLOWER:.0%}"


def measure(admin: str, folder: Path) -> Iterator[str]:
    """All of it, on databases of this server."""
    yield from storage(new_database(admin, "stored"), folder)
    small, large = (Bench(new_database(admin, name), folder) for name in ("small", "large"))
    began = time.perf_counter()
    small.fill(SMALL)
    large.fill(PEOPLE)
    took = time.perf_counter() - began
    yield f"{SMALL:,} enrollments, and {PEOPLE:,} in the larger database (filled in {took:.0f} s)"
    yield from compare(small, large)
    yield from archiving(large)
    for bench in (small, large):
        bench.rt.close()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="campaigns-bench-") as name, postgres(Path(name)) as admin:
        for line in measure(admin, Path(name)):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
