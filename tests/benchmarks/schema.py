"""What the schema service costs against the bare SQL of the same request, on both databases.

    python -m tests.benchmarks.schema            # 1,000,000 contacts, 10,000 campaigns; some minutes a database

1. Bare SQL is the driver alone: the statement that fetches the same rows, and their JSON parsed. No tenant's token, no
   validation, no query language.
2. Both are asked in turn, in the same run, on the same tables, with other values each time. p50 and p95 of each, and
   the ratio of the p95.
3. Bare bulk loading is COPY (or an INSERT of many rows) of rows that are ready, into the same table with its indexes.
"""

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.benchmarks.server import postgres
from worker.schema.client import Local, SchemaTypeClient
from worker.schema.finding import Search
from worker.schema.scopes import operator
from worker.schema.service import SchemaService
from worker.store.facade import Store

CONTACTS = int(os.environ.get("CONTACTS", "1000000"))
CAMPAIGNS = int(os.environ.get("CAMPAIGNS", "10000"))
ASKED = int(os.environ.get("ASKED", "300"))
BATCH = 10_000
ACTOR = operator("bench", "bench")
FIRST = ("Ann", "Bob", "Carla", "Deniz", "Eva", "Farid", "Grete", "Hugo", "Ines", "Jamal")
SEASONS = ("Holiday", "Renewal", "Winback", "Survey", "Spring")


@dataclass(frozen=True)
class Compared:
    """Seconds each request took, ours and bare."""

    name: str
    ours: list[float]
    bare: list[float]
    limit: float | None = None

    def line(self) -> str:
        parts = [f"{1000 * percentile(values, p):8.2f}" for values in (self.ours, self.bare) for p in (50, 95)]
        ratio = percentile(self.ours, 95) / percentile(self.bare, 95)
        verdict = "" if self.limit is None else (" holds" if percentile(self.ours, 95) < self.limit else " MISSED")
        return f"{self.name:42} {' '.join(parts)} {ratio:8.1f}{verdict}"


