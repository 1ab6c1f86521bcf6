"""Files outcomes: what messages and workflows came to. Rows are only ever added."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Insert, Integer, Text, literal, select

from worker.domain.attempt import Settlement
from worker.domain.effects import RecordOutcome
from worker.store import dialect, kept
from worker.store.codec import millis
from worker.store.rows import StepCommit
from worker.store.tables import messages, outcomes

_COLUMNS: Final[dialect.Columns] = {
    **{name: Text() for name in ("tenant_id", "run_id", "enrollment_id", "message_id", "attempt_id")},
    **{name: Text() for name in ("disposition", "category", "detail")},
    "at": BigInteger(),
}
_BY_KEY: Final[dialect.Columns] = {
    **{name: Text() for name in ("tenant_id", "run_id", "enrollment_id", "disposition", "category", "detail")},
    "state": Text(),
    "action": Text(),
    "visit": Integer(),
}


def file(conn: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Add outcomes: tenant, run, enrollment, message?, attempt?, disposition, category, detail, milliseconds."""
    if rows:
        conn.execute(_filed(conn), kept.rows(rows))


@kept.kept
def _filed(conn: Connection) -> Insert:
    given = dialect.records_of(conn, _COLUMNS, kept.BATCH)
    return outcomes.insert().from_select(list(_COLUMNS), select(given))


def of_settlement(settlement: Settlement, now: datetime) -> tuple[Any, ...]:
    """The outcome of an attempt."""
    facts, detail = settlement.facts, settlement.detail or str(settlement.reason)
    return (
        *(facts.tenant_id, facts.run_id, facts.enrollment_id, facts.message_id, facts.attempt_id),
        *(settlement.disposition, settlement.category, detail, millis(now)),
    )


def file_steps(conn: Connection, commits: Sequence[StepCommit], now: datetime) -> None:
    """Add the outcomes that steps filed; a message is named by its key, and may be of the same commit."""
    rows = [
        _by_key(commit, effect)
        for commit in commits
        for effect in commit.transition.effects
        if isinstance(effect, RecordOutcome)
    ]
    if not rows:
        return
    given = dialect.records(conn, _BY_KEY, rows)
    of_key = (
        (messages.c.enrollment_id == given.c.enrollment_id)
        & (messages.c.state == given.c.state)
        & (messages.c.action == given.c.action)
        & (messages.c.visit == given.c.visit)
    )
    identity = given.c
    source = select(
        *(identity.tenant_id, identity.run_id, identity.enrollment_id, messages.c.message_id),
        *(identity.disposition, identity.category, identity.detail, literal(millis(now), BigInteger)),
    ).select_from(given.outerjoin(messages, of_key))
    names = [name for name in _COLUMNS if name != "attempt_id"]
    conn.execute(outcomes.insert().from_select(names, source))


def _by_key(commit: StepCommit, effect: RecordOutcome) -> tuple[Any, ...]:
    claim = commit.claim
    key = effect.message or (None, None, None)
    enrollment_id = claim.enrollment.enrollment_id
    return (
        *(claim.tenant_id, claim.run_id, enrollment_id, effect.disposition, effect.category, effect.detail),
        *key,
    )
