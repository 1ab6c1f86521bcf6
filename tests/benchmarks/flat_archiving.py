"""A live run with and without old runs being archived beside it, in turn.

Two processes step and send a run of its own; `campaigns archive`, as a third, is frozen while it is not to disturb.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from channels.messages import ChannelKind
from tests.benchmarks.flat_runs import TENANT, Carrying, new_run
from worker.runtime import advance as advancing
from worker.runtime import dispatch as dispatching
from worker.store.facade import Store

ORDER = (True, False, False, True) * 2
"""Whether a turn is beside archiving; as many before as after, since a run slows down while it goes on."""
PROCESSES = 2
_POLL = 0.02


def _live(url: str, folder: str, run_id: str, accepted: Any, ends: Any) -> None:
    # Small pieces of each kind of work in turn, so that every turn sees as much of both.
    advancing.BUDGET_SECONDS, dispatching.BUDGET_SECONDS = 0.0, 0.2
    rt = Carrying(Store(url), Path(folder))
    rt.provider.accepted = accepted
    while not ends.is_set():
        advancing.advance(rt, TENANT, run_id)
        rt.run(dispatching.dispatch(rt, TENANT, run_id, ChannelKind.SMS))
    rt.close()


@contextmanager
def _running(url: str, folder: Path, run_id: str) -> Any:
    context = multiprocessing.get_context("spawn")
    counts, ends = [context.Value("q", 0) for _ in range(PROCESSES)], context.Event()
    workers = [context.Process(target=_live, args=(url, str(folder), run_id, one, ends)) for one in counts]
    for worker in workers:
        worker.start()
    try:
        yield lambda: sum(one.value for one in counts)
    finally:
        ends.set()
        for worker in workers:
            worker.join()


def beside_archiving(url: str, folder: Path, seconds: float) -> tuple[float, float, float, str]:
    """By how much a live run is slower, its messages/s alone and beside, and what was archived meanwhile."""
    store = Store(url)
    live = new_run(Carrying(store, folder), "beside")
    olds = [run.run_id for run in store.find_runs(TENANT, limit=100_000) if run.run_id.startswith("copy")]
    words = [sys.executable, "-m", "worker.cli.main", "archive", *sorted(olds), "--to", str(folder / "archive")]
    rates: dict[bool, list[float]] = {True: [], False: []}
    before = _rows(store)
    with _running(url, folder, live) as accepted:
        _wait(lambda: accepted() > 0)
        place = {"DATABASE_URL": url, "DATA_DIR": str(folder)}
        archiver = subprocess.Popen(words, env=os.environ | place, stdout=subprocess.DEVNULL)
        _wait(lambda: archiver.poll() is not None or any(store.archive_state(TENANT, old).place for old in olds))
        try:
            for beside in ORDER:
                archiver.send_signal(signal.SIGCONT if beside else signal.SIGSTOP)
                began, count = time.perf_counter(), accepted()
                while time.perf_counter() - began < seconds and not (beside and archiver.poll() is not None):
                    time.sleep(_POLL)
                rates[beside].append((accepted() - count) / (time.perf_counter() - began))
        finally:
            archiver.send_signal(signal.SIGCONT)
            archiver.terminate()
            archiver.wait()
    done = sum(store.archive_state(TENANT, old).dropped for old in olds)
    told = f"{done} runs of {len(olds)} archived, {before - _rows(store):,} people deleted"
    store.close()
    pairs = [(alone, with_it) for alone, with_it in zip(rates[False], rates[True], strict=True) if alone]
    if not pairs:
        return 0.0, 0.0, 0.0, f"{told}; the live run was over at once, too few people to tell"
    each = sorted(1 - with_it / alone for alone, with_it in pairs)
    told += f"; turn by turn {each[0]:.1%} to {each[-1]:.1%} slower"
    slower = median(each)
    return slower, median(rates[False]), median(rates[True]), told


def _rows(store: Store) -> int:
    with store.engine.connect() as conn:
        others = "SELECT count(*) FROM enrollments WHERE run_id NOT IN ('beside', 'live')"
        return int(conn.exec_driver_sql(others).scalar_one())


def _wait(holds: Any) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends, "it did not begin in a minute"
        time.sleep(_POLL)
