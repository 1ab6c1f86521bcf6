"""What a receipt costs from the callback to the outcome: judged as it comes in, and put by to be applied later.

    python -m tests.benchmarks.receipts             # TEXTS=4000, ROUNDS=3

1. Each text has two receipts, as Twilio sends them. What is measured begins after HTTP: verified and parsed, they are
   committed so many at a time, as many as come in while the last ones are committed.
2. The baseline, in turn: the same receipts are kept only, and applied later, some hundred at a time.
3. Client CPU is that of this thread, server CPU that of all of its processes, those that write to the disk included.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import select

sys.path.append(str(Path(__file__).parent))  # its neighbors are scripts

from channels.messages import ChannelKind
from channels.results import ReceiptKind
from tests.benchmarks.flat import settle_down
from tests.benchmarks.flat_runs import TENANT, Carrying, new_run, people, receipt_of
from tests.benchmarks.measure import cpu_seconds
from tests.benchmarks.server import new_database, postgres
from worker.runtime.advance import advance
from worker.runtime.dispatch import dispatch
from worker.runtime.intake import BATCH, News, apply_inbox, keep
from worker.store.facade import Store
from worker.store.tables import attempts

TEXTS = int(os.environ.get("TEXTS", "4000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
TOGETHER = (10, 50, 200)
"""Receipts in one commit."""


class Cost(NamedTuple):
    """Of one receipt: microseconds of CPU, bytes of the write-ahead log."""

    client: float
    server: float
    log: float


_waiting: dict[Carrying, int] = {}
"""Pieces of news that nobody has applied yet."""


def straight(rt: Carrying, news: Sequence[News]) -> None:
    """As the product takes them."""
    keep(rt, news)


def put_by(rt: Carrying, news: Sequence[News]) -> None:
    """Kept only, and applied when there are enough for whoever does that."""
    added = rt.store.inbox_add([entry for entry, _ in news], rt.now())
    _waiting[rt] = _waiting.get(rt, 0) + added.waiting
    if _waiting[rt] >= BATCH:
        finish(rt)


def finish(rt: Carrying) -> None:
    """Apply what is left."""
    _waiting[rt] = 0
    while apply_inbox(rt):
        pass


WAYS: dict[str, Callable[[Carrying, Sequence[News]], None]] = {"straight": straight, "put by": put_by}


def measure(url: str, folder: Path) -> Iterator[str]:
    """The rounds, and a line for each way and number of receipts in a commit."""
    store = Store(url)
    store.migrate()
    people(store, TEXTS)
    rt = Carrying(store, folder)
    costs: dict[tuple[int, str], list[Cost]] = {}
    for way, take in WAYS.items():  # what is built once is not to be paid for by the first
        _cost(rt, f"warm_{way[:3]}", take, TOGETHER[-1])
    for number in range(ROUNDS):
        for together in TOGETHER:
            for way in list(WAYS)[:: 1 if number % 2 else -1]:
                cost = _cost(rt, f"run_{number}_{together}_{way[:3]}", WAYS[way], together)
                costs.setdefault((together, way), []).append(cost)
    rt.close()
    for (together, way), each in sorted(costs.items(), key=lambda one: (one[0][0], -len(one[0][1]))):
        client, server, log = (_told([getattr(cost, part) for cost in each]) for part in Cost._fields)
        yield f"{together:>4} in a commit, {way:<8}: client {client} us, server {server} us, {log} bytes of log"


def _told(values: Sequence[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} - {max(values):,.0f})"


def _cost(rt: Carrying, run_id: str, take: Callable[[Carrying, Sequence[News]], None], together: int) -> Cost:
    """Of the receipts of a run's first text."""
    store = rt.store
    new_run(rt, run_id)
    advance(rt, TENANT, run_id)
    rt.run(dispatch(rt, TENANT, run_id, ChannelKind.SMS))
    row = attempts.c
    with store.engine.connect() as conn:
        sent = conn.execute(select(row.attempt_id, row.provider_ref).where(row.run_id == run_id)).all()
    stages = (ReceiptKind.SENT, ReceiptKind.DELIVERED)
    news = [receipt_of(kind, *one) for kind in stages for one in sent]
    settle_down(store)
    before = _spent(store)
    for start in range(0, len(news), together):
        take(rt, news[start : start + together])
    finish(rt)
    spent = [(b - a) / len(news) for a, b in zip(before, _spent(store), strict=True)]
    report = store.run_report(TENANT, run_id).messages
    assert report["sms", "settled", "SMS_DELIVERED", "DELIVERED"] >= TEXTS, f"not every receipt was applied: {report}"
    return Cost(client=spent[0] * 1e6, server=spent[1] * 1e6, log=spent[2])


def _spent(store: Store) -> tuple[float, float, float]:
    with store.engine.connect() as conn:
        written: Any = conn.exec_driver_sql("SELECT pg_current_wal_insert_lsn() - '0/0'").scalar_one()
        folder = conn.exec_driver_sql("SHOW data_directory").scalar_one()
    server = int((Path(folder) / "postmaster.pid").read_text().split()[0])
    return time.thread_time(), cpu_seconds(server), float(written)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="campaigns-bench-") as name, postgres(Path(name)) as admin:
        for line in measure(new_database(admin, "receipts"), Path(name)):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
