"""What is still known of a run whose rows are in files: what it came to, and what its people say later.

1. Its counts are those it had when it was sealed; it was over by then.
2. News of its messages changes nothing any more, from the moment its archive is begun. An opt-out takes effect all the
   same: the address is never written to again.
3. Who was in it is not known. A launch that would leave its people out is refused, not started without that.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Text, bindparam, select

from worker.domain.attempt import Settlement
from worker.store import settlements, suppressions
from worker.store.codec import from_json
from worker.store.errors import PeopleArchived
from worker.store.kept import kept
from worker.store.rows import RunReport, Settled, Suppression
from worker.store.stepping import Step
from worker.store.tables import runs

_COUNTS = ("messages", "attempts", "outcomes")
"""Those whose keys are tuples."""


def settle(conn: Connection, news: Sequence[Settlement], now: datetime, *, step: Step | None = None) -> Settled:
    """As `settlements.apply`, but for runs that are archived or being archived: of those only suppressions are kept.

    With a step it is of a run that is under way. Without one the runs are held as they are until this is committed.
    """
    archived = _archived(conn, news) if news and step is None else frozenset()
    if not archived:
        return settlements.apply(conn, news, now, step=step)
    for one in news:
        if _run_of(one) in archived:
            entries = [Suppression(channel=s.channel, address=s.address, reason=s.reason) for s in one.suppress]
            suppressions.add(conn, one.facts.tenant_id, entries, now)
    return settlements.apply(conn, [one for one in news if _run_of(one) not in archived], now)


def _run_of(news: Settlement) -> tuple[str, str]:
    return news.facts.tenant_id, news.facts.run_id


def _archived(conn: Connection, news: Sequence[Settlement]) -> frozenset[tuple[str, str]]:
    given = {"of_runs": sorted({one.facts.run_id for one in news})}
    return frozenset(
        (run.tenant_id, run.run_id) for run in conn.execute(_held(conn), given).all() if run.archive != "{}"
    )


@kept
def _held(_: Connection) -> Select[str, str, str]:
    query = select(runs.c.tenant_id, runs.c.run_id, runs.c.archive).where(
        runs.c.run_id.in_(bindparam("of_runs", type_=Text, expanding=True))
    )
    return query.order_by(runs.c.run_id).with_for_update(read=True, key_share=True)


def require_people(conn: Connection, tenant_id: str, run_ids: Sequence[str]) -> None:
    """Hold these runs as they are until this is committed; raise PeopleArchived for one whose people are not known."""
    if run_ids:
        for run in conn.execute(_held(conn), {"of_runs": sorted(run_ids)}).all():
            if run.tenant_id == tenant_id and run.archive != "{}":
                raise PeopleArchived(run.run_id)


def report(archive: str) -> RunReport:
    """What a sealed run came to. `archive`: as its row has it."""
    counts = from_json(archive)["counts"]
    by_key = {name: {tuple(key): n for *key, n in counts[name]} for name in _COUNTS}
    return RunReport(**counts | by_key)


def report_as_json(counts: RunReport) -> Mapping[str, Any]:
    """The inverse, as JSON has it."""
    return {
        "audience": counts.audience,
        "enrollments": counts.enrollments,
        "dispositions": counts.dispositions,
        **{name: [[*key, n] for key, n in sorted(getattr(counts, name).items())] for name in _COUNTS},
    }
