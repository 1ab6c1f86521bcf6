"""What it takes to launch a campaign over a million people: until the first message, until the last is enrolled.

    python -m tests.benchmarks.launching            # PEOPLE=1000000, DATABASES=sqlite,postgresql, RUNS=3

1. Enrolling: the chunks of the product against one bare INSERT … SELECT of the same rows into the same table, in turn.
2. The launch: `campaigns launch` as a process, against running workers and a provider that only counts. The clock runs
   from the start of the command to the first message the provider accepts.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).parent))  # its neighbors are scripts

from tests.benchmarks.designs import _settings
from tests.benchmarks.measure import Meter
from tests.benchmarks.once import Stub, _free_port
from tests.benchmarks.server import new_database, postgres
from worker.domain.audience import Selection
from worker.domain.run import Run, RunStatus
from worker.runtime.embedded import start_redis
from worker.runtime.launch import ENROLL_CHUNK
from worker.runtime.stack import program
from worker.runtime.supervisor import Program, Supervisor, wait_until
from worker.store.document_rows import Document
from worker.store.facade import Store

HERE = Path(__file__).parent
PEOPLE = int(os.environ.get("PEOPLE", "1000000"))
DATABASES = os.environ.get("DATABASES", "sqlite,postgresql").split(",")
RUNS = int(os.environ.get("RUNS", "3"))
REST_SECONDS = float(os.environ.get("REST_SECONDS", "4"))
"""What the start of the workers set in motion comes to rest, as in once.py."""
TENANT = "default"
PROGRAMS = ("control", "sms", "events")
_SERIES = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"
    " SELECT {columns} FROM s",
    "postgresql": "SELECT {columns} FROM generate_series(1, {count}) AS s(n)",
}
_PAD = {"sqlite": "printf('%07d', n)", "postgresql": "lpad(n::text, 7, '0')"}


def fill(store: Store, people: int) -> None:
    """Contacts, and a list of all of them."""
    kind = store.engine.dialect.name
    pad = _PAD[kind]
    rows = {
        "contacts (tenant_id, contact_id, phone, timezone, fields, created_at, modified_at)": f"'{TENANT}',"
        f" 'c' || {pad}, '+1202' || {pad}, 'America/New_York', '{{\"firstName\": \"Ann\"}}', 0, 0",
        "contact_list_members (tenant_id, contact_list_id, contact_id)": f"'{TENANT}', 'lst', 'c' || {pad}",
    }
    with store.engine.begin() as conn:
        for table, columns in rows.items():
            series = _SERIES[kind].format(columns=columns, count=people)
            conn.exec_driver_sql(f"INSERT INTO {table} {series}".replace("%", "%%" if kind != "sqlite" else "%"))
    store.put_documents(TENANT, [Document(type="contactlist", id="lst", name="everybody", data={})], datetime.now(UTC))
    with store.engine.connect() as conn:
        conn.exec_driver_sql("ANALYZE")
        conn.commit()
        if kind == "postgresql":
            conn.exec_driver_sql("CHECKPOINT")  # what was written so far is not to be paid for by what is measured next


def enrolling(store: Store, number: int) -> tuple[float, float]:
    """Seconds of the product's chunks and of the bare statement, over the same people."""
    now = datetime.now(UTC)
    run = Run(
        tenant_id=TENANT,
        run_id=f"run_{number}",
        campaign_id="c",
        status=RunStatus.RUNNING,
        campaign={},
        workflows={},
        dispositions=(),
        options={},
        contact_list_id="lst",
        enrolled=False,
        created_at=now,
        started_at=now,
    )
    store.create_run(run, again=True)
    selection = Selection(as_of=now, lists=("lst",))
    began = time.perf_counter()
    while store.enroll_chunk(TENANT, run.run_id, ENROLL_CHUNK, now, selection=selection).more:
        pass
    ours = time.perf_counter() - began
    assert store.get_run(TENANT, run.run_id).enrolled
    bare = replace(run, run_id=f"bare_{number}")
    began = time.perf_counter()
    with store.engine.begin() as conn:
        conn.exec_driver_sql(
            "INSERT INTO enrollments (enrollment_id, tenant_id, run_id, contact_id, status, due_at, created_at)"
            f" SELECT '{bare.run_id}-' || contact_id, tenant_id, '{bare.run_id}', contact_id, 'ready', 0, 0"
            " FROM contact_list_members WHERE contact_list_id = 'lst'"
        )
    return ours, time.perf_counter() - began


