"""Enrollments remember an opt-out; indexes for messages that are open, and for one tenant's inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("enrollments", sa.Column("opted_out", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    partial("ix_messages_open", "messages", ["run_id"], "status <> 'settled'")
    op.drop_index("ix_inbox_open", "inbox")
    partial("ix_inbox_open", "inbox", ["tenant_id", "due_at"], "processed_at IS NULL")


def downgrade() -> None:
    op.drop_index("ix_inbox_open", "inbox")
    partial("ix_inbox_open", "inbox", ["due_at"], "processed_at IS NULL")
    op.drop_index("ix_messages_open", "messages")
    op.drop_column("enrollments", "opted_out")


def partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
