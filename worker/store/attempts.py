"""Attempts as decisions see them: their facts, and the lists of those that somebody must look into.

Always those of one tenant: the process that asks has the credentials of one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, bindparam, case, func, select

from channels.messages import ChannelKind
from channels.results import AnsweredBy, Reason
from worker.domain.attempt import (
    WORKER_DIED,
    AttemptFacts,
    AttemptStatus,
    Finding,
    HeldAttempt,
    MessageStatus,
    Shown,
)
from worker.domain.enrollment import MessageKey
from worker.store import dialect, kept
from worker.store.codec import from_json, millis, moment, moment_or_none, to_json
from worker.store.dialect import fixed, fixed_list
from worker.store.tables import UNRESOLVED, WATCHED, attempts, messages, runs


def facts(conn: Connection, attempt_ids: Sequence[str], tenant_id: str) -> list[AttemptFacts]:
    """The facts of these attempts; ids nobody knows are left out. An attempt id is a secret of its own tenant."""
    if not attempt_ids:
        return []
    given = kept.rows([(attempt_id,) for attempt_id in attempt_ids]) | {"of_tenant": tenant_id}
    return [_attempt_facts(row) for row in conn.execute(_by_id(conn), given).all()]


def facts_by_ref(conn: Connection, provider_refs: Sequence[str], provider: str, tenant_id: str) -> list[AttemptFacts]:
    """The same, found by the ids this provider gave."""
    wanted = [(ref,) for ref in provider_refs if ref]
    if not wanted:
        return []
    given = kept.rows(wanted) | {"of_tenant": tenant_id, "of_provider": provider}
    return [_attempt_facts(row) for row in conn.execute(_by_ref(conn), given).all()]


@kept.kept
def _by_id(conn: Connection) -> Select[Any]:
    given = dialect.records_of(conn, {"attempt_id": Text()}, kept.BATCH)
    query = _facts().join(given, attempts.c.attempt_id == given.c.attempt_id)
    return query.where(messages.c.tenant_id == bindparam("of_tenant", type_=Text))


@kept.kept
def _by_ref(conn: Connection) -> Select[Any]:
    given = dialect.records_of(conn, {"ref": Text()}, kept.BATCH)
    return _facts().where(
        attempts.c.provider == bindparam("of_provider", type_=Text),
        attempts.c.provider_ref.in_(select(given.c.ref)),
        attempts.c.provider_ref != fixed(""),  # the words of the index
        messages.c.tenant_id == bindparam("of_tenant", type_=Text),
    )


def in_doubt(conn: Connection, tenant_id: str, addresses: Sequence[str]) -> list[AttemptFacts]:
    """The attempts to reach one of these addresses that may or may not have left."""
    given = dialect.ids(conn, "address", set(addresses))
    query = _facts().where(
        attempts.c.status.in_(fixed_list(UNRESOLVED)),  # the words of the index
        messages.c.address.in_(select(given.c.address)),
    )
    return _all(conn, query, tenant_id)


def stale_dispatching(conn: Connection, tenant_id: str, limit: int) -> list[AttemptFacts]:
    """Attempts whose worker must be dead: committed as dispatching, and the lease is over. They may have left."""
    query = _facts().where(
        attempts.c.status == fixed(AttemptStatus.DISPATCHING),
        attempts.c.status.in_(fixed_list(UNRESOLVED)),  # the words of the index
        attempts.c.lease_until <= dialect.now_ms(conn),
    )
    return _all(conn, query.order_by(attempts.c.lease_until).limit(limit), tenant_id)


def due_unknown(conn: Connection, tenant_id: str, now: datetime, limit: int) -> list[AttemptFacts]:
    """Attempts of unknown fate that it is time to ask the provider about; held ones are asked about now and then."""
    doubtful = (MessageStatus.UNKNOWN, MessageStatus.HELD)
    return _all(conn, _watched(doubtful, AttemptStatus.UNKNOWN, now, limit), tenant_id)


def silent_accepted(conn: Connection, tenant_id: str, now: datetime, limit: int) -> list[AttemptFacts]:
    """Attempts the provider has, whose final receipt should have come by now."""
    return _all(conn, _watched((MessageStatus.ACCEPTED,), AttemptStatus.ACCEPTED, now, limit), tenant_id)


def held(conn: Connection, tenant_id: str, run_id: str = "") -> list[HeldAttempt]:
    """All attempts of a run, or of every run, that wait for a person; the longest waiting first."""
    message, attempt = messages.c, attempts.c
    query: Select[Any] = (
        select(
            *(attempt.attempt_id, attempt.run_id, runs.c.campaign_id, message.contact_id, attempt.channel),
            *(message.state, message.action, message.visit, message.address, attempt.provider),
            *(
                attempt.number,
                attempt.dispatched_at,
                attempt.reason,
                attempt.code,
                attempt.rank,
                attempt.finding,
                message.due_at,
            ),
        )
        .join_from(messages, attempts, message.message_id == attempt.message_id)
        .join(runs, runs.c.run_id == message.run_id)
        .where(
            message.tenant_id == tenant_id,
            message.status == fixed(MessageStatus.HELD),
            message.status.in_(fixed_list(WATCHED)),  # the words of the index
            attempt.status == fixed(AttemptStatus.UNKNOWN),
        )
        .order_by(attempt.dispatched_at, attempt.attempt_id)
    )
    if run_id:
        query = query.where(message.run_id == run_id)
    return [_held_attempt(row) for row in conn.execute(query).all()]


def _held_attempt(row: Row[Any]) -> HeldAttempt:
    return HeldAttempt(
        attempt_id=row.attempt_id,
        run_id=row.run_id,
        campaign_id=row.campaign_id,
        contact_id=row.contact_id,
        key=MessageKey(row.state, row.action, row.visit),
        channel=ChannelKind(row.channel),
        to=row.address,
        provider=row.provider,
        number=row.number,
        dispatched_at=moment(row.dispatched_at),
        reason=Reason(row.reason or Reason.NONE),
        code=row.code,
        rank=row.rank,
        finding=_finding(row.finding),
        next_look=moment_or_none(row.due_at),
    )


def finding_text(finding: Finding | None) -> str:
    """How a finding is stored; empty for none."""
    if finding is None:
        return ""
    return to_json([finding.shown, finding.asked, millis(finding.at), finding.refs])


def _finding(text: str) -> Finding | None:
    """The inverse of `finding_text`."""
    if not text:
        return None
    shown, asked, at, refs = from_json(text)
    return Finding(shown=Shown(shown), asked=asked, at=moment(at), refs=tuple(refs))


def _watched(message: Sequence[MessageStatus], attempt: AttemptStatus, now: datetime, limit: int) -> Select[Any]:
    return (
        _facts()
        .where(
            messages.c.status.in_(fixed_list(message)),
            messages.c.status.in_(fixed_list(WATCHED)),  # the words of the index
            messages.c.due_at <= millis(now),
            attempts.c.status == fixed(attempt),
        )
        .order_by(messages.c.due_at)
        .limit(limit)
    )


def _facts() -> Select[Any]:
    message, attempt = messages.c, attempts.c
    return select(
        *(message.tenant_id, message.run_id, message.enrollment_id, message.message_id, message.channel),
        *(message.state, message.action, message.visit, message.address, message.sender, message.content),
        *(message.disposition, message.status.label("message_status"), _counted_before().label("counted")),
        *(counted_elsewhere().label("counted_elsewhere"), _deaths().label("deaths")),
        *(attempt.attempt_id, attempt.status, attempt.number, attempt.rank, attempt.lookups),
        *(attempt.dispatched_at, attempt.provider_ref, attempt.answered_by, attempt.finding),
    ).join_from(messages, attempts, message.message_id == attempt.message_id)


def _counted_before() -> ColumnElement[int]:
    """The attempts of the message that count, this one left out."""
    return messages.c.counted - case((attempts.c.counted, 1), else_=0)


def counted_elsewhere() -> ColumnElement[int]:
    """The attempts that count at the enrollment's other messages on the same channel."""
    other = messages.alias("other")
    return (
        select(func.coalesce(func.sum(other.c.counted), 0))
        .where(
            other.c.enrollment_id == messages.c.enrollment_id,
            other.c.channel == messages.c.channel,
            other.c.message_id != messages.c.message_id,
        )
        .correlate(messages)
        .scalar_subquery()
    )


