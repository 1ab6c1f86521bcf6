"""What the guard counts and remembers. It looks at all runs of a tenant at once, and only at outcomes that are new.

1. Outcomes are numbered; the mark says up to which they have been counted. A look costs what has come since, however
   large the runs are.
2. Numbers are drawn before the commit, so that a lower one may appear after a higher. Outcomes are therefore left to
   settle for a moment before they are counted.
3. Of two looks at once one changes nothing: it moves the mark only from where it saw it.
4. What comes in while a run is paused is not counted, nor what was filed before it was resumed (`guard_memory`); what
   was decided on that is not done any more.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    update,
)

from channels.results import Reason
from worker.domain.alert import AlertKind
from worker.domain.run import Canary, RunStatus, Who
from worker.engine.tally import Filed
from worker.store import alerts, dialect, enroll, guard_memory
from worker.store import runs as runs_of
from worker.store.codec import from_json, millis
from worker.store.queue_tables import guard_marks
from worker.store.tables import enrollments, outcomes, runs

SETTLES: Final = timedelta(seconds=2)
"""So long after it was written an outcome is counted: longer than a commit takes."""
PERIOD: Final = timedelta(seconds=2)
"""Between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardNews:
    """What has come since the last look. `filed` and `states` are by run; every running run with news is in `filed`.

    `waiting`: those whose audience waits for its canary; `idle`: those whose canary has nothing left to do or to learn.
    `marks`: those that were resumed, with the last outcome before that.
    """

    seen: int
    upto: int
    filed: Mapping[str, Sequence[Filed]] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()
    marks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a look decides about a run, and what it remembers of it. At most one of the last three is said.

    `pause`: why it is paused. `warn`: what its supervisors are told while it goes on. `follow`: why the rest of the
    audience may follow its canary.
    """

    run_id: str
    state: Mapping[str, Any]
    pause: str = ""
    warn: str = ""
    follow: str = ""


def news(conn: Connection, tenant_id: str, now: datetime) -> GuardNews:
    """What is to be judged."""
    seen = conn.execute(select(guard_marks.c.seen).where(guard_marks.c.tenant_id == tenant_id)).scalar() or 0
    upto = _settled_upto(conn, seen, now)
    filed = _filed(conn, tenant_id, seen, upto)
    idle = _idle(conn, tenant_id, upto)
    found = _found(conn, tenant_id, {*filed, *idle})
    running = sorted(run_id for run_id, run in found.items() if run.status == RunStatus.RUNNING)
    guarding = {run_id: from_json(found[run_id].guarding) for run_id in running}
    marks = {run_id: mark for run_id in running if (mark := guard_memory.mark_of(guarding[run_id])) is not None}
    for run_id, mark in marks.items():
        if run_id in filed and mark > seen:
            filed[run_id] = _filed(conn, tenant_id, mark, upto, run_id)[run_id]
    return GuardNews(
        seen=seen,
        upto=upto,
        filed={run_id: filed.get(run_id, ()) for run_id in running},
        states=guard_memory.of_runs(conn, tenant_id, running, marks),
        waiting=frozenset(run_id for run_id in running if found[run_id].canary == Canary.WATCHED),
        idle=frozenset(idle),
        marks=marks,
    )


def _settled_upto(conn: Connection, seen: int, now: datetime) -> int:
    """The last outcome before the first that is too young; numbers count on over all tenants."""
    row = outcomes.c
    young = select(func.min(row.outcome_id)).where(row.outcome_id > seen, row.at > millis(now - SETTLES))
    if first := conn.execute(young).scalar():
        return int(first) - 1
    return max(seen, conn.execute(select(func.max(row.outcome_id))).scalar() or 0)


def _filed(conn: Connection, tenant_id: str, seen: int, upto: int, only: str = "") -> defaultdict[str, list[Filed]]:
    """The outcomes after one and up to another, by run; of one run where it is named."""
    row = outcomes.c
    of_run = (row.run_id == only,) if only else ()
    attempted = row.attempt_id.is_not(None)
    ours = and_(attempted, row.detail == str(Reason.CONFIGURATION))
    query = (
        select(row.run_id, row.disposition, attempted.label("attempted"), ours.label("ours"), func.count().label("n"))
        .where(row.outcome_id > seen, row.outcome_id <= upto, row.tenant_id == tenant_id, *of_run)
        .group_by(row.run_id, row.disposition, attempted, ours)
    )
    by_run = defaultdict(list)
    for one in conn.execute(query).all():
        found = Filed(disposition=one.disposition, count=one.n, attempted=bool(one.attempted), ours=bool(one.ours))
        by_run[one.run_id].append(found)
    return by_run


def _idle(conn: Connection, tenant_id: str, upto: int) -> list[str]:
    uncounted = exists().where(outcomes.c.run_id == runs.c.run_id, outcomes.c.outcome_id > upto)
    return list(conn.execute(select(runs.c.run_id).where(_has_idle_canary(tenant_id), ~uncounted)).scalars())


def _has_idle_canary(tenant_id: str | BindParameter[str]) -> ColumnElement[bool]:
    somebody = exists().where(enrollments.c.run_id == runs.c.run_id, enrollments.c.finished_at.is_(None))
    return and_(
        runs.c.tenant_id == tenant_id,
        runs.c.finished_at.is_(None),
        runs.c.status == RunStatus.RUNNING,
        runs.c.canary == Canary.WATCHED,
        ~somebody,
    )


def _found(conn: Connection, tenant_id: str, run_ids: Collection[str]) -> dict[str, Row[Any]]:
    row = runs.c
    query: Select[Any] = select(row.run_id, row.status, row.canary, row.guarding)
    found = conn.execute(query.where(row.tenant_id == tenant_id, row.run_id.in_(run_ids))).all()
    return {run.run_id: run for run in found}


def is_due(tenant_id: BindParameter[str], at: BindParameter[int]) -> ColumnElement[bool]:
    """Whether a look would have something to judge, as a condition. `at`: the moment in milliseconds."""
    mark = guard_marks.c
    of_tenant = mark.tenant_id == tenant_id
    resting = exists().where(of_tenant, mark.look_at > at)
    seen = func.coalesce(select(mark.seen).where(of_tenant).scalar_subquery(), 0)
    row = outcomes.c  # the first in order, not any: else a planner may read the whole table to find none
    first = select(row.at).where(row.outcome_id > seen).order_by(row.outcome_id).limit(1).scalar_subquery()
    settled = func.coalesce(first <= at - literal(round(SETTLES.total_seconds() * 1000), BigInteger), false())
    return and_(~resting, or_(settled, exists().where(_has_idle_canary(tenant_id))))


def commit(
    conn: Connection, tenant_id: str, judged: GuardNews, decisions: Sequence[Decision], now: datetime
) -> Sequence[Decision]:
    """Move the mark, remember the states, and do what was decided. Returns what was done; nothing for a lost race.

    A run that is not running any more, or was resumed meanwhile, is neither paused nor warned of.
    """
    if not _move_mark(conn, tenant_id, judged, now):
        return []
    return [one for one in decisions if _carry_out(conn, tenant_id, one, judged.marks.get(one.run_id), now)]


def _move_mark(conn: Connection, tenant_id: str, judged: GuardNews, now: datetime) -> bool:
    look_at = millis(now + PERIOD)
    new = dialect.upsert(conn, guard_marks).values(tenant_id=tenant_id, seen=0, look_at=look_at)
    conn.execute(new.on_conflict_do_nothing())
    move = update(guard_marks).where(guard_marks.c.tenant_id == tenant_id, guard_marks.c.seen == judged.seen)
    return conn.execute(move.values(seen=judged.upto, look_at=look_at)).rowcount > 0


def _carry_out(conn: Connection, tenant_id: str, decision: Decision, mark: int | None, now: datetime) -> bool:
    run_id = decision.run_id
    if not (decision.pause or decision.warn or decision.follow):
        guard_memory.remember(conn, tenant_id, run_id, decision.state, mark)
        return False
    row = runs_of.lock(conn, tenant_id, run_id)
    if row is None or row.status != RunStatus.RUNNING or guard_memory.mark_of(from_json(row.guarding)) != mark:
        return False
    if decision.pause:
        runs_of.change_status(conn, tenant_id, run_id, RunStatus.PAUSED, now, who=Who.SYSTEM, reason=decision.pause)
        return True
    guard_memory.remember(conn, tenant_id, run_id, decision.state, mark)
    if decision.warn:
        alerts.add(conn, tenant_id, run_id, AlertKind.ERROR_RATE, now, reason=decision.warn)
        runs_of.note(conn, tenant_id, run_id, now, reason=decision.warn)
    if decision.follow and enroll.pass_canary(conn, tenant_id, run_id):
        runs_of.note(conn, tenant_id, run_id, now, reason=decision.follow)
    return True
