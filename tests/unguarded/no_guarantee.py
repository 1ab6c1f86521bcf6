"""Without intent and without fencing, and as lean as that can be: what the guarantee's price is measured against.

1. A result is inserted with its attempt in one statement; nothing is looked up, locked or inserted first.
2. Everything else is the product's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, true

from channels.messages import ChannelKind
from tests.unguarded.no_fencing import NoFencingStore, counted_before, write_consequences
from tests.unguarded.no_intent import NoIntentStore
from worker.domain.attempt import AttemptStatus, Settlement
from worker.store import dialect, settlements
from worker.store.codec import millis
from worker.store.facade import writes
from worker.store.rows import Settled
from worker.store.stepping import Step
from worker.store.tables import attempts

_RESULT = (
    *("attempt_id", "tenant_id", "run_id", "message_id", "channel", "provider", "number", "dispatched_at"),
    *("status", "provider_ref", "reason", "code", "answered_by", "rank", "segments", "lookups", "counted"),
)


def settle_unguarded(
    conn: Connection,
    brought: Sequence[Settlement],
    now: datetime,
    providers: Mapping[ChannelKind, str],
    step: Step | None,
) -> Settled:
    """Insert results with their attempts, and write other news over what is there."""
    results = [s for s in brought if s.facts.status is AttemptStatus.DISPATCHING]
    news = [s for s in brought if s.facts.status is not AttemptStatus.DISPATCHING]
    counted = dict.fromkeys((s.facts.attempt_id for s in results), False)
    if results:
        rows = [_result(s, providers[s.facts.channel]) for s in results]
        given = dialect.table_records(conn, attempts, _RESULT, rows)
        insert = dialect.upsert(conn, attempts).from_select(_RESULT, select(given).where(true()))
        conn.execute(insert.on_conflict_do_nothing())
    if news:
        counted |= counted_before(conn, news)
        news = [s for s in news if s.facts.attempt_id in counted]
    if news:
        settlements._update_attempts(conn, news)
    written = [*results, *news]
    return write_consequences(conn, written, counted, now, step) if written else Settled()


def _result(s: Settlement, provider: str) -> tuple[Any, ...]:
    facts = s.facts
    return (
        *(facts.attempt_id, facts.tenant_id, facts.run_id, facts.message_id, facts.channel, provider, facts.number),
        *(millis(facts.dispatched_at), s.attempt_status, s.provider_ref, s.reason, s.code, s.answered_by),
        *(max(s.rank, facts.rank), s.segments, s.lookups, s.counts),
    )


class NoGuaranteeStore(NoFencingStore, NoIntentStore):
    """Leases before, results after, and whoever comes last is right."""

    def settle(self, brought: Sequence[Settlement], now: datetime, *, step: Step | None = None) -> Settled:
        return self._settle_unguarded(brought, now, self._providers, step)

    _settle_unguarded = writes(settle_unguarded)
