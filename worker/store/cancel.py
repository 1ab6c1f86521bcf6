"""Ends what a cancelled or failed run has left, in bounded steps that may be repeated and interrupted anywhere.

1. Queued messages are settled, open enrollments end as cancelled. What is in flight or of unknown fate is left to its
   own settlement; a message that comes back to the queue from there is settled by the next step.
2. A step that was under way writes nothing: what has ended takes no more commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, case, null, select, update

from worker.domain.attempt import MessageStatus
from worker.domain.dispositions import SYSTEM
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.run import RunStatus
from worker.store import dialect, messages, runs, signals
from worker.store.codec import millis
from worker.store.dialect import fixed
from worker.store.tables import enrollments
from worker.store.tables import messages as messages_table

_RULE: Final = SYSTEM["CAMPAIGN_CANCELLED"]


def cancel_chunk(conn: Connection, tenant_id: str, run_id: str, size: int, now: datetime) -> int:
    """Settle up to `size` queued messages and end up to `size` enrollments. 0: nothing is left that can be ended now.

    Does nothing for a run that is neither cancelled nor failed.
    """
    if runs.get(conn, tenant_id, run_id).status not in (RunStatus.CANCELLED, RunStatus.FAILED):
        return 0
    ended = _settle_queued(conn, tenant_id, run_id, size, now) + _end_enrollments(conn, tenant_id, run_id, size, now)
    if not ended:
        runs.close_if_settled(conn, tenant_id, run_id, now)
    return ended


def _settle_queued(conn: Connection, tenant_id: str, run_id: str, size: int, now: datetime) -> int:
    row = messages_table.c
    query = (
        select(messages_table)
        .where(row.tenant_id == tenant_id, row.run_id == run_id, row.status == fixed(MessageStatus.QUEUED))
        .limit(size)
        .with_for_update(skip_locked=True)
    )
    queued = conn.execute(query).all()
    messages.settle_queued(conn, [(message, _RULE.code, _RULE.category, "") for message in queued], now)
    return len(queued)


def _end_enrollments(conn: Connection, tenant_id: str, run_id: str, size: int, now: datetime) -> int:
    row = enrollments.c
    query = (
        select(row.enrollment_id)
        .where(row.tenant_id == tenant_id, row.run_id == run_id, row.finished_at.is_(None))
        .limit(size)
        .with_for_update(skip_locked=True)
    )
    ids: Sequence[str] = conn.execute(query).scalars().all()
    if ids:
        given = dialect.ids(conn, "enrollment_id", ids)
        conn.execute(
            update(enrollments)
            .where(row.tenant_id == tenant_id, row.enrollment_id == given.c.enrollment_id)
            .values(
                status=EnrollmentStatus.CANCELLED,
                reason="the run was cancelled",
                disposition=case((row.disposition == "", _RULE.code), else_=row.disposition),
                finished_at=millis(now),
                due_at=null(),
                lease_until=null(),
            )
        )
        signals.forget(conn, ids)
    return len(ids)
