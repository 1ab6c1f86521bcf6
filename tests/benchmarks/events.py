"""How long from an event in the stream to the provider's socket, idle and beside a bulk run, and by the obvious design.

    python -m tests.benchmarks.events                 # 2,000 events/s for 20 s, each way; about three minutes

1. Latency is from just before XADD to the moment the stub has read the text. Both are the machine's monotonic clock.
2. Every event is about somebody new: a contact, an enrollment, a step, a message, an attempt, all on the disk.
3. Beside a bulk run: a broadcast of texts to BULK people goes on through the ordinary workers. Its sender is paced by
   BULK_PER_SECOND, by default as SMS_PER_SECOND is; with a very large number it takes all of the machine it can get.
4. CPU is that of our workers, and of the database server, for all they did from the first event to the last text; the
   texts of a bulk run are in it.
5. The obvious design is one Celery task for each event that sends at once and records nothing. It is given the same
   events at the same rate in the same run, and what it has done by the end is counted.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles
from urllib.request import urlopen

from celery import Celery

from tests.benchmarks.measure import Meter
from tests.benchmarks.server import postgres, postmaster
from tests.benchmarks.stub import ACCOUNT_SID
from worker.domain.run import FINAL_RUN
from worker.runtime import launch as launching
from worker.runtime.bootstrap import Runtime
from worker.runtime.embedded import start_redis
from worker.runtime.event_stream import connect
from worker.runtime.machine import free_port
from worker.runtime.preflight import Launch
from worker.runtime.settings import Settings
from worker.runtime.stack import program
from worker.runtime.supervisor import Program, Supervisor, wait_until
from worker.store.document_rows import Document, DocumentType
from worker.store.facade import Store
from worker.store.rows import ContactRow

RATE = int(os.environ.get("RATE", "2000"))
SECONDS = float(os.environ.get("SECONDS", "20"))
BULK = int(os.environ.get("BULK", "100000"))
BULK_PER_SECOND = os.environ.get("BULK_PER_SECOND", "100")
"""What one sender may, by default."""
DATABASES = os.environ.get("DATABASES", "postgresql").split(",")
PROFILE = os.environ.get("PROFILE", "")
"""Samples the workers' processes into files whose names begin so. Slower: do not quote its rates."""
LIMIT_SECONDS = 0.5
TENANT = "default"
_TICK = 0.005
_BESIDE = {"stub", "redis"}
_SENDER = {"useForSMS": True, "type": "DEFAULT"}


@dataclass(frozen=True)
class Measured:
    """Seconds from event to provider for those that arrived; `sent` events in all."""

    name: str
    sent: int
    took: tuple[float, ...]
    lasted: float
    cpu: Mapping[str, float]
    """Seconds by program."""
    beside: int = 0
    """Texts of the broadcast that left meanwhile."""

    def at(self, percent: int) -> float:
        return quantiles(self.took, n=100, method="inclusive")[percent - 1] if len(self.took) > 1 else float("inf")

    def line(self) -> str:
        parts = " ".join(f"{1000 * self.at(p):8.0f}" for p in (50, 95, 99))
        verdict = "holds" if self.at(99) < LIMIT_SECONDS and len(self.took) == self.sent else "MISSED"
        cpu = " ".join(f"{name} {1e6 * seconds / self.sent:.0f}" for name, seconds in self.cpu.items())
        arrived = f"{self.sent / self.lasted:9,.0f} {len(self.took) / self.sent:8.0%}"
        beside = f"; broadcast {self.beside / self.lasted:,.0f} texts/s" if self.beside else ""
        return f"{self.name:34} {arrived} {parts}  {verdict}  {cpu}{beside}"


