"""Old news is found by when it came in."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_inbox_tenant_id_received_at", "inbox", ["tenant_id", "received_at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("ix_inbox_tenant_id_received_at", "inbox")
