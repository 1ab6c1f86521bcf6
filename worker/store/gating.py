"""What the gates are told about messages that are about to be claimed: read in the same transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, or_, select

from channels.messages import ChannelKind
from worker.domain.dispositions import DispositionBook
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.run import RunStatus
from worker.engine.gates import GateFacts, Verdict
from worker.store import dialect, suppressions
from worker.store.codec import from_json
from worker.store.document_tables import contacts
from worker.store.steps import Owed
from worker.store.tables import enrollments

Gate = Callable[[GateFacts], Verdict]


class Rules(Protocol):
    """What of a run's definition a claim goes by: the channels that are on, and how outcomes are filed."""

    @property
    def channels(self) -> frozenset[ChannelKind]: ...

    @property
    def book(self) -> DispositionBook: ...


def facts_of(
    conn: Connection, tenant_id: str, channel: ChannelKind, queued: Sequence[Any], rules: Rules
) -> list[GateFacts]:
    """The facts for each of these messages of a running run, in order. Whoever was erased counts as blocked.

    Of what a step owes, the step has just read whom it is for: its enrollment is locked.
    """
    suppressed = suppressions.reasons(conn, tenant_id, channel, {row.address for row in queued if row.address})
    written = [row for row in queued if not isinstance(row, Owed)]
    reachable = _reachable(conn, tenant_id, [row.contact_id for row in written])
    stopped = _stopped(conn, tenant_id, [row.enrollment_id for row in written])
    return [
        GateFacts(
            run_status=RunStatus.RUNNING,
            channel=channel,
            channel_enabled=channel in rules.channels,
            to=row.address,
            sender=row.sender,
            content=from_json(row.content),
            blocked=row.blocked if isinstance(row, Owed) else row.contact_id not in reachable,
            suppressed=suppressions.normal(row.address) in suppressed,
            opted_out=row.opted_out if isinstance(row, Owed) else stopped.get(row.enrollment_id, False),
            taken_out=row.enrollment_id in stopped,
        )
        for row in queued
    ]


def _reachable(conn: Connection, tenant_id: str, contact_ids: Sequence[str]) -> set[str]:
    """Those of them who exist and are not blocked."""
    if not contact_ids:
        return set()
    given = dialect.ids(conn, "contact_id", dict.fromkeys(contact_ids))
    query = select(contacts.c.contact_id).where(
        contacts.c.tenant_id == tenant_id,
        contacts.c.contact_id.in_(select(given.c.contact_id)),
        contacts.c.blocked.is_(False),
    )
    return set(conn.execute(query).scalars().all())


def _stopped(conn: Connection, tenant_id: str, enrollment_ids: Sequence[str]) -> dict[str, bool]:
    """Those of them who get nothing more: True for who said stop, False for who was taken out of the run."""
    if not enrollment_ids:
        return {}
    given = dialect.ids(conn, "enrollment_id", dict.fromkeys(enrollment_ids))
    query = select(enrollments.c.enrollment_id, enrollments.c.opted_out).where(
        enrollments.c.tenant_id == tenant_id,
        enrollments.c.enrollment_id.in_(select(given.c.enrollment_id)),
        or_(enrollments.c.opted_out, enrollments.c.status == EnrollmentStatus.CANCELLED),
    )
    return {row.enrollment_id: row.opted_out for row in conn.execute(query).all()}