class Site:
    """Redis, a stub, a database and our workers, for as long as it is open."""

    def __init__(self, supervisor: Supervisor, folder: Path, database_url: str) -> None:
        self.supervisor, self.folder = supervisor, folder
        self.server: dict[str, int] = {}
        self.redis_url = start_redis(supervisor, folder)
        self.stub_url = f"http://127.0.0.1:{self._start_stub()}"
        supervisor.env |= {
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis_url,
            "DATA_DIR": str(folder),
            "TWILIO_BASE_URL": self.stub_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": "token",
            "SENDGRID_BASE_URL": self.stub_url,
            "SENDGRID_API_KEY": "SG.stub",
            "SMS_PER_SECOND": "1000000",
            "QUIET_SECONDS": "86400",
            "OUTCOME_DEADLINE_SECONDS": "86400",
            "NAIVE_REDIS_URL": self.redis_url,
            "NAIVE_STUB_URL": self.stub_url,
            "PYTHONPATH": str(Path(__file__).parent),
        }
        settings = Settings(_env_file=None, **{name.lower(): value for name, value in supervisor.env.items()})
        self.rt = Runtime(settings, Store(database_url), lambda _: None)
        self.rt.store.migrate()
        self.client = connect(self.redis_url)

    def close(self) -> None:
        self.client.close()
        self.rt.close()

    def _start_stub(self) -> int:
        port = free_port()
        words = (sys.executable, "-m", "tests.benchmarks.event_stub", str(port))
        self.supervisor.start(Program(name="stub", command=words))
        return port

    def start(self, *names: str) -> None:
        """Start workers. Those of the broadcast are paced, the one of the events is not."""
        for name in names:
            pace = {"SMS_PER_SECOND": BULK_PER_SECOND} if name == "sms" else {}
            one = program(name)
            if PROFILE:
                words = tuple("profiled" if word == "worker.tasks.app" else word for word in one.command)
                pace |= {"PROFILED": "worker.tasks.app", "PROFILE_FILE": f"{PROFILE}-{name}"}
                one = replace(one, command=words)
            self.supervisor.start(replace(one, env=pace))

    def meter(self) -> Meter:
        """Of the programs that are running now, the stub and Redis left out."""
        pids = {name: one.process.pid for name, one in self.supervisor.running.items() if name not in _BESIDE}
        return Meter(pids | self.server)

    def start_naive(self) -> None:
        command = (sys.executable, "-m", "celery", "-A", "event_naive", "worker", "-c", "2", "-l", "warning")
        self.supervisor.start(Program(name="naive", command=command))

    def arrived(self) -> dict[str, float]:
        with urlopen(f"{self.stub_url}/times", timeout=30) as answer:
            return dict(json.load(answer))

    def broadcast_has_sent(self) -> bool:
        return self.broadcast_texts(since=0.0) > 0

    def broadcast_texts(self, *, since: float) -> int:
        return sum(phone.startswith("+1303") and at >= since for phone, at in self.arrived().items())

    def broadcast_has_ended(self) -> bool:
        [run] = self.rt.store.find_runs(TENANT, "bulk")
        return run.status in FINAL_RUN

    # What is launched

    def listen(self) -> None:
        """A campaign that sends a text for each event."""
        text = "Your cart {{ start.data.cartId }} is still here. Reply STOP to opt out."
        self._save("cart", text, "+12025550100", triggers=[{"event": "cart.abandoned", "reentry": "oneAtATime"}])
        launching.launch(self.rt, Launch(tenant_id=TENANT, campaign="cart"))

    def broadcast(self, people: int) -> None:
        """A run over so many people, from another sender. What it sends is paced by its own rate."""
        self._save("bulk", "Hello {{ contact.firstName }}, we have news for you.", "+12025550101")
        lists = [Document(type=DocumentType.CONTACT_LIST, id="all", name="all", data={"contactListId": "all"})]
        self.rt.store.put_documents(TENANT, lists, self.rt.now())
        for first in range(0, people, 5000):
            rows = [
                ContactRow(phone=f"+1303{5_000_000 + n}", fields={"firstName": f"Ann{n}"})
                for n in range(first, min(first + 5000, people))
            ]
            self.rt.store.import_contacts(TENANT, "all", rows, self.rt.now())
        launching.launch(self.rt, Launch(tenant_id=TENANT, campaign="bulk", contact_list="all"))

    def _save(self, name: str, text: str, sender: str, **more: object) -> None:
        states = {"text": {"actions": [{"type": "sendSms", "message": text}]}}
        campaign = {"campaignId": name, "name": name, "workflowId": name, "smsFromAddress": sender, **_SENDER, **more}
        workflow = {"workflowId": name, "name": name, "initialStateId": "text", "states": states}
        documents = [
            Document(type=DocumentType.CAMPAIGN, id=name, name=name, data=campaign),
            Document(type=DocumentType.WORKFLOW, id=name, name=name, data=workflow),
        ]
        self.rt.store.put_documents(TENANT, documents, self.rt.now())


def event(label: int, number: int) -> dict[str, object]:
    return {
        "type": "cart.abandoned",
        "key": f"{label}-{number}",
        "contact": {"phone": f"+1{label}{5_000_000 + number}", "firstName": f"Ann{number}", "plan": "gold"},
        "data": {"cartId": f"c-{number}", "total": 42.5, "url": f"https://shop.example.com/cart/{number}"},
    }


