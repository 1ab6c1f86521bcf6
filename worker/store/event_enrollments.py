"""Enrollments by events: what is known of people in the runs that hear of them, who enters, who leaves.

1. Who leaves is ended, and what was queued for them is settled in the same transaction: nothing of it is sent after it.
   A message in flight that comes back to the queue is stopped by the gate.
2. What began an enrollment, `start`, is in its state once it has been stepped, and among its news before that.
3. Whoever enters a running run is stepped at once: the row is written as the first step leaves it, with what it owes. A
   step that raises is left to be taken, and counted, as any other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, Text, case, null, select, true, update

from worker.domain.attempt import MessageStatus
from worker.domain.dispositions import SYSTEM
from worker.domain.enrollment import Enrollment, EnrollmentStatus, Recipient
from worker.domain.events import Happened, Started, event_from_json, event_to_json
from worker.engine.triggers import Earlier
from worker.store import dialect, messages, signals
from worker.store.codec import from_json, millis, moment, to_json
from worker.store.dialect import fixed
from worker.store.rows import EnrollmentClaim, StepCommit
from worker.store.signals import BULK, URGENT
from worker.store.stepping import Step
from worker.store.steps import carry_out, stepped
from worker.store.tables import enrollments, runs
from worker.store.tables import messages as messages_table
from worker.store.tables import signals as signals_table

_CANCELLED: Final = SYSTEM["CAMPAIGN_CANCELLED"]
_ENTERED: Final = (
    *("enrollment_id", "tenant_id", "run_id", "contact_id", "entry", "status", "priority", "due_at", "created_at"),
    *("disposition", "reason", "finished_at", "state"),
)
_SIGNALS: Final = ("tenant_id", "enrollment_id", "event", "at")


@dataclass(slots=True, kw_only=True)
class Open:
    """Somebody in a run; `entering`: with this very batch. `reason`: why they are out of it again."""

    enrollment_id: str
    run_id: str
    contact_id: str
    start: Mapping[str, Any] | None = field(repr=False)
    entering: str = ""
    recipient: Recipient | None = None
    """Set for whoever is entering, where their first step may be taken now."""
    reason: str = ""
    news: list[Happened] = field(default_factory=list, repr=False)


def earlier_of(conn: Connection, tenant_id: str, entering: Mapping[str, set[str]]) -> dict[tuple[str, str], Earlier]:
    """When they last entered these campaigns by an event or a date, and whether they are still in."""
    if not entering:
        return {}
    listened = select(runs.c.run_id, runs.c.campaign_id).where(
        runs.c.tenant_id == tenant_id, runs.c.campaign_id.in_(sorted(entering)), runs.c.open_ended
    )
    campaign_of = {row.run_id: row.campaign_id for row in conn.execute(listened).all()}
    pairs = [(run, contact) for run, campaign in campaign_of.items() for contact in sorted(entering[campaign])]
    found: dict[tuple[str, str], Earlier] = {}
    row = enrollments.c
    query = _of_pairs(conn, pairs, row.run_id, row.contact_id, row.created_at, row.finished_at)
    for enrollment in conn.execute(query).all():
        key = (campaign_of[enrollment.run_id], enrollment.contact_id)
        entered_at, before = moment(enrollment.created_at), found.get(key, Earlier())
        found[key] = Earlier(
            entered_at=max(entered_at, before.entered_at or entered_at),
            is_in=before.is_in or enrollment.finished_at is None,
        )
    return found


def open_of(conn: Connection, tenant_id: str, leaving: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Open]]:
    """What these people have open in these runs, each with the event that began it."""
    row, pairs = enrollments.c, sorted(leaving)
    found: dict[tuple[str, str], list[Open]] = defaultdict(list)
    if not pairs:
        return found
    query = _of_pairs(conn, pairs, row.enrollment_id, row.run_id, row.contact_id, row.state)
    rows = conn.execute(query.where(row.tenant_id == tenant_id, dialect.absent(row.finished_at))).all()
    unread = _starts(conn, tenant_id, [one.enrollment_id for one in rows if not one.state])
    for one in rows:
        state = from_json(one.state) if one.state else {}
        start = state.get("variables", {}).get("start", unread.get(one.enrollment_id))
        enrollment = Open(enrollment_id=one.enrollment_id, run_id=one.run_id, contact_id=one.contact_id, start=start)
        found[one.run_id, one.contact_id].append(enrollment)
    return found


def _of_pairs(conn: Connection, pairs: Sequence[tuple[str, str]], *columns: Any) -> Select[Any]:
    """A query for the enrollments of these (run, contact)."""
    given = dialect.records(conn, {"run_id": Text(), "contact_id": Text()}, pairs)
    row = enrollments.c
    return select(*columns).join_from(
        given, enrollments, (row.run_id == given.c.run_id) & (row.contact_id == given.c.contact_id)
    )


def _starts(conn: Connection, tenant_id: str, enrollment_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The events that brought those in who have not been stepped yet."""
    if not enrollment_ids:
        return {}
    given = dialect.ids(conn, "enrollment_id", enrollment_ids)
    news = signals_table.c
    query = select(news.enrollment_id, news.event).where(
        news.tenant_id == tenant_id, news.enrollment_id.in_(select(given.c.enrollment_id))
    )
    starts = {}
    for enrollment_id, text in conn.execute(query).all():
        event = event_from_json(from_json(text))
        if isinstance(event, Started) and event.event is not None:
            starts[enrollment_id] = event.event
    return starts


