"""Without fencing: whoever brings a result writes it, however long ago it was thought dead.

1. A step is committed whatever the epoch, also over an enrollment that has ended.
2. A settlement is applied whatever has become of its attempt meanwhile.
3. The database takes a second live attempt of a message: its index is dropped.
4. A process that stood still after its claim sends all the same. That check is no part of the store: a process of its
   own says `stop_checking_lateness()`, a test `with lateness_unchecked():`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, select, text, update
from sqlalchemy.exc import IntegrityError

from worker.domain.attempt import Settlement
from worker.runtime import dispatch
from worker.runtime.bootstrap import Runtime
from worker.store import dialect, outcomes, settlements, steps, transactions
from worker.store.codec import millis
from worker.store.facade import Store, writes
from worker.store.rows import Settled, StepCommit
from worker.store.signals import BULK
from worker.store.stepping import Step
from worker.store.tables import attempts
from worker.store.tables import enrollments as enrollments_table


def commit_unfenced(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> int:
    """`enrollments.commit`, but every step is written."""
    if not commits:
        return 0
    _write_state(conn, commits, now)
    steps.carry_out(conn, commits, now)
    steps.forget_news(conn, commits)
    return len(commits)


def _write_state(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> None:
    at = millis(now)
    given = dialect.records(conn, steps.STEPPED, [steps.stepped(c, at) for c in commits])
    row, step = enrollments_table.c, given.c
    conn.execute(
        update(enrollments_table)
        .where(row.enrollment_id == step.enrollment_id, row.tenant_id == step.tenant_id)
        .values(
            status=step.status,
            state=step.state,
            disposition=step.disposition,
            reason=step.reason,
            finished_at=step.finished_at,
            due_at=case((step.finished_at.is_not(None), None), (row.wake == step.wake, step.due_at), else_=at),
            priority=case((row.wake == step.wake, BULK), else_=row.priority),
            claims=0,
            lease_until=None,
            lease_owner="",
        )
    )


def apply_unchecked(
    conn: Connection, brought: Sequence[Settlement], now: datetime, *, step: Step | None = None
) -> Settled:
    """`settlements.apply`, but whatever is brought of a known attempt is written."""
    try:
        with conn.begin_nested():
            return _apply(conn, brought, now, step)
    except IntegrityError:
        if len(brought) == 1:
            return Settled(refused=(brought[0].facts.attempt_id,))
    return sum((apply_unchecked(conn, [settlement], now) for settlement in brought), Settled())


def _apply(conn: Connection, brought: Sequence[Settlement], now: datetime, step: Step | None) -> Settled:
    counted = counted_before(conn, brought)
    known = [s for s in brought if s.facts.attempt_id in counted]
    if not known:
        return Settled()
    settlements._update_attempts(conn, known)
    return write_consequences(conn, known, counted, now, step)


def counted_before(conn: Connection, brought: Sequence[Settlement]) -> dict[str, bool]:
    """Whether each attempt that is written counted already, by id."""
    given = dialect.ids(conn, "attempt_id", [s.facts.attempt_id for s in brought])
    query = select(attempts.c.attempt_id, attempts.c.counted).join(given, attempts.c.attempt_id == given.c.attempt_id)
    return {row.attempt_id: row.counted for row in conn.execute(query).all()}


def write_consequences(
    conn: Connection, brought: Sequence[Settlement], counted: dict[str, bool], now: datetime, step: Step | None
) -> Settled:
    """What follows for messages, enrollments and suppressions."""
    settlements._update_messages(conn, brought, counted, now)
    outcomes.file(conn, [outcomes.of_settlement(s, now) for s in brought if s.disposition])
    heard = settlements._tell(conn, brought, now, step)
    settlements._suppress(conn, brought, now)
    return Settled(applied=tuple(s.facts.attempt_id for s in brought), owed=heard.owed, put_by=heard.put_by)


class NoFencingStore(Store):
    """Believes everybody."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._drop_index()

    def migrate(self) -> None:
        super().migrate()
        self._drop_index()

    commit_steps = writes(commit_unfenced)
    settle = writes(apply_unchecked)

    def _drop_index(self) -> None:
        transactions.write(self.engine, lambda conn: conn.execute(text("DROP INDEX IF EXISTS uq_attempts_live")))


def stop_checking_lateness() -> None:
    """From now on no process like this one asks how long ago it claimed."""
    dispatch._too_late = _never


@contextmanager
def lateness_unchecked() -> Iterator[None]:
    """The same for a while."""
    checked = dispatch._too_late
    stop_checking_lateness()
    try:
        yield
    finally:
        dispatch._too_late = checked


def _never(_rt: Runtime, _began: float) -> bool:
    return False