def _deaths() -> ColumnElement[int]:
    """How many attempts at the message were cut short by the death of their worker; only asked where this one was."""
    other = attempts.alias("other_attempt")
    same = (other.c.message_id == attempts.c.message_id) & (other.c.code == WORKER_DIED)
    counted = select(func.count()).select_from(other).where(same).correlate(attempts).scalar_subquery()
    return case((attempts.c.code == WORKER_DIED, counted), else_=0)


def _all(conn: Connection, query: Select[Any], tenant_id: str) -> list[AttemptFacts]:
    return [_attempt_facts(row) for row in conn.execute(query.where(messages.c.tenant_id == tenant_id)).all()]


def _attempt_facts(row: Row[Any]) -> AttemptFacts:
    return AttemptFacts(
        tenant_id=row.tenant_id,
        run_id=row.run_id,
        enrollment_id=row.enrollment_id,
        message_id=row.message_id,
        key=MessageKey(row.state, row.action, row.visit),
        attempt_id=row.attempt_id,
        channel=ChannelKind(row.channel),
        status=AttemptStatus(row.status),
        message_status=MessageStatus(row.message_status),
        number=row.number,
        counted=row.counted,
        counted_elsewhere=row.counted_elsewhere,
        rank=row.rank,
        to=row.address,
        sender=row.sender,
        content=from_json(row.content),
        dispatched_at=moment(row.dispatched_at),
        provider_ref=row.provider_ref,
        lookups=row.lookups,
        answered_by=AnsweredBy(row.answered_by),
        disposition=row.disposition,
        finding=_finding(row.finding),
        deaths=row.deaths,
    )
