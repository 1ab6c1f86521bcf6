"""Starting campaigns: selections, open and scheduled runs, their changes, queue events, alerts, imports."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def bytewise(name: str, default: str | None = None) -> sa.Column[str]:
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, kind, server_default=default, nullable=False)


def millis(name: str, *, nullable: bool = True, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=nullable)


def serial(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    _runs()
    op.add_column("enrollments", text("entry", ""))
    _one_enrollment_per(("run_id", "contact_id", "entry"), before=("run_id", "contact_id"))
    op.create_index("ix_messages_contact_id", "messages", ["contact_id"])
    op.add_column("contact_list_members", millis("added_at", nullable=False, default="0"))
    _events()
    _alerts()
    _guards()
    _imports()


def downgrade() -> None:
    for table in ("imports", "guard_states", "guard_marks", "alerts", "event_traces", "events", "run_changes"):
        op.drop_table(table)
    op.drop_column("contact_list_members", "added_at")
    op.drop_index("ix_messages_contact_id", "messages")
    op.execute("DELETE FROM enrollments WHERE entry <> ''")  # the older version knows one enrollment per run
    _one_enrollment_per(("run_id", "contact_id"), before=("run_id", "contact_id", "entry"))
    op.drop_column("enrollments", "entry")
    op.drop_index("uq_runs_occurrence", "runs")
    for name in OF_RUNS:
        op.drop_column("runs", name)


OF_RUNS = ("selection", "guarding", "canary", "open_ended", "urgent", "series", "occurrence", "next_at", "started_at")


def _runs() -> None:
    columns = (
        *(text("selection", "{}"), text("guarding", "{}"), text("canary", ""), flag("open_ended")),
        *(flag("urgent"), text("series", "")),
        *(millis("occurrence"), millis("next_at"), millis("started_at")),
    )
    for column in columns:
        op.add_column("runs", column)
    op.execute("UPDATE runs SET started_at = created_at")
    partial("uq_runs_occurrence", "runs", ["tenant_id", "series", "occurrence"], "series <> ''", unique=True)
    op.create_table(
        "run_changes",
        *(serial("change_id"), text("tenant_id"), text("run_id"), millis("at", nullable=False), text("by", "")),
        *(text("before", ""), text("after", ""), text("reason", "")),
        sa.PrimaryKeyConstraint("change_id", name="pk_run_changes"),
    )
    op.create_index("ix_run_changes_run_id_change_id", "run_changes", ["run_id", "change_id"])


def _one_enrollment_per(columns: tuple[str, ...], *, before: tuple[str, ...]) -> None:
    with op.batch_alter_table("enrollments") as batch:
        batch.drop_constraint("_".join(("uq_enrollments", *before)), type_="unique")
        batch.create_unique_constraint("_".join(("uq_enrollments", *columns)), list(columns))


def _events() -> None:
    op.create_table(
        "events",
        *(serial("event_id"), text("tenant_id"), bytewise("event_key", ""), text("type", ""), text("status")),
        *(text("payload", "{}"), text("note", ""), millis("occurred_at"), millis("received_at", nullable=False)),
        *(millis("due_at"), number("tries")),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
        sa.UniqueConstraint("tenant_id", "event_key", name="uq_events_tenant_id_event_key"),
    )
    partial("ix_events_waiting", "events", ["tenant_id", "due_at"], "status = 'waiting'")
    partial("ix_events_dead", "events", ["tenant_id", "event_id"], "status = 'dead'")
    op.create_index("ix_events_received_at", "events", ["tenant_id", "received_at"])
    op.create_table(
        "event_traces",
        *(serial("trace_id"), text("tenant_id"), text("kind"), text("named"), millis("occurred_at", nullable=False)),
        text("event", "{}"),
        sa.PrimaryKeyConstraint("trace_id", name="pk_event_traces"),
    )
    whom = ["tenant_id", "kind", "named", "occurred_at"]
    op.create_index("ix_event_traces_named", "event_traces", whom)
    op.create_index("ix_event_traces_occurred_at", "event_traces", ["tenant_id", "occurred_at"])


def _alerts() -> None:
    op.create_table(
        "alerts",
        *(serial("alert_id"), text("tenant_id"), text("run_id"), text("kind"), text("detail", "{}")),
        *(millis("at", nullable=False), millis("due_at"), number("tries"), text("told", "[]")),
        *(millis("delivered_at"), text("note", "")),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_run_id", "alerts", ["run_id"])
    partial("ix_alerts_open", "alerts", ["tenant_id", "due_at"], "delivered_at IS NULL")


def _guards() -> None:
    op.create_table(
        "guard_marks",
        *(text("tenant_id"), millis("seen", nullable=False), millis("look_at", nullable=False)),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_guard_marks"),
    )
    # What happened before is no reason to pause what goes on.
    op.execute("INSERT INTO guard_marks SELECT tenant_id, max(outcome_id), 0 FROM outcomes GROUP BY tenant_id")
    op.create_table(
        "guard_states",
        *(text("run_id"), text("tenant_id"), text("state", "{}")),
        sa.PrimaryKeyConstraint("run_id", name="pk_guard_states"),
    )


def _imports() -> None:
    op.create_table(
        "imports",
        *(text("tenant_id"), text("digest"), number("row"), text("counts", "{}")),
        *(millis("started_at", nullable=False), millis("finished_at")),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_imports"),
    )
