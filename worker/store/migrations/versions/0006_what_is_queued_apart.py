"""What is queued in a run is found by its own index only, whatever a planner that has no statistics of it may think.

The index of open messages does not hold it any more, and all messages of a run are found by its people.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _partial(name: str, where: str) -> None:
    op.create_index(name, "messages", ["run_id"], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    op.drop_index("ix_messages_open", "messages")
    op.drop_index("ix_messages_run_id", "messages")
    _partial("ix_messages_under_way", "status NOT IN ('queued', 'settled')")


def downgrade() -> None:
    op.drop_index("ix_messages_under_way", "messages")
    _partial("ix_messages_open", "status <> 'settled'")
    op.create_index("ix_messages_run_id", "messages", ["run_id"])
