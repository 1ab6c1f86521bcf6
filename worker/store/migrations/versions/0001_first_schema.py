"""The first schema: documents, contacts, runs, enrollments, messages, attempts, and what goes with them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


CHURNED: dict[str, Any] = {"postgresql_with": {"fillfactor": 70}}


def text(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def number(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=default, nullable=False)


def millis(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def serial(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    _attempts()
    _contact_list_members()
    _contacts()
    _documents()
    _enrollments()
    _inbox()
    _messages()
    _outcomes()
    _rates()
    _runs()
    _signals()
    _suppressions()
    _tick_leases()


def downgrade() -> None:
    for table in (
        "tick_leases",
        "suppressions",
        "signals",
        "runs",
        "rates",
        "outcomes",
        "messages",
        "inbox",
        "enrollments",
        "documents",
        "contacts",
        "contact_list_members",
        "attempts",
    ):
        op.drop_table(table)


def _attempts() -> None:
    op.create_table(
        "attempts",
        *(text("attempt_id"), text("tenant_id"), text("run_id"), text("message_id"), text("channel")),
        *(number("number"), text("status"), number("rank", "0"), flag("counted")),
        *(millis("dispatched_at"), millis("lease_until", nullable=True), text("provider")),
        *(
            text("provider_ref", ""),
            text("reason", ""),
            text("code", ""),
            text("answered_by", ""),
            number("segments", "0"),
        ),
        *(number("lookups", "0"),),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_attempts"),
        **CHURNED,
    )
    op.create_index("ix_attempts_message_id", "attempts", ["message_id"])
    partial("ix_attempts_unresolved", "attempts", ["run_id", "lease_until"], "status IN ('dispatching', 'unknown')")
    partial(
        "uq_attempts_live", "attempts", ["message_id"], "status IN ('dispatching', 'unknown', 'accepted')", unique=True
    )
    partial("uq_attempts_provider_ref", "attempts", ["provider", "provider_ref"], "provider_ref <> ''", unique=True)


def _contact_list_members() -> None:
    op.create_table(
        "contact_list_members",
        *(text("tenant_id"), text("contact_list_id"), text("contact_id")),
        sa.PrimaryKeyConstraint("tenant_id", "contact_list_id", "contact_id", name="pk_contact_list_members"),
    )


def _contacts() -> None:
    op.create_table(
        "contacts",
        *(text("tenant_id"), text("contact_id"), text("external_id", ""), text("phone", "")),
        *(text("email", ""), text("timezone", ""), text("fields", "{}"), flag("blocked")),
        *(millis("created_at"), millis("updated_at")),
        sa.PrimaryKeyConstraint("tenant_id", "contact_id", name="pk_contacts"),
    )
    partial("uq_contacts_email", "contacts", ["tenant_id", "email"], "email <> ''", unique=True)
    partial("uq_contacts_external_id", "contacts", ["tenant_id", "external_id"], "external_id <> ''", unique=True)
    partial("uq_contacts_phone", "contacts", ["tenant_id", "phone"], "phone <> ''", unique=True)


def _documents() -> None:
    op.create_table(
        "documents",
        *(text("tenant_id"), text("type"), text("document_id"), text("name", "")),
        *(text("name_key", ""), text("data", "{}"), flag("deleted"), millis("created_at")),
        *(millis("updated_at"),),
        sa.PrimaryKeyConstraint("tenant_id", "type", "document_id", name="pk_documents"),
    )
    partial(
        "uq_documents_live_name",
        "documents",
        ["tenant_id", "type", "name_key"],
        "NOT deleted AND name_key <> ''",
        unique=True,
    )


def _enrollments() -> None:
    op.create_table(
        "enrollments",
        *(text("enrollment_id"), text("tenant_id"), text("run_id"), text("contact_id")),
        *(text("status"), number("priority", "1"), millis("due_at", nullable=True)),
        *(text("state", ""), text("disposition", ""), text("reason", ""), number("epoch", "0")),
        *(number("wake", "0"), number("claims", "0"), millis("lease_until", nullable=True)),
        *(text("lease_owner", ""), flag("opted_out"), millis("created_at"), millis("finished_at", nullable=True)),
        sa.PrimaryKeyConstraint("enrollment_id", name="pk_enrollments"),
        sa.UniqueConstraint("run_id", "contact_id", name="uq_enrollments_run_id_contact_id"),
        **CHURNED,
    )
    partial("ix_enrollments_open", "enrollments", ["run_id", "priority", "due_at"], "finished_at IS NULL")


def _inbox() -> None:
    op.create_table(
        "inbox",
        *(serial("inbox_id"), text("tenant_id"), text("provider"), text("event_key")),
        *(text("payload"), millis("received_at"), millis("due_at", nullable=True)),
        *(millis("processed_at", nullable=True), number("tries", "0"), text("note", "")),
        sa.PrimaryKeyConstraint("inbox_id", name="pk_inbox"),
        sa.UniqueConstraint("tenant_id", "provider", "event_key", name="uq_inbox_tenant_id_provider_event_key"),
    )
    partial("ix_inbox_open", "inbox", ["tenant_id", "due_at"], "processed_at IS NULL")


def _messages() -> None:
    op.create_table(
        "messages",
        *(text("message_id"), text("tenant_id"), text("run_id"), text("enrollment_id")),
        *(text("contact_id"), text("state"), text("action"), number("visit"), text("channel")),
        *(text("status"), number("priority", "1"), millis("due_at", nullable=True)),
        *(text("address", ""), text("sender", ""), text("content", "{}"), number("attempts", "0")),
        *(number("counted", "0"), text("disposition", ""), text("category", "")),
        *(millis("created_at"), millis("settled_at", nullable=True)),
        sa.PrimaryKeyConstraint("message_id", name="pk_messages"),
        sa.UniqueConstraint(
            "enrollment_id", "state", "action", "visit", name="uq_messages_enrollment_id_state_action_visit"
        ),
        **CHURNED,
    )
    partial("ix_messages_queued", "messages", ["run_id", "channel", "priority", "due_at"], "status = 'queued'")
    op.create_index("ix_messages_run_id", "messages", ["run_id"])
    partial("ix_messages_open", "messages", ["run_id"], "status <> 'settled'")
    partial("ix_messages_watched", "messages", ["status", "due_at"], "status IN ('unknown', 'accepted', 'held')")


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        *(serial("outcome_id"), text("tenant_id"), text("run_id"), text("enrollment_id")),
        *(text("message_id", nullable=True), text("attempt_id", nullable=True), text("disposition")),
        *(text("category", ""), text("detail", ""), millis("at")),
        sa.PrimaryKeyConstraint("outcome_id", name="pk_outcomes"),
    )
    op.create_index("ix_outcomes_enrollment_id", "outcomes", ["enrollment_id"])
    op.create_index("ix_outcomes_run_id", "outcomes", ["run_id"])


def _rates() -> None:
    op.create_table(
        "rates",
        *(text("tenant_id"), text("bucket"), millis("free_at")),
        sa.PrimaryKeyConstraint("tenant_id", "bucket", name="pk_rates"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        *(text("run_id"), text("tenant_id"), text("campaign_id"), text("status")),
        *(text("campaign", "{}"), text("workflows", "{}"), text("dispositions", "{}")),
        *(text("options", "{}"), text("contact_list_id", ""), flag("enrolled")),
        *(text("enroll_cursor", ""), number("audience", "0"), millis("created_at")),
        *(millis("finished_at", nullable=True),),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    partial("ix_runs_open", "runs", ["tenant_id", "status"], "finished_at IS NULL")
    op.create_index("ix_runs_tenant_id_campaign_id", "runs", ["tenant_id", "campaign_id"])


def _signals() -> None:
    op.create_table(
        "signals",
        *(serial("signal_id"), text("tenant_id"), text("enrollment_id"), text("event"), millis("at")),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signals"),
    )
    op.create_index("ix_signals_enrollment_id", "signals", ["enrollment_id"])


def _suppressions() -> None:
    op.create_table(
        "suppressions",
        *(text("tenant_id"), text("channel"), text("address"), text("reason", ""), millis("at")),
        sa.PrimaryKeyConstraint("tenant_id", "address", "channel", name="pk_suppressions"),
    )


def _tick_leases() -> None:
    op.create_table(
        "tick_leases",
        *(text("name"), text("owner"), millis("until")),
        sa.PrimaryKeyConstraint("name", name="pk_tick_leases"),
    )
