"""Claims messages to be sent: gates, rate and intent in one transaction. What is not in the claim must not be sent.

1. The run is locked in its status: a message is claimed before a pause returns, or not at all.
2. The gates are asked about what the database says now, not about what was true when the message was queued.
3. The intent is an attempt in `dispatching`. A message that has a live attempt cannot get another one: the database
   refuses it, and the message then follows the attempt it has.
4. Where fewer are queued than may be claimed, people who are due are stepped here (`straight`). What they owe passes
   the same gates and the same rate; it is never queued unless one of these puts it off.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, assert_never

from sqlalchemy import BigInteger, Connection, Integer, Row, Select, Text, bindparam, null, select, true, update
from sqlalchemy.sql.dml import ReturningInsert

from channels.messages import ChannelKind
from worker.domain.attempt import LIVE, AttemptFacts, AttemptStatus, MessageStatus
from worker.domain.dispositions import DispositionBook
from worker.domain.enrollment import MessageKey
from worker.domain.events import Settled
from worker.engine.gates import GateFacts, Go, Later, Skip, verdict
from worker.store import dialect, kept, outcomes, pacing, runs, signals, steps, straight
from worker.store.attempts import counted_elsewhere
from worker.store.codec import from_json, millis, moment
from worker.store.dialect import fixed, fixed_list
from worker.store.gating import Gate, Rules, facts_of
from worker.store.pacing import Queued
from worker.store.rows import Claimed, Rate
from worker.store.signals import BULK, URGENT
from worker.store.stepping import Step
from worker.store.steps import Owed
from worker.store.straight import Taken
from worker.store.tables import attempts, messages

_INTENT: Final[dialect.Columns] = {
    **{name: Text() for name in ("attempt_id", "tenant_id", "run_id", "message_id", "channel", "status", "provider")},
    **{name: BigInteger() for name in ("number", "dispatched_at")},
}


def claim(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    channel: ChannelKind,
    *,
    limit: int,
    lease: timedelta,
    now: datetime,
    provider: str,
    rules: Rules,
    rate: Rate | None = None,
    gate: Gate = verdict,
    step: Step | None = None,
) -> Claimed:
    """Commit to sending up to `limit` messages of a running run that are due, urgent ones first, then the oldest.

    Messages a gate stops are settled here, filed by the book of `rules`; those it puts off get a new `due_at`.
    `step`: takes steps of people who are due, as long as there is room.
    """
    if not runs.lock_running(conn, tenant_id, run_id):
        return Claimed()
    queued: list[Queued] = [*_pick(conn, tenant_id, run_id, channel, limit=limit, now=now)]
    taken = Taken()
    if step is not None and len(queued) < limit:
        taken = straight.take(conn, tenant_id, run_id, channel, limit=limit - len(queued), now=now, step=step)
        queued += taken.owed
    if not queued:
        return Claimed(stepped=taken.stepped, queued=taken.queued, more=taken.stepped == limit)
    go, skip, later = _judge(queued, facts_of(conn, tenant_id, channel, queued, rules), gate)
    write = partial(_write, conn, taken.owed, provider=provider, lease=lease, now=now)
    claimed, granted, retry_at = pacing.paced(conn, tenant_id, f"{provider}/{channel}", go, rate=rate, write=write)
    _postpone(conn, tenant_id, later)
    _settle(conn, skip, rules.book, now)
    return Claimed(
        attempts=tuple(claimed),
        settled=len(skip),
        later=len(later),
        refused=granted - len(claimed),
        more=len(queued) - len(taken.owed) + taken.stepped == limit or retry_at is not None,
        retry_at=retry_at,
        stepped=taken.stepped,
        queued=taken.queued,
    )


def _write(
    conn: Connection, owed: Sequence[Owed], granted: Sequence[Queued], *, provider: str, lease: timedelta, now: datetime
) -> list[AttemptFacts]:
    _write_owed(conn, owed, granted)
    return _intend(conn, granted, provider, lease, now)


def _write_owed(conn: Connection, owed: Sequence[Owed], granted: Sequence[Queued]) -> None:
    """Write what steps owe: what is granted as it is sent now, the rest as queued."""
    now = {row.message_id for row in granted}
    sent = MessageStatus.DISPATCHING
    rows = [one._replace(status=sent, due_at=None, attempts=1) if one.message_id in now else one for one in owed]
    steps.owe_new(conn, rows)


def _pick(
    conn: Connection, tenant_id: str, run_id: str, channel: ChannelKind, *, limit: int, now: datetime
) -> list[Row[Any]]:
    """Lock what is due. One look per priority, so that an index serves each."""
    given = {"of_tenant": tenant_id, "of_run": run_id, "by": channel, "at": millis(now)}
    picked: list[Row[Any]] = []
    for priority in (URGENT, BULK):
        which = {"of_priority": priority, "most": limit - len(picked)}
        picked += conn.execute(_due(conn), given | which).all()
        if len(picked) == limit:
            break
    return picked


@kept.kept
def _due(_: Connection) -> Select[Any]:
    row = messages.c
    query = select(messages, counted_elsewhere().label("counted_elsewhere")).where(
        row.tenant_id == bindparam("of_tenant", type_=Text),
        row.run_id == bindparam("of_run", type_=Text),
        row.channel == bindparam("by", type_=Text),
        row.status == fixed(MessageStatus.QUEUED),
        row.priority == bindparam("of_priority", type_=Integer),
        row.due_at <= bindparam("at", type_=BigInteger),
    )
    return query.order_by(row.due_at).limit(bindparam("most", type_=Integer)).with_for_update(skip_locked=True)


def _judge(
    queued: Sequence[Queued], facts: Sequence[GateFacts], gate: Gate
) -> tuple[list[Queued], list[tuple[Queued, Skip]], list[tuple[Queued, Later]]]:
    go, skip, later = [], [], []
    for row, known in zip(queued, facts, strict=True):
        match gate(known):
            case Go():
                go.append(row)
            case Skip() as stopped:
                skip.append((row, stopped))
            case Later() as put_off:
                later.append((row, put_off))
            case never:
                assert_never(never)
    return go, skip, later


def _intend(
    conn: Connection, granted: Sequence[Queued], provider: str, lease: timedelta, now: datetime
) -> list[AttemptFacts]:
    if not granted:
        return []
    at = millis(now)
    intents = {row.message_id: _intent(dialect.new_id(conn), row, provider, at) for row in granted}
    owed = [row.message_id for row in granted if isinstance(row, Owed)]
    accepted = {*owed}  # they are new: none of them can have an attempt
    queued = [message_id for message_id in intents if message_id not in accepted]
    if owed:
        conn.execute(_insert_intents(conn), _rows(conn, [intents[message_id] for message_id in owed], lease))
    if queued:
        given = _rows(conn, [intents[message_id] for message_id in queued], lease)
        accepted |= set(conn.execute(_insert_unless_live(conn), given).scalars().all())
    _mark(conn, [message_id for message_id in queued if message_id in accepted])
    _follow(conn, [message_id for message_id in queued if message_id not in accepted])
    dispatched_at = moment(at)
    return [_facts(row, intents[row.message_id][0], dispatched_at) for row in granted if row.message_id in accepted]


def _rows(conn: Connection, intents: Sequence[Sequence[Any]], lease: timedelta) -> dict[str, Any]:
    return kept.rows(intents) | {"lease_ms": round(lease.total_seconds() * 1000)} | kept.clock(conn)


@kept.kept
def _insert_unless_live(conn: Connection) -> ReturningInsert[str]:
    return _insert_intents(conn).on_conflict_do_nothing().returning(attempts.c.message_id)


@kept.kept
def _insert_intents(conn: Connection) -> dialect.Upsert:
    given = dialect.records_of(conn, _INTENT, kept.BATCH)
    until = kept.clock_ms(conn) + bindparam("lease_ms", type_=BigInteger)
    return dialect.upsert(conn, attempts).from_select([*_INTENT, "lease_until"], select(given, until).where(true()))


def _intent(attempt_id: str, row: Queued, provider: str, at: int) -> tuple[Any, ...]:
    status = AttemptStatus.DISPATCHING
    identity = (attempt_id, row.tenant_id, row.run_id, row.message_id, row.channel)
    return (*identity, status, provider, row.attempts + 1, at)


def _mark(conn: Connection, message_ids: Sequence[str]) -> None:
    if message_ids:
        given = dialect.ids(conn, "message_id", message_ids)
        conn.execute(
            update(messages)
            .where(messages.c.message_id == given.c.message_id)
            .values(status=MessageStatus.DISPATCHING, due_at=null(), attempts=messages.c.attempts + 1)
        )


def _follow(conn: Connection, message_ids: Sequence[str]) -> None:
    """These have a live attempt and should not have been queued: the sweeps look into it, and nothing is sent."""
    if message_ids:
        given = dialect.ids(conn, "message_id", message_ids)
        conn.execute(
            update(messages)
            .where(
                messages.c.message_id == given.c.message_id,
                attempts.c.message_id == messages.c.message_id,
                attempts.c.status.in_(fixed_list(LIVE)),
            )
            .values(status=attempts.c.status)
        )


def _facts(row: Queued, attempt_id: str, dispatched_at: datetime) -> AttemptFacts:
    return AttemptFacts(
        tenant_id=row.tenant_id,
        run_id=row.run_id,
        enrollment_id=row.enrollment_id,
        message_id=row.message_id,
        key=_key(row),
        attempt_id=attempt_id,
        channel=ChannelKind(row.channel),
        status=AttemptStatus.DISPATCHING,
        message_status=MessageStatus.DISPATCHING,
        number=row.attempts + 1,
        counted=row.counted,
        counted_elsewhere=row.counted_elsewhere,
        rank=0,
        to=row.address,
        sender=row.sender,
        content=from_json(row.content),
        dispatched_at=dispatched_at,
        disposition=row.disposition,
    )


def _postpone(conn: Connection, tenant_id: str, later: Sequence[tuple[Queued, Later]]) -> None:
    moved = [(row.message_id, millis(put_off.at)) for row, put_off in later if put_off.at is not None]
    if moved:
        given = dialect.table_records(conn, messages, ("message_id", "due_at"), moved)
        conn.execute(
            update(messages)
            .where(messages.c.tenant_id == tenant_id, messages.c.message_id == given.c.message_id)
            .values(due_at=given.c.due_at)
        )


def _settle(conn: Connection, skip: Sequence[tuple[Queued, Skip]], book: DispositionBook, now: datetime) -> None:
    filed = [(row, book.file(stopped.disposition), stopped.detail) for row, stopped in skip]
    settle_queued(conn, [(row, rule.code, rule.category, detail) for row, rule, detail in filed], now)


def settle_queued(conn: Connection, stopped: Sequence[tuple[Queued, str, str, str]], now: datetime) -> None:
    """Settle locked, queued messages that will never be sent: (row, disposition, category, detail)."""
    if not stopped:
        return
    at = millis(now)
    names = ("message_id", "disposition", "category")
    given = dialect.table_records(conn, messages, names, [(row.message_id, d, c) for row, d, c, _ in stopped])
    conn.execute(
        update(messages)
        .where(messages.c.message_id == given.c.message_id)
        .values(
            status=MessageStatus.SETTLED,
            disposition=given.c.disposition,
            category=given.c.category,
            due_at=null(),
            settled_at=at,
        )
    )
    filed = [
        (row.tenant_id, row.run_id, row.enrollment_id, row.message_id, None, d, c, detail, at)
        for row, d, c, detail in stopped
    ]
    outcomes.file(conn, filed)
    news = [
        (row.tenant_id, row.enrollment_id, Settled(message=_key(row), disposition=d, category=c))
        for row, d, c, _ in stopped
    ]
    signals.post(conn, news, now)


def _key(row: Queued) -> MessageKey:
    return MessageKey(row.state, row.action, row.visit)
