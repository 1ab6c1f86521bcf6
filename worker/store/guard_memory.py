"""What the guard remembers of each run: what was counted since its launch or its last resume, and where its tests are.

Whoever resumes a run wants it to go on: the guard begins anew with it, in the same transaction.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select

from worker.store import dialect
from worker.store.codec import from_json, to_json
from worker.store.queue_tables import guard_states


def of_runs(conn: Connection, tenant_id: str, run_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The states of these runs, by run."""
    row = guard_states.c
    query = select(row.run_id, row.state).where(row.tenant_id == tenant_id, row.run_id.in_(run_ids))
    return {run_id: from_json(state) for run_id, state in conn.execute(query).all()}


def remember(conn: Connection, tenant_id: str, run_id: str, state: Mapping[str, Any]) -> None:
    """Keep the state of a run."""
    new = dialect.upsert(conn, guard_states).values(run_id=run_id, tenant_id=tenant_id, state=to_json(state))
    conn.execute(new.on_conflict_do_update(index_elements=["run_id"], set_={"state": new.excluded.state}))


def forget(conn: Connection, tenant_id: str, run_ids: Collection[str]) -> None:
    """Begin anew with these runs."""
    if run_ids:
        conn.execute(
            delete(guard_states).where(guard_states.c.tenant_id == tenant_id, guard_states.c.run_id.in_(run_ids))
        )
