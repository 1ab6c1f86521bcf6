"""Archiving old runs: what is known of one whose rows are in files, and who was contacted last when."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("archive", sa.Text(), server_default="{}", nullable=False))
    op.add_column("runs", sa.Column("archived_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "last_contacts",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "contact_id", name="pk_last_contacts"),
    )


def downgrade() -> None:
    op.drop_table("last_contacts")
    for name in ("archived_at", "archive"):
        op.drop_column("runs", name)
