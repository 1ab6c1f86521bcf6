"""Without intent: what the obvious system does. A message is taken by a lease, sent, and written down afterwards.

1. A claim moves the message's `due_at` to the end of the lease and counts the try; the message stays queued. Gates and
   rate are asked as ever.
2. The attempt is drawn in memory. It is written together with its result, so that a crash between the two leaves no
   trace: when the lease is over the message is claimed again, and the person gets it twice.
3. A callback that comes before the result finds no attempt, and waits in the inbox.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, true, update

from channels.messages import ChannelKind
from worker.domain.attempt import AttemptFacts, AttemptStatus, MessageStatus, Settlement
from worker.engine.gates import verdict
from worker.store import dialect, messages, pacing, runs, settlements, steps, straight
from worker.store.codec import millis
from worker.store.facade import Store, writes
from worker.store.gating import Gate, Rules, facts_of
from worker.store.pacing import Queued
from worker.store.rows import Claimed, Rate, Settled
from worker.store.stepping import Step
from worker.store.steps import Owed
from worker.store.straight import Taken
from worker.store.tables import attempts
from worker.store.tables import messages as messages_table


def claim_by_lease(
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
    """`messages.claim` with a lease in place of the intent."""
    if not runs.lock_running(conn, tenant_id, run_id):
        return Claimed()
    queued = messages._pick(conn, tenant_id, run_id, channel, limit=limit, now=now)
    taken = Taken()
    if step is not None and len(queued) < limit:
        taken = straight.take(conn, tenant_id, run_id, channel, limit=limit - len(queued), now=now, step=step)
    queued += taken.owed
    if not queued:
        return Claimed(stepped=taken.stepped, queued=taken.queued)
    go, skip, later = messages._judge(queued, facts_of(conn, tenant_id, channel, queued, rules), gate)

    def write(granted: Sequence[Queued]) -> list[AttemptFacts]:
        return _lease(conn, taken.owed, granted, now, now + lease)

    claimed, _, retry_at = pacing.paced(conn, tenant_id, f"{provider}/{channel}", go, rate=rate, write=write)
    messages._postpone(conn, tenant_id, later)
    messages._settle(conn, skip, rules.book, now)
    return Claimed(
        attempts=tuple(claimed),
        settled=len(skip),
        later=len(later),
        more=len(queued) == limit or retry_at is not None,
        retry_at=retry_at,
        stepped=taken.stepped,
        queued=taken.queued,
    )


def _lease(
    conn: Connection, owed: Sequence[Owed], granted: Sequence[Queued], now: datetime, until: datetime
) -> list[AttemptFacts]:
    goes = {row.message_id for row in granted}
    steps.owe(conn, [o._replace(due_at=millis(until), attempts=1) if o.message_id in goes else o for o in owed])
    if not granted:
        return []
    given = dialect.ids(conn, "message_id", [row.message_id for row in granted if not isinstance(row, Owed)])
    row = messages_table.c
    conn.execute(
        update(messages_table)
        .where(row.message_id == given.c.message_id)
        .values(due_at=millis(until), attempts=row.attempts + 1)
    )
    drawn = (messages._facts(row, dialect.new_id(conn), now) for row in granted)
    return [replace(facts, message_status=MessageStatus.QUEUED) for facts in drawn]


def settle_afterwards(
    conn: Connection,
    brought: Sequence[Settlement],
    now: datetime,
    providers: Mapping[ChannelKind, str],
    step: Step | None,
) -> Settled:
    """Write the attempts nobody has written yet, then settle as ever."""
    unwritten = [s.facts for s in brought if s.facts.status is AttemptStatus.DISPATCHING]
    if unwritten:
        rows = [_intent(facts, providers[facts.channel]) for facts in unwritten]
        given = dialect.records(conn, messages._INTENT, rows)
        names = [*messages._INTENT, "lease_until"]
        insert = dialect.upsert(conn, attempts).from_select(names, select(given, dialect.now_ms(conn)).where(true()))
        conn.execute(insert.on_conflict_do_nothing())
    return settlements.apply(conn, brought, now, step=step)


def _intent(facts: AttemptFacts, provider: str) -> tuple[Any, ...]:
    identity = (facts.attempt_id, facts.tenant_id, facts.run_id, facts.message_id, facts.channel)
    return (*identity, facts.status, provider, facts.number, millis(facts.dispatched_at))


class NoIntentStore(Store):
    """Commits nothing before the call but a lease."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._providers: dict[ChannelKind, str] = {}
        """Whom a process sends through; the claim is told, the result is not."""

    def claim_messages(
        self, tenant_id: str, run_id: str, channel: ChannelKind, *, provider: str, **options: Any
    ) -> Claimed:
        self._providers[channel] = provider
        return self._claim_by_lease(tenant_id, run_id, channel, provider=provider, **options)

    def settle(self, brought: Sequence[Settlement], now: datetime, *, step: Step | None = None) -> Settled:
        return self._settle_afterwards(brought, now, self._providers, step)

    _claim_by_lease = writes(claim_by_lease)
    _settle_afterwards = writes(settle_afterwards)
