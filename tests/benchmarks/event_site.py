"""What the benchmark of events runs on: Redis, a stub, a database, our workers, campaigns; and the events."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

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
from worker.runtime.supervisor import Program, Supervisor
from worker.store.document_rows import Document, DocumentType
from worker.store.facade import Store
from worker.store.rows import ContactRow

PROFILE = os.environ.get("PROFILE", "")
"""Samples the workers' processes into files whose names begin so. Slower: do not quote its rates."""
TENANT = "default"
NAIVE = Program(
    name="naive",
    command=(sys.executable, "-m", "celery", "-A", "event_naive", "worker", "-c", "2", "-l", "warning"),
)
_TICK = 0.005
_BESIDE = {"stub", "redis"}
_SENDER = {"useForSMS": True, "type": "DEFAULT"}


class Site:
    """Redis, a stub, a database and our workers, for as long as it is open."""

    def __init__(
        self, supervisor: Supervisor, folder: Path, database_url: str, *, tenant_id: str = TENANT, stub_url: str = ""
    ) -> None:
        self.supervisor, self.folder, self.tenant_id = supervisor, folder, tenant_id
        self.server: dict[str, int] = {}
        self.redis_url = start_redis(supervisor, folder)
        self.stub_url = stub_url or f"http://127.0.0.1:{self._start_stub()}"
        supervisor.env |= {
            "DATABASE_URL": database_url,
            "TENANT_ID": tenant_id,
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

    def start(self, *names: str, **env: str) -> None:
        """Start workers with these settings on top."""
        for name in names:
            one, own = program(name), dict(env)
            if PROFILE:
                words = tuple("profiled" if word == "worker.tasks.app" else word for word in one.command)
                own |= {"PROFILED": "worker.tasks.app", "PROFILE_FILE": f"{PROFILE}-{name}"}
                one = replace(one, command=words)
            self.supervisor.start(replace(one, env=own))

    @contextmanager
    def neighbour(self) -> Iterator["Site"]:
        """Another tenant with workers and Redis of its own, on the same database and at the same stub."""
        folder = self.folder / "neighbour"
        folder.mkdir()
        with Supervisor(folder) as supervisor:
            url = self.rt.settings.database_url
            site = Site(supervisor, folder, url, tenant_id="neighbour", stub_url=self.stub_url)
            yield site
            site.close()

    def meter(self) -> Meter:
        """Of the programs that are running now, the stub, Redis and a neighbour's left out."""
        pids = {name: one.process.pid for name, one in self.supervisor.running.items() if name not in _BESIDE}
        return Meter(pids | self.server)

    def start_naive(self) -> None:
        self.supervisor.start(NAIVE)

    def arrived(self) -> dict[str, float]:
        with urlopen(f"{self.stub_url}/times", timeout=30) as answer:
            return dict(json.load(answer))

    def broadcast_has_sent(self) -> bool:
        return self.broadcast_texts(since=0.0) > 0

    def broadcast_texts(self, *, since: float) -> int:
        return sum(phone.startswith("+1303") and at >= since for phone, at in self.arrived().items())

    def broadcast_has_ended(self) -> bool:
        [run] = self.rt.store.find_runs(self.tenant_id, "bulk")
        return run.status in FINAL_RUN

    # What is launched

    def listen(self) -> None:
        """A campaign that sends a text for each event."""
        text = "Your cart {{ start.data.cartId }} is still here. Reply STOP to opt out."
        self._save("cart", text, "+12025550100", triggers=[{"event": "cart.abandoned", "reentry": "oneAtATime"}])
        launching.launch(self.rt, Launch(tenant_id=self.tenant_id, campaign="cart"))

    def broadcast(self, people: int) -> None:
        """A run over so many people, from another sender. What it sends is paced by its own rate."""
        self._save("bulk", "Hello {{ contact.firstName }}, we have news for you.", "+12025550101")
        lists = [Document(type=DocumentType.CONTACT_LIST, id="all", name="all", data={"contactListId": "all"})]
        self.rt.store.put_documents(self.tenant_id, lists, self.rt.now())
        for first in range(0, people, 5000):
            rows = [
                ContactRow(phone=f"+1303{5_000_000 + n}", fields={"firstName": f"Ann{n}"})
                for n in range(first, min(first + 5000, people))
            ]
            self.rt.store.import_contacts(self.tenant_id, "all", rows, self.rt.now())
        launching.launch(self.rt, Launch(tenant_id=self.tenant_id, campaign="bulk", contact_list="all"))

    def _save(self, name: str, text: str, sender: str, **more: object) -> None:
        states = {"text": {"actions": [{"type": "sendSms", "message": text}]}}
        campaign = {"campaignId": name, "name": name, "workflowId": name, "smsFromAddress": sender, **_SENDER, **more}
        workflow = {"workflowId": name, "name": name, "initialStateId": "text", "states": states}
        documents = [
            Document(type=DocumentType.CAMPAIGN, id=name, name=name, data=campaign),
            Document(type=DocumentType.WORKFLOW, id=name, name=name, data=workflow),
        ]
        self.rt.store.put_documents(self.tenant_id, documents, self.rt.now())


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
