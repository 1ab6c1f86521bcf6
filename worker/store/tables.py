"""The tables. The database itself refuses what must never happen; code that is wrong gets an error, not a second send.

1. Every row belongs to a tenant and every query names it. Only `tick_leases` has names instead.
2. Times are BIGINT milliseconds UTC, documents are JSON text: the same on both databases.
3. At most one message per (enrollment, state, action, visit); at most one live attempt per message.
4. Every poll is served by a partial index of what is still to be done. SQLite wants its condition word by word.
5. No foreign keys: a parent is read or locked in the transaction that adds its child, and nothing but signals, old news
   and the rows of archived runs (`archive`) is ever deleted. Checked per row they were a quarter of a message's cost.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Text, UniqueConstraint

from worker.domain.attempt import LIVE, AttemptStatus, MessageStatus
from worker.store.columns import (
    CHURNED,
    SERIAL,
    flag,
    id_of,
    json_of,
    new_table,
    number,
    partial,
    tenant,
    text_of,
    time_of,
)

WATCHED: Final = (MessageStatus.UNKNOWN, MessageStatus.ACCEPTED, MessageStatus.HELD)
"""Messages whose `due_at` says when to look into them."""
UNRESOLVED: Final = (AttemptStatus.DISPATCHING, AttemptStatus.UNKNOWN)
"""Attempts that may or may not have left."""

runs = new_table(
    "runs",
    id_of("run_id"),
    tenant(),
    Column("campaign_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    json_of("campaign"),
    json_of("workflows"),
    json_of("dispositions"),
    json_of("options"),
    text_of("contact_list_id"),
    flag("enrolled"),
    text_of("enroll_cursor"),  # the last contact enrolled; the next chunk starts after it
    number("audience"),  # enrollments made so far
    json_of("selection"),  # who its audience is, as resolved at the launch
    json_of("guarding"),  # what the guard knows: the canary, where its tests began
    text_of("canary"),  # how far the part of its audience is that goes first
    flag("open_ended"),  # people come one by one, by events or by their dates; it completes once it is closed
    flag("urgent"),  # its hints have a queue of their own
    text_of("series"),  # the first run of a schedule that fires again and again
    time_of("occurrence"),  # which firing of the series this is
    time_of("next_at"),  # when its schedule has something to do: a scheduled run its start, an open one its next look
    time_of("created_at", nullable=False),
    time_of("started_at"),  # its audience is who was there at this moment
    time_of("finished_at"),  # for a cancelled run: when the last of it was settled
    json_of("archive"),  # where its rows are and what they came to, once it is archived or being archived
    time_of("archived_at"),  # from then on its rows are in files, and are deleted here
    Index(None, "tenant_id", "campaign_id"),
    partial("ix_runs_open", "tenant_id", "status", where="finished_at IS NULL"),
    partial("uq_runs_occurrence", "tenant_id", "series", "occurrence", where="series <> ''", unique=True),
)

run_changes = new_table(
    "run_changes",
    Column("change_id", SERIAL, primary_key=True),
    tenant(),
    Column("run_id", Text, nullable=False),
    time_of("at", nullable=False),
    text_of("by"),
    text_of("before"),
    text_of("after"),
    text_of("reason"),
    Index(None, "run_id", "change_id"),
)

enrollments = new_table(
    "enrollments",
    id_of("enrollment_id"),
    tenant(),
    Column("run_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    text_of("entry"),  # what brought the person in, where that may happen again: an event, a date
    Column("status", Text, nullable=False),
    number("priority", 1),  # 0: a person wrote, an event asks for it; claimed before the bulk
    time_of("due_at"),
    text_of("state"),
    text_of("disposition"),
    text_of("reason"),
    flag("opted_out"),  # said stop: nothing more leaves, on any channel
    number("epoch"),  # counts claims; fences the commit of a worker that was thought dead
    number("wake"),  # counts signals; tells a commit that news came during the step
    number("claims"),  # since the last commit
    time_of("lease_until"),
    text_of("lease_owner"),
    time_of("created_at", nullable=False),
    time_of("finished_at"),
    UniqueConstraint("run_id", "contact_id", "entry"),
    partial("ix_enrollments_open", "run_id", "priority", "due_at", where="finished_at IS NULL"),
)

signals = new_table(
    "signals",
    Column("signal_id", SERIAL, primary_key=True),
    tenant(),
    Column("enrollment_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    time_of("at", nullable=False),
    Index(None, "enrollment_id"),
)

messages = new_table(
    "messages",
    id_of("message_id"),
    tenant(),
    Column("run_id", Text, nullable=False),
    Column("enrollment_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("visit", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),
    number("priority", 1),
    time_of("due_at"),
    text_of("address"),
    text_of("sender"),
    json_of("content"),
    number("attempts"),
    number("counted"),  # attempts that count against the retry rule
    text_of("disposition"),
    text_of("category"),
    time_of("created_at", nullable=False),
    time_of("settled_at"),
    UniqueConstraint("enrollment_id", "state", "action", "visit"),
    Index(None, "contact_id"),  # who was contacted lately
    partial("ix_messages_queued", "run_id", "channel", "priority", "due_at", where="status = 'queued'"),
    partial("ix_messages_under_way", "run_id", where="status NOT IN ('queued', 'settled')"),
    partial("ix_messages_watched", "status", "due_at", where=f"status IN {tuple(map(str, WATCHED))}"),
)

attempts = new_table(
    "attempts",
    id_of("attempt_id"),
    tenant(),
    Column("run_id", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    number("rank"),
    flag("counted"),
    time_of("dispatched_at", nullable=False),
    time_of("lease_until"),
    Column("provider", Text, nullable=False),
    text_of("provider_ref"),
    text_of("reason"),
    text_of("code"),
    text_of("answered_by"),
    number("segments"),
    number("lookups"),
    text_of("finding"),  # JSON: what the provider last showed while its fate was in doubt
    partial("uq_attempts_live", "message_id", where=f"status IN {tuple(map(str, LIVE))}", unique=True),
    partial("uq_attempts_provider_ref", "provider", "provider_ref", where="provider_ref <> ''", unique=True),
    partial("ix_attempts_unresolved", "run_id", "lease_until", where=f"status IN {tuple(map(str, UNRESOLVED))}"),
    Index(None, "message_id"),
    **CHURNED,
)

last_contacts = new_table(
    "last_contacts",  # who was contacted by a run that is archived, and when last
    tenant(),
    Column("contact_id", Text, nullable=False),
    time_of("at", nullable=False),
    PrimaryKeyConstraint("tenant_id", "contact_id"),
)

outcomes = new_table(
    "outcomes",
    Column("outcome_id", SERIAL, primary_key=True),
    tenant(),
    Column("run_id", Text, nullable=False),
    Column("enrollment_id", Text, nullable=False),
    Column("message_id", Text),
    Column("attempt_id", Text),
    Column("disposition", Text, nullable=False),
    text_of("category"),
    text_of("detail"),
    time_of("at", nullable=False),
    Index(None, "run_id"),
    Index(None, "enrollment_id"),
)

inbox = new_table(
    "inbox",
    Column("inbox_id", SERIAL, primary_key=True),
    tenant(),
    Column("provider", Text, nullable=False),
    Column("event_key", Text, nullable=False),
    Column("payload", Text, nullable=False),
    text_of("raw"),  # what the provider wrote, as it came
    time_of("received_at", nullable=False),
    time_of("due_at"),  # to be looked at (again) from then on; also the lease of a claim
    time_of("processed_at"),
    number("tries"),
    text_of("note"),
    UniqueConstraint("tenant_id", "provider", "event_key"),
    partial("ix_inbox_open", "tenant_id", "due_at", where="processed_at IS NULL"),
    Index(None, "tenant_id", "received_at", postgresql_using="brin"),  # rows lie in this order
)

rates = new_table(
    "rates",
    tenant(),
    Column("bucket", Text, nullable=False),
    Column("free_at", BigInteger, nullable=False),  # GCRA's theoretical arrival time, microseconds
    PrimaryKeyConstraint("tenant_id", "bucket"),
)

tick_leases = new_table(
    "tick_leases",
    id_of("name"),
    Column("owner", Text, nullable=False),
    time_of("until", nullable=False),
)
