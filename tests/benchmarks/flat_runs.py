"""Runs for the benchmark of flatness: one that is really carried out, many that are copies of it, one that lives.

1. A finished run is carried out by the product: enrolled, stepped, claimed, answered, settled by receipts that came
   through the inbox. Only the provider is left out: it accepts at once, in this process.
2. Copies are made of its rows by INSERT … SELECT, with ids of the same length in the same order.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ruamel.yaml import YAML
from sqlalchemy import Constraint, PrimaryKeyConstraint, Table, UniqueConstraint, select
from sqlalchemy.schema import AddConstraint, CreateIndex, DropConstraint, DropIndex, ExecutableDDLElement

from channels.base import Capabilities
from channels.messages import ChannelKind, Message
from channels.results import Certainty, Receipt, ReceiptKind, SendResult
from worker.domain.attempt import AttemptStatus
from worker.domain.run import Run, RunStatus
from worker.runtime import launch
from worker.runtime.advance import advance
from worker.runtime.bootstrap import Runtime
from worker.runtime.dispatch import dispatch
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import News, apply_inbox, keep
from worker.runtime.settings import Settings
from worker.store.facade import Store
from worker.store.inbox_rows import InboxEntry
from worker.store.tables import attempts, enrollments, messages, outcomes, runs

TENANT = "default"
PROVIDER = "twilio-sms"
LIST = "lst"
JOB = Path(__file__).parent / "jobs" / "texts.yaml"
ACCOUNT = f"AC{'0' * 32}"
COPIED = (enrollments, messages, attempts, outcomes)
_RECEIPTS = 5000


class Accepting:
    """A provider that takes every text at once."""

    name, kind, can = PROVIDER, ChannelKind.SMS, Capabilities()

    def __init__(self) -> None:
        self.accepted = SimpleNamespace(value=0)

    async def send(self, given: Sequence[Message]) -> Sequence[SendResult]:
        self.accepted.value += len(given)
        return [
            SendResult(certainty=Certainty.ACCEPTED, provider_ref=ref_of(one.attempt_id), segments=2) for one in given
        ]

    async def close(self) -> None:
        pass


class Carrying(Runtime):
    """A worker's runtime with that provider, whose clock can be turned forward."""

    ahead = timedelta()

    def __init__(self, store: Store, folder: Path) -> None:
        settings = Settings(
            _env_file=None,
            data_dir=folder,
            twilio_base_url="http://127.0.0.1:9",
            sendgrid_base_url="http://127.0.0.1:9",
        )
        settings = settings.model_copy(update={"sms_per_second": 1e9})
        super().__init__(settings, store, lambda _: None)
        self.provider = Accepting()

    def now(self) -> Any:
        return super().now() + self.ahead

    def channel(self, kind: ChannelKind, credential: str = "") -> Any:
        return self.provider


def ref_of(attempt_id: str) -> str:
    return f"SM{hashlib.md5(attempt_id.encode()).hexdigest()}"


def people(store: Store, count: int) -> None:
    """Contacts and a list of them all."""
    pad = f"lpad(n::text, 7, '0') FROM generate_series(1, {count}) AS s(n)"
    with store.engine.begin() as conn:
        conn.exec_driver_sql(
            "INSERT INTO contacts (tenant_id, contact_id, phone, timezone, fields, created_at, modified_at) SELECT"
            f" '{TENANT}', 'c' || id, '+1202' || id, 'America/New_York', '{{\"firstName\": \"Ann\"}}', 0, 0"
            f" FROM (SELECT {pad}) AS p(id)"
        )
        conn.exec_driver_sql(
            "INSERT INTO contact_list_members (tenant_id, contact_list_id, contact_id)"
            f" SELECT '{TENANT}', '{LIST}', contact_id FROM contacts"
        )


def new_run(rt: Runtime, run_id: str, limit: int = 0) -> str:
    """A running run of two texts over everybody, or the first so many; all are enrolled."""
    campaign, workflow = YAML(typ="safe").load_all(JOB)
    now = rt.now()
    run = Run(
        tenant_id=TENANT,
        run_id=run_id,
        campaign_id="benchmark",
        status=RunStatus.RUNNING,
        campaign=campaign,
        workflows={workflow["workflowId"]: workflow},
        dispositions=(),
        options={"speed": 1, **({"limit": limit} if limit else {})},
        contact_list_id=LIST,
        enrolled=False,
        created_at=now,
        started_at=now,
    )
    rt.store.create_run(run, again=True)
    while launch.enroll(rt, TENANT, run_id).more:
        pass
    return run_id