def enter(conn: Connection, tenant_id: str, entering: Sequence[Open], now: datetime, first: Step) -> list[StepCommit]:
    """Write who enters. Returns the first steps that were taken."""
    if not entering:
        return []
    at = millis(now)
    steps = {one.enrollment_id: step for one in entering if (step := _first_step(tenant_id, one, now, first))}
    rows: list[tuple[Any, ...]] = []
    for one in entering:
        who = (one.enrollment_id, tenant_id, one.run_id, one.contact_id, one.entering)
        if one.reason:  # in and out with one batch
            rows.append((*who, EnrollmentStatus.CANCELLED, URGENT, None, at, _CANCELLED.code, one.reason, at, ""))
        elif step := steps.get(one.enrollment_id):
            *_, status, due_at, state, disposition, reason, finished_at = stepped(step, at)
            rows.append((*who, status, BULK, due_at, at, disposition, reason, finished_at, state))
        else:
            rows.append((*who, EnrollmentStatus.READY, URGENT, at, at, "", "", None, ""))
    given = dialect.table_records(conn, enrollments, _ENTERED, rows)
    conn.execute(dialect.upsert(conn, enrollments).from_select(_ENTERED, select(given).where(true())))
    carry_out(conn, list(steps.values()), now)
    news = [
        (tenant_id, one.enrollment_id, to_json(event_to_json(Started(event=one.start))), at)
        for one in entering
        if not one.reason and one.enrollment_id not in steps
    ]
    if news:
        given = dialect.table_records(conn, signals_table, _SIGNALS, news)
        conn.execute(signals_table.insert().from_select(_SIGNALS, select(given)))
    return list(steps.values())


def _first_step(tenant_id: str, one: Open, now: datetime, first: Step) -> StepCommit | None:
    if one.recipient is None or one.reason or one.news:
        return None
    return first(
        EnrollmentClaim(
            tenant_id=tenant_id,
            run_id=one.run_id,
            enrollment=Enrollment.from_json(one.enrollment_id, EnrollmentStatus.READY, one.recipient, {}),
            epoch=0,
            wake=0,
            due_at=now,
            events=((0, Started(event=one.start)),),
        )
    )


def end(conn: Connection, tenant_id: str, leaving: Mapping[str, str], now: datetime) -> None:
    """End these enrollments, and settle what is queued for them."""
    if not leaving:
        return
    row = enrollments.c
    given = dialect.table_records(conn, enrollments, ("enrollment_id", "reason"), sorted(leaving.items()))
    conn.execute(
        update(enrollments)
        .where(row.tenant_id == tenant_id, row.enrollment_id == given.c.enrollment_id, dialect.absent(row.finished_at))
        .values(
            status=EnrollmentStatus.CANCELLED,
            reason=given.c.reason,
            disposition=case((row.disposition == "", _CANCELLED.code), else_=row.disposition),
            finished_at=millis(now),
            due_at=null(),
            lease_until=null(),
        )
    )
    signals.forget(conn, list(leaving))
    ids = dialect.ids(conn, "enrollment_id", leaving)
    message = messages_table.c
    queued = conn.execute(
        select(messages_table)
        .where(
            message.tenant_id == tenant_id,
            message.enrollment_id.in_(select(ids.c.enrollment_id)),
            message.status == fixed(MessageStatus.QUEUED),
        )
        .with_for_update()
    ).all()
    stopped = [(one, _CANCELLED.code, _CANCELLED.category, leaving[one.enrollment_id]) for one in queued]
    messages.settle_queued(conn, stopped, now)
