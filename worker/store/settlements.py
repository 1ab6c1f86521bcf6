"""Applies settlements: what a piece of news changes about an attempt, its message, its enrollment, in one transaction.

1. A settlement is applied only if the attempt and its message still are as its facts saw them; else it is `lost` and
   whoever brought it decides again. A lease that has run out does not matter: knowledge is never thrown away.
2. A second settlement of the same attempt in one batch is lost to the first.
3. What the database refuses (another attempt is live) does not spoil the rest of its batch.
4. Enrollments are told by a signal, or stepped at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Connection, Integer, Select, Text, Update, case, select, update
from sqlalchemy.exc import IntegrityError

from worker.domain.attempt import MessageStatus, Settlement
from worker.store import dialect, kept, outcomes, runs, signals, suppressions
from worker.store.attempts import finding_text
from worker.store.codec import millis, millis_or_none
from worker.store.rows import Settled, Suppression
from worker.store.stepping import Heard, Step, hear
from worker.store.tables import attempts, messages

_SEEN: Final[dialect.Columns] = {
    **{name: Text() for name in ("tenant_id", "attempt_id", "status", "message_status")},
    **{name: Integer() for name in ("rank", "lookups")},
}
_ATTEMPT: Final[dialect.Columns] = {
    **{name: Text() for name in ("attempt_id", "status", "provider_ref", "reason", "code", "answered_by")},
    **{name: Integer() for name in ("rank", "segments", "lookups")},
    "counted": Boolean(),
    "finding": Text(),
}
_MESSAGE: Final[dialect.Columns] = {
    **{name: Text() for name in ("message_id", "status", "disposition", "category")},
    **{name: BigInteger() for name in ("due_at", "settled_at", "counted")},
}


def apply(conn: Connection, settlements: Sequence[Settlement], now: datetime, *, step: Step | None = None) -> Settled:
    """Apply those that still hold; say which were applied, which lost a race, and which the database refused.

    `step`: takes the steps they lead to, in the same transaction. All are of one run then.
    """
    if step is not None and settlements:
        of = settlements[0].facts  # locked before its messages, as a claim does
        step = step if runs.lock_running(conn, of.tenant_id, of.run_id) else None
    return _apply_all(conn, settlements, now, step)


def _apply_all(conn: Connection, settlements: Sequence[Settlement], now: datetime, step: Step | None) -> Settled:
    try:
        with conn.begin_nested():
            return _apply(conn, settlements, now, step)
    except IntegrityError:
        if len(settlements) == 1:
            return _without_ref(conn, settlements[0], now)
    return sum((_apply_all(conn, [settlement], now, None) for settlement in settlements), Settled())


def _without_ref(conn: Connection, settlement: Settlement, now: datetime) -> Settled:
    """A provider that gives two messages one id loses the id, not the news."""
    try:
        with conn.begin_nested():
            return _apply(conn, [replace(settlement, provider_ref="")], now, None)
    except IntegrityError:
        return Settled(refused=(settlement.facts.attempt_id,))


def _apply(conn: Connection, settlements: Sequence[Settlement], now: datetime, step: Step | None) -> Settled:
    first: dict[str, Settlement] = {}
    for settlement in settlements:
        first.setdefault(settlement.facts.attempt_id, settlement)
    counted_before = _lock_unchanged(conn, list(first.values()))
    holding = [s for s in first.values() if s.facts.attempt_id in counted_before]
    heard = Heard()
    if holding:
        _update_attempts(conn, holding)
        _update_messages(conn, holding, counted_before, now)
        outcomes.file(conn, [outcomes.of_settlement(s, now) for s in holding if s.disposition])
        heard = _tell(conn, holding, now, step)
        _suppress(conn, holding, now)
    applied = {id(s) for s in holding}
    return Settled(
        applied=tuple(s.facts.attempt_id for s in holding),
        lost=tuple(s for s in settlements if id(s) not in applied),
        owed=heard.owed,
        put_by=heard.put_by,
    )


def _tell(conn: Connection, settlements: Sequence[Settlement], now: datetime, step: Step | None) -> Heard:
    news = [(s.facts.tenant_id, s.facts.enrollment_id, event) for s in settlements for event in s.signals]
    if step is None or not news:
        return Heard(put_by=signals.post(conn, news, now))
    return hear(conn, settlements[0].facts.tenant_id, news, step, now)


def _lock_unchanged(conn: Connection, settlements: Sequence[Settlement]) -> dict[str, bool]:
    """Lock the attempts that are as they were seen; whether each one counted already, by id."""
    rows = [
        (f.tenant_id, f.attempt_id, f.status, f.message_status, f.rank, f.lookups)
        for f in (s.facts for s in settlements)
    ]
    return {row.attempt_id: row.counted for row in conn.execute(_unchanged(conn), kept.rows(rows)).all()}


@kept.kept
def _unchanged(conn: Connection) -> Select[str, bool]:
    seen = dialect.records_of(conn, _SEEN, kept.BATCH).c
    return (
        select(attempts.c.attempt_id, attempts.c.counted)
        .join_from(attempts, messages, attempts.c.message_id == messages.c.message_id)
        .where(
            attempts.c.attempt_id == seen.attempt_id,
            attempts.c.tenant_id == seen.tenant_id,
            attempts.c.status == seen.status,
            attempts.c.rank == seen.rank,
            attempts.c.lookups == seen.lookups,
            messages.c.status == seen.message_status,
        )
        .order_by(attempts.c.attempt_id)
        .with_for_update(of=[attempts, messages])
    )


def _update_attempts(conn: Connection, settlements: Sequence[Settlement]) -> None:
    rows = [
        (
            *(s.facts.attempt_id, s.attempt_status, s.provider_ref, s.reason, s.code, s.answered_by),
            *(max(s.rank, s.facts.rank), s.segments, s.lookups, s.counts, finding_text(s.finding)),
        )
        for s in settlements
    ]
    conn.execute(_attempts_as_settled(conn), kept.rows(rows))


@kept.kept
def _attempts_as_settled(conn: Connection) -> Update:
    new, old = dialect.records_of(conn, _ATTEMPT, kept.BATCH).c, attempts.c
    return (
        update(attempts)
        .where(old.attempt_id == new.attempt_id)
        .values(
            status=new.status,
            rank=new.rank,
            counted=new.counted,
            lookups=new.lookups,
            lease_until=None,
            provider_ref=case((new.provider_ref != "", new.provider_ref), else_=old.provider_ref),
            reason=case((new.reason != "none", new.reason), else_=old.reason),
            answered_by=case((new.answered_by != "", new.answered_by), else_=old.answered_by),
            code=case((new.code != "", new.code), else_=old.code),
            segments=case((new.segments > 0, new.segments), else_=old.segments),
            finding=case((new.finding != "", new.finding), else_=old.finding),
        )
    )


def _update_messages(
    conn: Connection, settlements: Sequence[Settlement], counted_before: dict[str, bool], now: datetime
) -> None:
    at = millis(now)
    rows = [_message_row(s, counted_before[s.facts.attempt_id], at) for s in settlements]
    conn.execute(_messages_as_settled(conn), kept.rows(rows))


@kept.kept
def _messages_as_settled(conn: Connection) -> Update:
    new, old = dialect.records_of(conn, _MESSAGE, kept.BATCH).c, messages.c
    return (
        update(messages)
        .where(old.message_id == new.message_id)
        .values(
            status=new.status,
            due_at=new.due_at,
            settled_at=case((old.settled_at.is_(None), new.settled_at), else_=old.settled_at),
            counted=old.counted + new.counted,
            disposition=case((new.disposition != "", new.disposition), else_=old.disposition),
            category=case((new.disposition != "", new.category), else_=old.category),
        )
    )


def _message_row(settlement: Settlement, counted_before: bool, at: int) -> tuple[Any, ...]:  # noqa: FBT001 - a column
    settled = settlement.message_status is MessageStatus.SETTLED
    return (
        *(settlement.facts.message_id, settlement.message_status, settlement.disposition, settlement.category),
        *(millis_or_none(settlement.due_at), at if settled else None, settlement.counts - counted_before),
    )


def _suppress(conn: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    by_tenant: dict[str, list[Suppression]] = {}
    for settlement in settlements:
        for entry in settlement.suppress:
            by_tenant.setdefault(settlement.facts.tenant_id, []).append(
                Suppression(channel=entry.channel, address=entry.address, reason=entry.reason)
            )
    for tenant_id, entries in sorted(by_tenant.items()):
        suppressions.add(conn, tenant_id, entries, now)
