"""What an import costs against a bare bulk load of the same rows, on both databases.

    python -m tests.benchmarks.importing         # 1,000,000 rows, three rounds; some minutes

1. Ours is `import_file` as the command calls it: encoding, checks, duplicates, opt-outs, list, history, commits.
2. Bare is the csv module, phone numbers by the same function, and COPY (on SQLite executemany) of what came out into
   the same table with its indexes, in one transaction: no checks, no duplicates, no list.
3. Both run in turn in fresh processes on an empty table. Of the memory the highest is told that was seen: what the
   process has, and what those that it started have besides.
4. The file is as files are: one number in 20 is written the American way and one is British, one row in 100 is there
   before, one in 200 has a broken number, one in 100 has opted out.
"""

import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from threading import Event, Thread

import orjson
import psutil

from tests.benchmarks.schema import AREAS
from tests.benchmarks.server import postgres
from worker.domain.addresses import to_e164
from worker.runtime.bootstrap import Runtime
from worker.runtime.import_file import import_file
from worker.runtime.settings import Settings
from worker.store.codec import new_id
from worker.store.facade import Store

ROWS = int(os.environ.get("ROWS", "1000000"))
RUNS = int(os.environ.get("RUNS", "3"))
TENANT = "bench"
COLUMNS = ("customerId", "firstName", "lastName", "mobile", "email", "country", "plan", "city", "optedOut")
BARE = (
    *("tenant_id", "contact_id", "external_id", "phone", "email", "fields"),
    *("first_name_key", "last_name_key", "created_at", "modified_at"),
)
FIRST = ("Ann", "Bob", "Carla", "Deniz", "Eva", "Farid", "Grete", "Hugo", "Ines", "Jamal")


@dataclass(frozen=True)
class Measured:
    """One load: rows a second, and the highest memory of its processes in MB."""

    rate: float
    memory: float


