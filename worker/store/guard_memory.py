"""What the guard remembers of each run: what was counted since its launch or its last resume, and where its tests are.

1. Whoever resumes a run wants it to go on: the guard begins anew. The transaction that resumes marks the run with the
   last outcome there is; neither what was filed before the mark nor what is remembered under another one counts.
2. A mark is the number of an outcome, not a moment: processes may read the clock differently.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select

from worker.store import dialect
from worker.store.codec import from_json, to_json
from worker.store.queue_tables import guard_states
from worker.store.tables import outcomes

_MARK: Final = "after"


def begun_anew(conn: Connection, guarding: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `guarding` of a run that is resumed now."""
    return {**guarding, _MARK: conn.execute(select(func.max(outcomes.c.outcome_id))).scalar() or 0}


def mark_of(guarding: Mapping[str, Any]) -> int | None:
    """The last outcome before a run was resumed; None if it never was."""
    mark = guarding.get(_MARK)
    return None if mark is None else int(mark)


def of_runs(
    conn: Connection, tenant_id: str, run_ids: Collection[str], marks: Mapping[str, int]
) -> dict[str, Mapping[str, Any]]:
    """What is remembered of these runs under their marks, by run."""
    row = guard_states.c
    query = select(row.run_id, row.state).where(row.tenant_id == tenant_id, row.run_id.in_(run_ids))
    states = {run_id: from_json(state) for run_id, state in conn.execute(query).all()}
    return {run_id: state["watch"] for run_id, state in states.items() if state.get(_MARK) == marks.get(run_id)}


def remember(conn: Connection, tenant_id: str, run_id: str, watch: Mapping[str, Any], mark: int | None) -> None:
    """Keep the state of a run, as of this mark."""
    state = to_json({"watch": watch} if mark is None else {"watch": watch, _MARK: mark})
    new = dialect.upsert(conn, guard_states).values(run_id=run_id, tenant_id=tenant_id, state=state)
    conn.execute(new.on_conflict_do_update(index_elements=["run_id"], set_={"state": new.excluded.state}))
