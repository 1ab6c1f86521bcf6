"""Keep what the provider wrote: the raw text of each piece of news, and what it last showed of an attempt in doubt."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ADDED = (("inbox", "raw"), ("attempts", "finding"))


def upgrade() -> None:
    for table, name in ADDED:
        op.add_column(table, sa.Column(name, sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    for table, name in ADDED:
        with op.batch_alter_table(table) as batch:
            batch.drop_column(name)