def carry_out(rt: Carrying, run_id: str) -> None:
    """Bring a run to its end: both texts, with the receipts a provider sends for each."""
    while rt.store.get_run(TENANT, run_id).status is RunStatus.RUNNING:
        advance(rt, TENANT, run_id)
        rt.run(dispatch(rt, TENANT, run_id, ChannelKind.SMS))
        for kind in (ReceiptKind.SENT, ReceiptKind.DELIVERED):
            _hear(rt, run_id, kind)
        rt.ahead += timedelta(seconds=2)


def _hear(rt: Carrying, run_id: str, kind: ReceiptKind) -> None:
    """What the provider says of every text that it has."""
    row = attempts.c
    query = select(row.attempt_id, row.provider_ref).where(
        row.run_id == run_id, row.status == AttemptStatus.ACCEPTED, row.rank < 4
    )
    with rt.store.engine.connect() as conn:
        found = conn.execute(query).all()
    for some in _batched(found):
        keep(rt, [receipt_of(kind, *one) for one in some])
        while apply_inbox(rt):
            pass


def _batched(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[start : start + _RECEIPTS] for start in range(0, len(rows), _RECEIPTS)]


def receipt_of(kind: ReceiptKind, attempt_id: str, ref: str) -> News:
    """As Twilio posts it, with a messaging service."""
    raw = (
        f"SmsSid={ref}&SmsStatus={kind}&MessageStatus={kind}&To=%2B12020000001&MessagingServiceSid=MG{'0' * 32}"
        f"&MessageSid={ref}&AccountSid={ACCOUNT}&From=%2B12025550100&ApiVersion=2010-04-01"
    )
    receipt = Receipt(event_key=f"{ref}:{kind}", kind=kind, attempt_id=attempt_id, provider_ref=ref, code=str(kind))
    payload = encode(ChannelKind.SMS, receipt)
    entry = InboxEntry(tenant_id=TENANT, provider=PROVIDER, event_key=receipt.event_key, payload=payload, raw=raw)
    return entry, receipt


def copy_runs(store: Store, template: str, of: int, count: int, copies: int) -> None:
    """So many finished runs, each of so many copies of all `of` people of one that was carried out.

    Indexes are dropped meanwhile and built at the end: they would be most of the work, and are denser than grown ones.
    """
    with store.engine.connect() as conn:
        for change in _without_indexes():
            conn.execute(change)
        for table in COPIED:
            rows = f"SELECT * FROM {table.name} WHERE run_id = '{template}'"
            conn.exec_driver_sql(f"CREATE TEMP TABLE template_{table.name} AS {rows}")
        conn.commit()
        for number in range(1, count + 1):
            conn.exec_driver_sql(_copy_of_run(template, f"copy_{number:05}"))
            for table in COPIED:
                conn.exec_driver_sql(_copy_of(table, number, of=of, copies=copies).replace("%", "%%"))
            conn.commit()
        conn.exec_driver_sql("SET maintenance_work_mem = '1GB'")
        for change in _with_indexes():
            conn.execute(change)
            conn.commit()


def _without_indexes() -> Iterator[ExecutableDDLElement]:
    for table in COPIED:
        yield from (DropIndex(index) for index in table.indexes)
        yield from (DropConstraint(one) for one in _keys(table))


def _with_indexes() -> Iterator[ExecutableDDLElement]:
    for table in COPIED:
        yield from (AddConstraint(one) for one in _keys(table))
        yield from (CreateIndex(index) for index in table.indexes)


def _keys(table: Table) -> list[Constraint]:
    return [one for one in table.constraints if isinstance(one, PrimaryKeyConstraint | UniqueConstraint)]


def _copy_of_run(template: str, run_id: str) -> str:
    names = [column.name for column in runs.columns if column.name not in ("run_id", "finished_at")]
    listed = ", ".join(names)
    long_ago = f"finished_at - {timedelta(days=100) // timedelta(milliseconds=1)}"
    return (
        f"INSERT INTO runs (run_id, finished_at, {listed}) SELECT '{run_id}', {long_ago}, {listed}"
        f" FROM runs WHERE run_id = '{template}'"
    )


def _copy_of(table: Table, number: int, *, of: int, copies: int) -> str:
    def renamed(column: str) -> str:
        return f"lpad('{number}', 4, '0') || lpad(g::text, 6, '0') || right({column}, 16)"

    changed = {name: renamed(name) for name in ("enrollment_id", "message_id", "attempt_id")} | {
        "run_id": f"'copy_{number:05}'",
        "contact_id": f"'c' || lpad(((g - 1) * {of} + substr(contact_id, 2)::int)::text, 7, '0')",
        "provider_ref": f"'SM' || md5({renamed('provider_ref')})",
    }
    names = [column.name for column in table.columns if column.name != "outcome_id"]
    given = ", ".join(changed.get(name, f'"{name}"') for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f"INSERT INTO {table.name} ({listed}) SELECT {given} FROM template_{table.name},"
        f" generate_series(1, {copies}) AS s(g) ORDER BY g"
    )
