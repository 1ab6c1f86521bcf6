"""The tables. The database itself refuses what must never happen; code that is wrong gets an error, not a second send.

1. Every row belongs to a tenant and every query names it. Only `tick_leases` has names instead.
2. Times are BIGINT milliseconds UTC, documents are JSON text: the same on both databases.
3. At most one message per (enrollment, state, action, visit); at most one live attempt per message.
4. Every poll is served by a partial index of what is still to be done. SQLite wants its condition word by word.
5. No foreign keys: a parent is read or locked in the transaction that adds its child, and nothing but signals is ever
   deleted. Checked per row they were a quarter of the cost of a message.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from worker.domain.attempt import LIVE, AttemptStatus, MessageStatus

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

WATCHED: Final = (MessageStatus.UNKNOWN, MessageStatus.ACCEPTED, MessageStatus.HELD)
"""Messages whose `due_at` says when to look into them."""
UNRESOLVED: Final = (AttemptStatus.DISPATCHING, AttemptStatus.UNKNOWN)
"""Attempts that may or may not have left."""

_SERIAL = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only an INTEGER PRIMARY KEY
_CHURNED: Final[dict[str, Any]] = {"postgresql_with": {"fillfactor": 70}}  # leaves room to update a row in its page


def _table(name: str, *parts: Any, **options: Any) -> Table:
    return Table(name, metadata, *parts, **options)


def _id(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _json(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="{}")


def _number(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=str(default))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _time(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _tenant() -> Column[str]:
    return Column("tenant_id", Text, nullable=False)


def _partial(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


documents = _table(
    "documents",
    _tenant(),
    Column("type", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    _text("name"),
    _text("name_key"),  # the name in lower case
    _json("data"),
    _flag("deleted"),
    _time("created_at", nullable=False),
    _time("updated_at", nullable=False),
    PrimaryKeyConstraint("tenant_id", "type", "document_id"),
    _partial(
        "uq_documents_live_name", "tenant_id", "type", "name_key", where="NOT deleted AND name_key <> ''", unique=True
    ),
)

contacts = _table(
    "contacts",
    _tenant(),
    Column("contact_id", Text, nullable=False),
    _text("external_id"),
    _text("phone"),
    _text("email"),
    _text("timezone"),
    _json("fields"),
    _flag("blocked"),
    _time("created_at", nullable=False),
    _time("updated_at", nullable=False),
    PrimaryKeyConstraint("tenant_id", "contact_id"),
    _partial("uq_contacts_external_id", "tenant_id", "external_id", where="external_id <> ''", unique=True),
    _partial("uq_contacts_phone", "tenant_id", "phone", where="phone <> ''", unique=True),
    _partial("uq_contacts_email", "tenant_id", "email", where="email <> ''", unique=True),
)

contact_list_members = _table(
    "contact_list_members",
    _tenant(),
    Column("contact_list_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "contact_list_id", "contact_id"),
)

suppressions = _table(
    "suppressions",
    _tenant(),
    Column("channel", Text, nullable=False),  # or '*': every channel
    Column("address", Text, nullable=False),
    _text("reason"),
    _time("at", nullable=False),
    PrimaryKeyConstraint("tenant_id", "address", "channel"),
)

runs = _table(
    "runs",
    _id("run_id"),
    _tenant(),
    Column("campaign_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    _json("campaign"),
    _json("workflows"),
    _json("dispositions"),
    _json("options"),
    _text("contact_list_id"),
    _flag("enrolled"),
    _text("enroll_cursor"),  # the last contact enrolled; the next chunk starts after it
    _number("audience"),  # enrollments made so far
    _time("created_at", nullable=False),
    _time("finished_at"),  # for a cancelled run: when the last of it was settled
    Index(None, "tenant_id", "campaign_id"),
    _partial("ix_runs_open", "tenant_id", "status", where="finished_at IS NULL"),
)

enrollments = _table(
    "enrollments",
    _id("enrollment_id"),
    _tenant(),
    Column("run_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    _number("priority", 1),  # 0: a person wrote; claimed before the bulk
    _time("due_at"),
    _text("state"),
    _text("disposition"),
    _text("reason"),
    _flag("opted_out"),  # said stop: nothing more leaves, on any channel
    _number("epoch"),  # counts claims; fences the commit of a worker that was thought dead
    _number("wake"),  # counts signals; tells a commit that news came during the step
    _number("claims"),  # since the last commit
    _time("lease_until"),
    _text("lease_owner"),
    _time("created_at", nullable=False),
    _time("finished_at"),
    UniqueConstraint("run_id", "contact_id"),
    _partial("ix_enrollments_open", "run_id", "priority", "due_at", where="finished_at IS NULL"),
    **_CHURNED,
)

signals = _table(
    "signals",
    Column("signal_id", _SERIAL, primary_key=True),
    _tenant(),
    Column("enrollment_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    _time("at", nullable=False),
    Index(None, "enrollment_id"),
)

messages = _table(
    "messages",
    _id("message_id"),
    _tenant(),
    Column("run_id", Text, nullable=False),
    Column("enrollment_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("visit", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),
    _number("priority", 1),
    _time("due_at"),
    _text("address"),
    _text("sender"),
    _json("content"),
    _number("attempts"),
    _number("counted"),  # attempts that count against the retry rule
    _text("disposition"),
    _text("category"),
    _time("created_at", nullable=False),
    _time("settled_at"),
    UniqueConstraint("enrollment_id", "state", "action", "visit"),
    Index(None, "run_id"),
    _partial("ix_messages_queued", "run_id", "channel", "priority", "due_at", where="status = 'queued'"),
    _partial("ix_messages_open", "run_id", where="status <> 'settled'"),
    _partial("ix_messages_watched", "status", "due_at", where=f"status IN {tuple(map(str, WATCHED))}"),
    **_CHURNED,
)

attempts = _table(
    "attempts",
    _id("attempt_id"),
    _tenant(),
    Column("run_id", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    _number("rank"),
    _flag("counted"),
    _time("dispatched_at", nullable=False),
    _time("lease_until"),
    Column("provider", Text, nullable=False),
    _text("provider_ref"),
    _text("reason"),
    _text("code"),
    _text("answered_by"),
    _number("segments"),
    _number("lookups"),
    _text("finding"),  # JSON: what the provider last showed while its fate was in doubt
    _partial("uq_attempts_live", "message_id", where=f"status IN {tuple(map(str, LIVE))}", unique=True),
    _partial("uq_attempts_provider_ref", "provider", "provider_ref", where="provider_ref <> ''", unique=True),
    _partial("ix_attempts_unresolved", "run_id", "lease_until", where=f"status IN {tuple(map(str, UNRESOLVED))}"),
    Index(None, "message_id"),
    **_CHURNED,
)

outcomes = _table(
    "outcomes",
    Column("outcome_id", _SERIAL, primary_key=True),
    _tenant(),
    Column("run_id", Text, nullable=False),
    Column("enrollment_id", Text, nullable=False),
    Column("message_id", Text),
    Column("attempt_id", Text),
    Column("disposition", Text, nullable=False),
    _text("category"),
    _text("detail"),
    _time("at", nullable=False),
    Index(None, "run_id"),
    Index(None, "enrollment_id"),
)

inbox = _table(
    "inbox",
    Column("inbox_id", _SERIAL, primary_key=True),
    _tenant(),
    Column("provider", Text, nullable=False),
    Column("event_key", Text, nullable=False),
    Column("payload", Text, nullable=False),
    _text("raw"),  # what the provider wrote, as it came
    _time("received_at", nullable=False),
    _time("due_at"),  # to be looked at (again) from then on; also the lease of a claim
    _time("processed_at"),
    _number("tries"),
    _text("note"),
    UniqueConstraint("tenant_id", "provider", "event_key"),
    _partial("ix_inbox_open", "tenant_id", "due_at", where="processed_at IS NULL"),
)

rates = _table(
    "rates",
    _tenant(),
    Column("bucket", Text, nullable=False),
    Column("free_at", BigInteger, nullable=False),  # GCRA's theoretical arrival time, microseconds
    PrimaryKeyConstraint("tenant_id", "bucket"),
)

tick_leases = _table(
    "tick_leases",
    _id("name"),
    Column("owner", Text, nullable=False),
    _time("until", nullable=False),
)