def percentile(values: Sequence[float], p: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * p // 100)]


AREAS = (*range(201, 210), *range(212, 220), *range(301, 311), *range(312, 322), *range(401, 411), *range(412, 416))


def person(n: int) -> dict[str, Any]:
    """Somebody in one of 40,000 exchanges of North America; neighbors in the list live far apart, as people do."""
    exchange, line = n * 7919 % 40_000, n // 40_000
    area, rest = divmod(exchange, 800)
    return {
        "firstName": FIRST[n % 10],
        "lastName": f"Lee{n // 100}",
        "phone": f"+1{AREAS[area]}{200 + rest:03}{line:04}",
        "email": f"p{n}@example.com",
        "externalId": f"CRM-{n}",
    }


class Bare:
    """The driver alone."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.connection = store.engine.raw_connection()
        self.mark = "?" if store.engine.dialect.name == "sqlite" else "%s"

    def fetch(self, sql: str, *values: Any) -> list[Any]:
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("?", self.mark), values)
        rows = cursor.fetchall()
        self.connection.rollback()
        return rows

    def parsed(self, sql: str, *values: Any) -> int:
        """Fetch, and parse the first column; how many rows came."""
        return len([json.loads(row[0]) for row in self.fetch(sql, *values)])

    def close(self) -> None:
        self.connection.close()


def measure(url: str) -> Iterator[str]:
    """Load and ask; lines of the table."""
    store = Store(url)
    store.migrate()
    service = SchemaService(store, lambda: datetime.now(UTC))
    yield from load(service)
    with store.engine.connect() as conn:
        conn.exec_driver_sql("ANALYZE")
        conn.commit()
    bare = Bare(store)
    yield f"{'milliseconds':42} {'ours p50':>8} {'p95':>8} {'bare p50':>8} {'p95':>8} {'ratio':>8}"
    for compared in questions(service, bare):
        yield compared.line()
    yield stream(service, bare)
    bare.close()
    store.close()


def load(service: SchemaService) -> Iterator[str]:
    """Contacts in batches, ours and bare in turn; then campaigns."""
    ours, bare = [], []
    for place, start in enumerate(range(0, CONTACTS, BATCH)):
        people = [person(n) for n in range(start, min(start + BATCH, CONTACTS))]
        if place % 10 == 9:  # every tenth batch goes in bare
            rows = [service._contacts._row(ACTOR, one, "") for one in people]  # ready before the clock runs
            began = time.perf_counter()
            service.store.create_contacts("bench", lambda rows=rows: rows, service.now(), by="bench")
            bare.append(len(people) / (time.perf_counter() - began))
        else:
            began = time.perf_counter()
            service.create_many(ACTOR, "contact", people)
            ours.append(len(people) / (time.perf_counter() - began))
    yield (
        f"contacts created a second, batches of {BATCH:,}: {median(ours):,.0f} ({min(ours):,.0f} - {max(ours):,.0f});"
        f" bare {median(bare or [0]):,.0f}; ratio {median(ours) / median(bare or [1]):.2f}"
    )
    states = {"begin": {"actions": [{"type": "sendEmail", "subject": "Hello", "text": "Hello"}]}}
    workflow = service.create(ACTOR, "workflow", {"name": "bench", "states": states})
    campaigns = [campaign(n, workflow["workflowId"]) for n in range(CAMPAIGNS)]
    each = campaigns[: min(200, CAMPAIGNS // 2)]
    began = time.perf_counter()
    for document in each:
        service.create(ACTOR, "campaign", document)
    yield f"campaigns created a second, each by itself: {len(each) / (time.perf_counter() - began):,.0f}"
    for start in range(len(each), CAMPAIGNS, 500):
        service.save(ACTOR, [("campaign", c["campaignId"], c) for c in campaigns[start : start + 500]])


def campaign(n: int, workflow_id: str) -> dict[str, Any]:
    return {
        "campaignId": f"cmp_{n}",
        "name": f"{SEASONS[n % 5]} {n}",
        "workflowId": workflow_id,
        "useForEmail": True,
        "emailFromAddress": f"from{n % 100}@example.com",
    }


def questions(service: SchemaService, bare: Bare) -> Iterator[Compared]:
    """Each request, ours and bare in turn."""
    campaigns = "SELECT data FROM documents WHERE tenant_id = 'bench' AND type = 'campaign' AND NOT deleted AND"
    contacts = "SELECT fields FROM contacts WHERE tenant_id = 'bench' AND NOT deleted AND"

    def ids(n: int) -> str:
        where = "tenant_id = 'bench' AND external_id = ? AND external_id <> '' AND NOT deleted"
        return bare.fetch(f"SELECT contact_id FROM contacts WHERE {where}", f"CRM-{n}")[0][0]

    def retrieve(kind: str, key: str) -> int:
        return int(bool(service.retrieve(ACTOR, kind, key)))

    def search(kind: str, q: str) -> int:
        return service.search(ACTOR, kind, Search(q=q, rows=20)).count

    def named(pattern: str) -> int:
        bare.fetch(f"{campaigns.replace('data', 'count(*)', 1)} name_key LIKE ?", pattern)
        return bare.parsed(f"{campaigns} name_key LIKE ? ORDER BY name_key LIMIT 20", pattern)

    yield compare(
        "retrieve a campaign",
        lambda n: retrieve("campaign", f"cmp_{n % CAMPAIGNS}"),
        lambda n: bare.parsed(f"{campaigns} document_id = ?", f"cmp_{n % CAMPAIGNS}"),
        limit=0.005,
    )
    known = [ids(n * 7919 % CONTACTS) for n in range(50)]
    yield compare(
        "retrieve a contact",
        lambda n: retrieve("contact", known[n % 50]),
        lambda n: bare.parsed(f"{contacts} contact_id = ?", known[n % 50]),
        limit=0.005,
    )
    yield compare(
        "campaigns, name:Holiday*, 20 of 2,000",
        lambda n: search("campaign", f"name:{SEASONS[n % 5]}*"),
        lambda n: named(f"{SEASONS[n % 5].lower()}%"),
        limit=0.025,
    )
    yield compare(
        "campaigns, emailFromAddress:x, 20 of 100",
        lambda n: search("campaign", f"emailFromAddress:from{n % 100}@example.com"),
        lambda n: bare.parsed(f"{campaigns} data LIKE ? ORDER BY name_key LIMIT 20", f'%"from{n % 100}@example.com"%'),
        limit=0.025,
    )
    yield compare(
        "contacts, phone:x",
        lambda n: search("contact", f'phone:"{person(n * 7919 % CONTACTS)["phone"]}"'),
        lambda n: bare.parsed(f"{contacts} phone = ? AND phone <> ''", person(n * 7919 % CONTACTS)["phone"]),
        limit=0.025,
    )
    yield compare(
        "contacts, lastName:x, 20 of 100",
        lambda n: search("contact", f"lastName:Lee{n * 31 % (CONTACTS // 100)}"),
        lambda n: bare.parsed(
            f"{contacts} last_name_key = ? AND last_name_key <> '' ORDER BY contact_id LIMIT 20",
            f"lee{n * 31 % (CONTACTS // 100)}",
        ),
        limit=0.025,
    )
    yield compare(
        "contacts, name:lee10*, 20 of thousands",
        lambda n: search("contact", f"name:lee{n % 8 + 1}0*"),
        lambda n: bare.parsed(
            f"{contacts} last_name_key >= ? AND last_name_key < ? AND last_name_key <> '' ORDER BY contact_id LIMIT 20",
            *(f"lee{n % 8 + 1}0", f"lee{n % 8 + 1}1"),
        ),
    )


def compare(name: str, ours: Callable[[int], int], bare: Callable[[int], int], limit: float | None = None) -> Compared:
    """Ask both in turn; they must find equally much. The first ten are not counted."""
    took: dict[str, list[float]] = {"ours": [], "bare": []}
    for n in range(ASKED):
        found = {}
        for side, ask in (("ours", ours), ("bare", bare)):
            began = time.perf_counter()
            found[side] = ask(n)
            took[side].append(time.perf_counter() - began)
        assert found["ours"] == found["bare"], (name, n, found)
    return Compared(name, took["ours"][10:], took["bare"][10:], limit)


def stream(service: SchemaService, bare: Bare) -> str:
    """All contacts, a page at a time, and the most memory it took."""
    url = service.store.engine.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        count, took, grown = fresh.submit(stream_alone, url).result()
    began, last, read = time.perf_counter(), "", 0
    where = "tenant_id = 'bench' AND NOT deleted AND contact_id > ?"
    page = f"SELECT contact_id, fields FROM contacts WHERE {where} ORDER BY contact_id LIMIT 1000"
    while rows := bare.fetch(page, last):
        last, read = rows[-1][0], read + len([json.loads(row[1]) for row in rows])
    alone = time.perf_counter() - began
    assert count == read == CONTACTS, (count, read)
    return (
        f"streaming {count:,} contacts: {count / took:,.0f} a second, {took / alone:.1f} times the bare time;"
        f" memory grew by {grown / 1e6:.1f} MB after the first page"
    )


def stream_alone(url: str) -> tuple[int, float, int]:
    """In a fresh process: how many contacts came, in how many seconds, and by how much memory grew meanwhile."""
    store = Store(url)
    client = SchemaTypeClient(Local(SchemaService(store, lambda: datetime.now(UTC)), ACTOR))
    client.search("contact", rows=1000)
    process = psutil.Process()
    with watched(process) as most:
        before, began = process.memory_info().rss, time.perf_counter()
        count = sum(1 for _ in client.search_all("contact"))
        took = time.perf_counter() - began
    client.close()
    return count, took, most[0] - before


@contextmanager
def watched(process: psutil.Process) -> Iterator[list[int]]:
    """The highest resident memory, looked at twenty times a second."""
    most, over = [process.memory_info().rss], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most[0] = max(most[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def main() -> None:
    print(f"{CONTACTS:,} contacts, {CAMPAIGNS:,} campaigns, {ASKED} requests of each kind, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="campaigns-schema-") as folder:
        for name in os.environ.get("DATABASES", "sqlite,postgresql").split(","):
            print(f"\n{name}", flush=True)
            if name == "sqlite":
                report(f"sqlite:///{folder}/campaigns.db")
            else:
                with postgres(Path(folder)) as url:
                    report(url)


def report(url: str) -> None:
    for line in measure(url):
        print(line, flush=True)


if __name__ == "__main__":
    main()
