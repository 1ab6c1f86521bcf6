"""A small installation in one process: a database, the sandbox beside it, one runtime, and hints that are kept in a
list and played by hand. Time is turned forward, never waited for, except where the database's own clock counts.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Table, select

from channels.messages import ChannelKind
from channels.sandbox import RunningSandbox, SandboxSettings, read_ledger, start
from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN
from tests.engine.builders import CAMPAIGN
from tests.loop_thread import DEADLINE_SECONDS, LoopThread
from worker.runtime import alerts, events, guarding, scheduling
from worker.runtime import launch as launching
from worker.runtime.advance import advance
from worker.runtime.bootstrap import Runtime
from worker.runtime.dispatch import dispatch
from worker.runtime.hints import Hint, Work
from worker.runtime.intake import apply_inbox
from worker.runtime.preflight import Launch
from worker.runtime.reconcile import reconcile
from worker.runtime.settings import Settings
from worker.runtime.tick import tick
from worker.store.document_rows import Document, DocumentType
from worker.store.facade import Store
from worker.store.rows import ContactRow
from worker.store.tables import attempts, enrollments, inbox, messages

TENANT = "default"
NOWHERE = "http://127.0.0.1:9"
"""Nobody listens there."""

TEXT: Mapping[str, Any] = {"type": "sendSms", "message": "Hello {{ contact.firstName }}"}
MAIL: Mapping[str, Any] = {"type": "sendEmail", "subject": "Renewal", "text": "Hello {{ contact.firstName }}"}
CALL: Mapping[str, Any] = {"type": "placeCall", "say": "Hello {{ contact.firstName }}"}
WAIT_FOR_REPLY: Mapping[str, Any] = {"type": "waitForReply", "timeout": "2 hours", "onTimeout": "silent"}
ASK: Mapping[str, Any] = {
    "ask": {"actions": [TEXT, WAIT_FOR_REPLY, {"type": "transition", "to": "answered"}]},
    "answered": {"actions": [{"type": "saveVariable", "variableName": "heard", "value": "'yes'"}]},
    "silent": {"actions": [{**TEXT, "message": "Are you there?"}]},
}
"""Asks by text; who has not answered in two hours is asked again."""


class HandRuntime(Runtime):
    """A runtime whose clock can be turned forward. The database's clock stays as it is."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class House:
    """What a test does and sees."""

    def __init__(
        self,
        database_url: str,
        beside: LoopThread,
        folder: Path,
        *,
        sandbox: Mapping[str, Any] | None = None,
        store_class: type[Store] = Store,
        **settings: Any,
    ) -> None:
        self.database_url, self.beside, self.folder = database_url, beside, folder
        self._store_class = store_class
        self.hints: list[Hint] = []
        self.sandbox: RunningSandbox = beside.run(start(SandboxSettings(data_dir=folder, **sandbox or {})))
        self.settings = self._settings(**settings)
        self._runtimes: list[Runtime] = []
        self.rt = self.runtime()
        self.store = self.rt.store
        self.run_id = ""

    def _settings(self, **changes: Any) -> Settings:
        at_the_sandbox = {
            "database_url": self.database_url,
            "data_dir": self.folder,
            "tenant_id": TENANT,
            "public_url": NOWHERE,
            "twilio_account_sid": ACCOUNT_SID,
            "twilio_auth_token": AUTH_TOKEN,
            "twilio_base_url": self.sandbox.url,
            "sendgrid_api_key": API_KEY,
            "sendgrid_base_url": self.sandbox.url,
            "sendgrid_webhook_public_key": self.sandbox.sendgrid_public_key,
            "http_timeout_seconds": 2.0,
            "http_connect_timeout_seconds": 1.0,
            "sms_per_second": 10_000.0,
            "calls_per_second": 10_000.0,
        }
        return Settings(_env_file=None, **at_the_sandbox | changes)

    def runtime(self, *, hint: Callable[[Hint], None] | None = None, **settings: Any) -> HandRuntime:
        """A runtime as another process would have it. Its hints land in the same list unless said otherwise."""
        changed = self.settings.model_copy(update=settings)
        clock = self._runtimes[0].clock if self._runtimes else None
        rt = HandRuntime(changed, self._store_class(changed.database_url), hint or self.hints.append, clock)
        rt.owner = f"process {len(self._runtimes)}"
        self._runtimes.append(rt)
        return rt

    def close(self) -> None:
        for rt in self._runtimes:
            rt.close()
        self.beside.run(self.sandbox.stop())

    # Definitions and launches

    def save(self, *actions: Mapping[str, Any], states: Any = None, people: Any = 1, **campaign: Any) -> Launch:
        """Save a campaign whose workflow has these actions, and its audience: so many people, or these."""
        audience = [person(n) for n in range(people)] if isinstance(people, int) else list(people)
        states = states or {"begin": {"actions": list(actions)}}
        workflow = {"workflowId": "wf_1", "name": "w", "initialStateId": next(iter(states)), "states": states}
        documents = [
            Document(type=DocumentType.CAMPAIGN, id="cmp_1", name="Renewal", data={**CAMPAIGN, **campaign}),
            Document(type=DocumentType.WORKFLOW, id="wf_1", name="w", data=workflow),
            Document(type=DocumentType.CONTACT_LIST, id="lst_1", name="people", data={"contactListId": "lst_1"}),
        ]
        self.store.put_documents(TENANT, documents, self.rt.now())
        self.store.import_contacts(TENANT, "lst_1", audience, self.rt.now())
        return Launch(tenant_id=TENANT, campaign="cmp_1", contact_list="lst_1", again=True)

    def launch(self, *actions: Mapping[str, Any], **more: Any) -> str:
        """Save, launch and enroll; nobody has been stepped yet."""
        self.run_id = launching.launch(self.rt, self.save(*actions, **more)).run.run_id
        launching.enroll(self.rt, TENANT, self.run_id)
        self.hints.clear()
        return self.run_id

    # Work, by hand

    def advance(self) -> int:
        return advance(self.rt, TENANT, self.run_id)

    def dispatch(self, kind: ChannelKind = ChannelKind.SMS) -> Counter[Any]:
        return self.rt.run(dispatch(self.rt, TENANT, self.run_id, kind))

    def reconcile(self) -> int:
        return self.rt.run(reconcile(self.rt))

    def play(self) -> None:
        """Do what is hinted at until nothing is."""
        while self.hints:
            self.do(self.hints.pop(0))

    def do(self, hint: Hint) -> None:  # noqa: C901 - one case for each kind of work
        """What the task of this hint does."""
        match hint.work:
            case Work.ENROLL:
                launching.enroll(self.rt, hint.tenant_id, hint.run_id)
            case Work.ADVANCE:
                advance(self.rt, hint.tenant_id, hint.run_id)
            case Work.SCHEDULE:
                scheduling.follow(self.rt, hint.tenant_id, hint.run_id)
            case Work.CANCEL:
                launching.cancel_rest(self.rt, hint.tenant_id, hint.run_id)
            case Work.SMS | Work.EMAIL | Work.VOICE:
                kind = ChannelKind(hint.work.partition(".")[0])
                self.rt.run(dispatch(self.rt, hint.tenant_id, hint.run_id, kind))
            case Work.INBOX:
                apply_inbox(self.rt)
            case Work.EVENTS:
                events.look(self.rt)
            case Work.RECONCILE:
                self.reconcile()
            case Work.GUARD:
                guarding.look(self.rt)
            case Work.ALERT:
                self.rt.run(alerts.deliver(self.rt))

    def tick_only(self) -> None:
        """Lose every hint except those of ticks, and play those until nothing is due."""
        ends = time.monotonic() + 3 * DEADLINE_SECONDS
        while tick(self.rt):
            assert time.monotonic() < ends, "something is due for ever"
            due, self.hints[:] = list(self.hints), []
            for hint in due:
                self.do(hint)
            self.hints.clear()

    def later(self, **how_much: float) -> None:
        """Turn the clock forward."""
        for rt in self._runtimes:
            rt.ahead += timedelta(**how_much)

    def leases_end(self) -> None:
        """Whoever holds a claim is thought dead from now on. Leases go by the database's clock, so they end there."""
        with self.store.engine.begin() as conn:
            for table in (attempts, enrollments):
                conn.execute(table.update().where(table.c.lease_until.is_not(None)).values(lease_until=0))

    # The provider

    def faults(self, **faults: Any) -> None:
        """From now on the sandbox fails like this; `next` names the faults of the very next requests."""
        requests.post(f"{self.sandbox.url}/sandbox/faults", json=faults, timeout=5).raise_for_status()

    def ledger(self, kind: str = "accepted") -> list[Mapping[str, Any]]:
        """What the provider has written down."""
        return [line for line in read_ledger(self.sandbox.ledger_path) if line["kind"] == kind]

    # What the database says

    def rows(self, table: Table) -> list[Any]:
        with self.store.engine.connect() as conn:
            return list(conn.execute(select(table)).all())

    def attempts(self) -> list[Any]:
        return sorted(self.rows(attempts), key=lambda row: row.number)

    def message(self) -> Any:
        """The only message."""
        [row] = self.rows(messages)
        return row

    def enrollment(self) -> Any:
        """The only enrollment."""
        [row] = self.rows(enrollments)
        return row

    def inbox(self) -> list[Any]:
        return self.rows(inbox)

    def status(self) -> str:
        return self.store.get_run(TENANT, self.run_id).status

    def counts(self) -> dict[str, int]:
        """Enrollments by status."""
        return dict(Counter(row.status for row in self.rows(enrollments)))


def person(number: int, **changes: Any) -> ContactRow:
    """Somebody whose texts arrive."""
    known = {
        "phone": f"+1202557{number:04}",
        "email": f"p{number}@example.com",
        "fields": {"firstName": f"Ann{number}"},
    }
    return ContactRow(**known | changes)


def until(holds: Callable[[], Any], what: str = "it", seconds: float = DEADLINE_SECONDS) -> Any:
    """Poll until something holds, and return it."""
    ends = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < ends, f"waited {seconds:g} s for {what}"
        time.sleep(0.005)
    return found