def main() -> None:
    print(f"{ROWS:,} rows, {RUNS} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="campaigns-import-") as name:
        folder = Path(name)
        file = write_file(folder / "people.csv", ROWS)
        for database in os.environ.get("DATABASES", "postgresql,sqlite").split(","):
            print(f"\n{database}", flush=True)
            if database == "sqlite":
                report(measure(f"sqlite:///{folder}/campaigns.db", file))
            else:
                with postgres(folder) as url:
                    report(measure(url, file))


def report(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)


def measure(url: str, file: Path) -> Iterator[str]:
    """Load in turn; lines of the table."""
    Store(url).migrate()
    found: dict[str, list[Measured]] = {"bare": [], "ours": []}
    ratios = []
    for turn in range(RUNS):
        for load in (bare, ours) if turn % 2 == 0 else (ours, bare):
            empty(url)
            found[load.__name__].append(in_fresh_process(load, url, file))
        ratios.append(found["ours"][-1].rate / found["bare"][-1].rate)
    empty(url)
    first, again = (in_fresh_process(ours, url, file) for _ in range(2))
    found["ours"].append(first)
    for name, runs in found.items():
        rates = [run.rate for run in runs]
        memory = max(run.memory for run in runs)
        yield (f"{name:5} {median(rates):9,.0f} rows/s ({min(rates):,.0f} - {max(rates):,.0f}), up to {memory:,.0f} MB")
    yield f"ours takes {1 / median(ratios):.2f} times as long as bare ({1 / max(ratios):.2f} - {1 / min(ratios):.2f})"
    yield f"the same file once more, which changes nothing: {again.rate:,.0f} rows/s, up to {again.memory:,.0f} MB"


def empty(url: str) -> None:
    """Forget what was loaded."""
    store = Store(url)
    with store.engine.begin() as conn:
        for table in ("contacts", "contact_list_members", "document_changes", "imports", "suppressions"):
            conn.exec_driver_sql(f"DELETE FROM {table}" if conn.dialect.name == "sqlite" else f"TRUNCATE {table}")
    store.close()


def in_fresh_process(load: Callable[[str, Path], int], url: str, file: Path) -> Measured:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(timed, load, url, file).result()


def timed(load: Callable[[str, Path], int], url: str, file: Path) -> Measured:
    """In the fresh process: load and measure."""
    with watched() as most:
        began = time.perf_counter()
        rows = load(url, file)
        took = time.perf_counter() - began
    return Measured(rows / took, most[0] / 1e6)


@contextmanager
def watched() -> Iterator[list[int]]:
    """The highest memory of this process and its children, looked at ten times a second."""
    most, over = [0], Event()

    def watch() -> None:
        while not over.wait(0.1):
            most[0] = max(most[0], memory())

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def memory() -> int:
    """Bytes. Pages of libraries that a child shares with others are counted once."""
    this = psutil.Process()
    found = this.memory_info().rss
    for child in this.children():
        with suppress(psutil.NoSuchProcess):
            found += child.memory_full_info().uss
    return found


def ours(url: str, file: Path) -> int:
    """Import the file; how many rows it has."""
    settings = Settings(tenant_id=TENANT, database_url=url)
    rt = Runtime(settings, Store(url), lambda hint: None)
    result = import_file(rt, file, list_name="people", region="US", rejects=file.with_suffix(".rejects.csv"))
    assert result.accepted == rt.store.list_size(TENANT, rt.store.list_documents(TENANT, "contactlist")[0].id), result
    rt.close()
    return result.rows


def bare(url: str, file: Path) -> int:
    """Load the file's rows; how many it has."""
    store = Store(url)
    names = ", ".join(BARE)
    driver = store.engine.raw_connection()
    cursor = driver.cursor()
    if store.engine.dialect.name == "sqlite":
        cursor.execute("BEGIN")
        cursor.executemany(f"INSERT INTO contacts ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", bare_rows(file))
    else:
        with cursor.copy(f"COPY contacts ({names}) FROM STDIN") as copy:
            for row in bare_rows(file):
                copy.write_row(row)
    driver.commit()
    driver.close()
    store.close()
    with file.open() as lines:
        return sum(1 for _ in lines) - 1


def bare_rows(file: Path) -> Iterator[tuple[object, ...]]:
    """Parsed and with phone numbers in E.164; duplicates and broken numbers, which would stop it, are left out."""
    now = int(time.time() * 1000)
    with file.open(newline="", encoding="utf-8") as lines:
        reader = csv.reader(lines)
        next(reader)
        for key, first, last, phone, email, country, plan, city, _ in reader:
            if key.startswith("again") or len(phone) < 10:
                continue
            named = {"firstName": first, "lastName": last, "country": country, "plan": plan, "city": city}
            fields = orjson.dumps(named).decode()
            number = to_e164(phone, country)
            yield (TENANT, new_id(), key, number, email, fields, first.lower(), last.lower(), now, now)


def write_file(path: Path, rows: int) -> Path:
    """A file of so many people."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(person(n) for n in range(rows))
    return path


def person(n: int) -> tuple[str, ...]:
    """The row of number n; neighbors live far apart, as people do."""
    exchange, line = n * 7919 % 40_000, n // 40_000
    area, rest = divmod(exchange, 800)
    phone, country = f"+1{AREAS[area]}{200 + rest:03}{line:04}", "US"
    if n % 20 == 1:
        phone = f"({phone[2:5]}) {phone[5:8]}-{phone[8:]}"
    elif n % 20 == 2:
        phone, country = f"+4479{n:08}", "GB"
    elif n % 200 == 3:
        phone = phone[:9]
    key, email = f"CRM-{n}", f"p{n}@example.com"
    if n % 100 == 99:
        key, email, phone = f"again-{n}", "", person(n - 89)[3]
    opted_out = "yes" if n % 100 == 50 else ""
    return (
        key,
        FIRST[n % 10],
        f"Lee{n // 100}",
        phone,
        email,
        country,
        ("basic", "gold")[n % 2],
        "Springfield",
        opted_out,
    )


if __name__ == "__main__":
    main()
