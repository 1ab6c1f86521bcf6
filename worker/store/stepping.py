"""Takes the step that an answer leads to in the commit that writes the answer: no signal, no claim, no second commit.

1. For whoever is in a running run and waits for nothing but news. For the others the news is put beside them as a
   signal, as ever.
2. The row is locked meanwhile, and its epoch counted up: an older claim writes nothing any more.
3. A step that raises is left to be taken, and counted, as any other.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_

from channels.messages import ChannelKind
from worker.domain.effects import Dispatch
from worker.domain.events import Event
from worker.store import dialect, enrollments, signals, steps
from worker.store.rows import EnrollmentClaim, StepCommit
from worker.store.tables import enrollments as table

Step = Callable[[EnrollmentClaim], StepCommit | None]
"""Takes a step; None where it raised."""
News = Sequence[tuple[str, str, Event]]
"""Tenant, enrollment, event, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What became of news. `owed`: channels on which steps have queued a message. `put_by`: signals that wait."""

    owed: frozenset[ChannelKind] = frozenset()
    put_by: int = 0


def hear(conn: Connection, tenant_id: str, news: News, step: Step, now: datetime) -> Heard:
    """Step whom the news concerns, where that may be done now; leave it to the others as signals."""
    events: dict[str, list[tuple[int, Event]]] = defaultdict(list)
    for _, enrollment_id, event in news:
        events[enrollment_id].append((0, event))
    claims = _free(conn, tenant_id, events, now)
    taken = [one for claim in claims if (one := step(claim)) is not None]
    written = enrollments.write(conn, taken, now)
    done = {one.claim.enrollment.enrollment_id for one in written}
    put_by = signals.post(conn, [one for one in news if one[1] not in done], now)
    effects = (effect for one in written for effect in one.transition.effects)
    return Heard(owed=frozenset(e.channel for e in effects if isinstance(e, Dispatch)), put_by=put_by)


def _free(conn: Connection, tenant_id: str, events: steps.News, now: datetime) -> list[EnrollmentClaim]:
    """Lock them, and return those that may be stepped at once: who waits for news only.

    A claim is of somebody who is due, and a signal makes due: where `due_at` is empty there is neither. It is asked as
    a column: PostgreSQL, while it has no statistics of a new run, would take a condition for rarer than an id, and read
    all that is open.
    """
    row, given = table.c, dialect.ids(conn, "enrollment_id", sorted(events))
    waits = and_(row.finished_at.is_(None), row.due_at.is_(None)).label("waits")
    query = steps.stepped_query(given).add_columns(waits).where(row.tenant_id == tenant_id)
    rows = conn.execute(query.with_for_update(of=table, skip_locked=True)).all()
    return list(steps.readable(tenant_id, [one for one in rows if one.waits], events, now))