def compare(url: str) -> Iterator[str]:
    store = Store(url)
    store.migrate()
    fill(store, PEOPLE)
    pairs = [enrolling(store, number) for number in range(RUNS)]
    rates = [[PEOPLE / seconds for seconds in each] for each in zip(*pairs, strict=True)]
    ratio = median(bare / ours for ours, bare in pairs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield (
        f"people enrolled a second: {median(rates[0]):,.0f} ({min(rates[0]):,.0f} - {max(rates[0]):,.0f});"
        f" one bare statement {median(rates[1]):,.0f}; ratio {ratio:.2f}; this process at most {memory:.0f} MB"
    )
    store.close()


def first_message(url: str, folder: Path) -> Iterator[str]:
    """The launch as an operator makes it."""
    with ExitStack() as stack:
        supervisor = stack.enter_context(Supervisor(folder))
        port = _free_port()
        supervisor.start(Program(name="stub", command=(sys.executable, str(HERE / "stub.py"), str(port), "0")))
        stub = Stub(port)
        wait_until(stub.answers, seconds=10, what="the stub to answer")

        class Place:
            database_url, data_dir, stub_url = url, folder, f"http://127.0.0.1:{port}"
            redis_url = start_redis(supervisor, folder)

        os.environ |= _settings(Place)
        for name in PROGRAMS:
            supervisor.start(program(name))
        campaigns = (sys.executable, "-m", "worker.cli.main")
        store = Store(url)
        subprocess.run([*campaigns, "save", str(HERE / "jobs" / "mixed.yaml")], check=True)
        time.sleep(REST_SECONDS)
        pids = {name: supervisor.running[name].process.pid for name in PROGRAMS}
        meter = Meter(pids)
        meter.start()
        began = time.perf_counter()
        launched = subprocess.Popen([*campaigns, "launch", "benchmark", "--list", "everybody", "--json"])
        wait_until(lambda: stub.ask("/count")["accepted"] > 0, seconds=60, what="the first message")
        first = time.perf_counter() - began
        launched.wait()
        wait_until(lambda: store.find_runs(TENANT)[0].enrolled, seconds=600, what="everybody to be enrolled")
        enrolled = time.perf_counter() - began
        meter.stop()
        accepted = stub.ask("/count")["accepted"]
        store.close()
        yield (
            f"first message accepted {first:.2f} s after the command began; {PEOPLE:,} enrolled after {enrolled:.1f} s"
            f" while {accepted:,} messages left; largest process {meter.memory.largest / 1e6:.0f} MB"
        )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="campaigns-bench-") as name, ExitStack() as stack:
        for kind in DATABASES:
            folder = Path(name) / kind
            folder.mkdir()
            if kind == "sqlite":
                urls = [f"sqlite:///{folder / f'{n}.db'}" for n in range(2)]
            else:
                admin = stack.enter_context(postgres(folder))
                urls = [new_database(admin, f"bench_{n}") for n in range(2)]
            sys.stdout.write(f"{kind}\n")
            for line in compare(urls[0]):
                sys.stdout.write(f"  {line}\n")
                sys.stdout.flush()
            store = Store(urls[1])
            store.migrate()
            fill(store, PEOPLE)
            store.close()
            (folder / "launch").mkdir()
            for line in first_message(urls[1], folder / "launch"):
                sys.stdout.write(f"  {line}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
