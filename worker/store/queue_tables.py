"""The tables of what waits to be taken in or told: queue events, alerts, imports under way.

The rules of `tables.py` hold here too.
"""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Text, UniqueConstraint

from worker.store.columns import (
    SERIAL,
    bytewise,
    id_of,
    json_of,
    new_table,
    number,
    partial,
    tenant,
    text_of,
    time_of,
)

events = new_table(
    "events",
    Column("event_id", SERIAL, primary_key=True),
    tenant(),
    bytewise("event_key"),
    text_of("type"),
    Column("status", Text, nullable=False),  # waiting, applied, dead
    json_of("payload"),
    text_of("note"),  # why it is dead, or what it led to; ids and counts
    time_of("occurred_at"),
    time_of("received_at", nullable=False),
    time_of("due_at"),  # to be looked at (again) from then on; also the lease of a claim
    number("tries"),
    UniqueConstraint("tenant_id", "event_key"),
    partial("ix_events_waiting", "tenant_id", "due_at", where="status = 'waiting'"),
    partial("ix_events_dead", "tenant_id", "event_id", where="status = 'dead'"),
    Index("ix_events_received_at", "tenant_id", "received_at"),
)

event_traces = new_table(
    "event_traces",
    Column("trace_id", SERIAL, primary_key=True),
    tenant(),
    Column("kind", Text, nullable=False),  # what names the person: contact_id, external_id, phone, email
    Column("named", Text, nullable=False),  # the contact's id; of the others a digest
    time_of("occurred_at", nullable=False),
    json_of("event"),  # as conditions see it, with no more data than those of cancelOn ask for
    Index("ix_event_traces_named", "tenant_id", "kind", "named", "occurred_at"),
    Index("ix_event_traces_occurred_at", "tenant_id", "occurred_at"),
)

alerts = new_table(
    "alerts",
    Column("alert_id", SERIAL, primary_key=True),
    tenant(),
    Column("run_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    json_of("detail"),  # ids and counts
    time_of("at", nullable=False),
    time_of("due_at"),  # to be delivered from then on; also the lease of a claim
    number("tries"),
    Column("told", Text, nullable=False, server_default="[]"),  # JSON: who has been told
    time_of("delivered_at"),  # when all had been, or it was given up
    text_of("note"),
    Index(None, "run_id"),
    partial("ix_alerts_open", "tenant_id", "due_at", where="delivered_at IS NULL"),
)

guard_marks = new_table(
    "guard_marks",
    Column("tenant_id", Text, primary_key=True),
    Column("seen", BigInteger, nullable=False),  # the last outcome that was counted
    time_of("look_at", nullable=False),  # the next look comes then at the earliest
)

guard_states = new_table(
    "guard_states",
    id_of("run_id"),
    tenant(),
    json_of("state"),  # what was counted since the launch or the last resume, and where the tests stand
)

imports = new_table(
    "imports",
    tenant(),
    Column("digest", Text, nullable=False),  # of the file and of how it is read
    number("row"),  # the last one that is committed
    json_of("counts"),
    time_of("started_at", nullable=False),
    time_of("finished_at"),
    PrimaryKeyConstraint("tenant_id", "digest"),
)
