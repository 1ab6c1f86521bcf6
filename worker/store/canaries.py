"""The people who wait for a canary, and who may let them follow.

1. A canary that is resumed goes on being watched: its others follow when the guard says so, or when somebody releases
   them.
2. A canary of which nobody is left shows nothing more: it is resumed together with its others, or not at all.
"""

from typing import Any

from sqlalchemy import Connection, Row, exists, select, update

from worker.domain.run import Canary, RunStatus
from worker.store.errors import CanaryIsOver, NothingToRelease
from worker.store.tables import enrollments, runs


def see_to(conn: Connection, row: Row[Any], *, release: bool) -> bool:
    """Whether whoever resumes this run lets the others follow with it. The row is locked.

    Raises NothingToRelease, CanaryIsOver.
    """
    canary = Canary(row.canary)
    if release and canary in (Canary.NONE, Canary.ENROLLING):
        raise NothingToRelease(row.run_id, canary)
    if canary is not Canary.WATCHED:
        return False
    if release:
        let_follow(conn, row)
    elif row.status == RunStatus.PAUSED and not _anybody_left(conn, row):
        raise CanaryIsOver(row.run_id)
    return release


def let_follow(conn: Connection, row: Row[Any]) -> None:
    """Let the rest of an audience be enrolled, from the beginning."""
    this = (runs.c.tenant_id == row.tenant_id, runs.c.run_id == row.run_id)
    conn.execute(update(runs).where(*this).values(canary=Canary.PASSED, enroll_cursor=""))


def _anybody_left(conn: Connection, row: Row[Any]) -> bool:
    of_run = (enrollments.c.tenant_id == row.tenant_id, enrollments.c.run_id == row.run_id)
    return bool(conn.execute(select(exists().where(*of_run, enrollments.c.finished_at.is_(None)))).scalar_one())