def paced(count: int, rate: int) -> Iterator[range]:
    """Numbers below `count`, as many at a time as are due by now."""
    began, done = time.monotonic(), 0
    while done < count:
        due = min(count, round((time.monotonic() - began) * rate) + 1)
        if due > done:
            yield range(done, due)
            done = due
        time.sleep(_TICK)  # the pace at which events are sent


def through_the_stream(site: Site, name: str, label: int, rate: int, seconds: float) -> Measured:
    """Add events at this rate and wait for their texts."""
    sent: dict[str, float] = {}
    meter = site.meter()
    meter.start()
    began = time.monotonic()
    for numbers in paced(round(rate * seconds), rate):
        with site.client.pipeline(transaction=False) as pipeline:
            for number in numbers:
                one = event(label, number)
                pipeline.xadd("campaigns:events", {"event": json.dumps(one)})
                sent[one["contact"]["phone"]] = time.monotonic()
            pipeline.execute()
    return _wait(site, name, sent, time.monotonic() - began, meter)


def through_tasks(site: Site, label: int, rate: int, seconds: float) -> Measured:
    """The same by the obvious design."""
    app = Celery("shop", broker=site.redis_url)
    sent: dict[str, float] = {}
    meter = site.meter()
    meter.start()
    began = time.monotonic()
    with app.producer_pool.acquire(block=True) as producer:
        for numbers in paced(round(rate * seconds), rate):
            for number in numbers:
                one = event(label, number)
                sent[one["contact"]["phone"]] = time.monotonic()
                app.send_task("naive.event", (one,), producer=producer)
    return _wait(site, "one task each, sends at once", sent, time.monotonic() - began, meter)


def _wait(site: Site, name: str, sent: Mapping[str, float], lasted: float, meter: Meter) -> Measured:
    """Until all have arrived, or nothing does any more for as long as they were sent."""
    ends = time.monotonic() + max(5.0, lasted)
    while True:
        arrived = site.arrived()
        took = tuple(arrived[phone] - at for phone, at in sent.items() if phone in arrived)
        if len(took) == len(sent) or time.monotonic() > ends:
            beside = site.broadcast_texts(since=min(sent.values()))
            return Measured(name=name, sent=len(sent), took=took, lasted=lasted, cpu=meter.stop(), beside=beside)
        time.sleep(0.5)  # between two looks at how many have arrived


@contextmanager
def open_site(database: str) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="campaigns-events-", dir="/tmp") as name:
        folder = Path(name)
        with Supervisor(folder) as supervisor:
            if database == "sqlite":
                site = Site(supervisor, folder, f"sqlite:///{folder / 'events.db'}")
                yield site
                site.close()
            else:
                with postgres(folder / "server") as url:
                    site = Site(supervisor, folder, url)
                    site.server = postmaster(url)
                    yield site
                    site.close()


def ours(database: str, *, rate: int, seconds: float, bulk: int, warm_up: int = 200) -> Iterator[Measured]:
    """Idle and, with `bulk` people, beside a broadcast to them."""
    with open_site(database) as site:
        site.listen()
        site.start("events")
        through_the_stream(site, "", 201, 100, warm_up / 100)
        yield through_the_stream(site, "stream, idle", 202, rate, seconds)
        if bulk:
            site.broadcast(bulk)
            site.start("sms", "control")
            wait_until(site.broadcast_has_sent, seconds=60, what="the bulk run to begin")
            yield through_the_stream(site, "stream, beside a bulk run", 204, rate, seconds)
            assert not site.broadcast_has_ended(), "the bulk run was over before the events were; give it more BULK"


def naive(*, rate: int, seconds: float) -> Measured:
    """The obvious design; it needs no database."""
    with open_site("sqlite") as site:
        site.start_naive()
        through_tasks(site, 201, 10, 2)
        return through_tasks(site, 202, rate, seconds)


def main() -> int:
    for database in DATABASES:
        print(
            f"{database:34} {'events/s':>9} {'arrived':>8} {'p50':>8} {'p95':>8} {'p99':>8}  milliseconds, CPU us/event"
        )
        for measured in ours(database, rate=RATE, seconds=SECONDS, bulk=BULK):
            print(measured.line(), flush=True)
        print(naive(rate=RATE, seconds=SECONDS).line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
