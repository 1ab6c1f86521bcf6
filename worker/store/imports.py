"""How far the import of a file has come, so that one that was killed can go on.

1. The step forward is in the commit that keeps its rows: what it says is done is done, and nothing else is.
2. Each step names the row it goes on from. Of two imports of one file at once the slower is refused, so that no row
   is counted twice.
"""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from worker.store import dialect
from worker.store.codec import from_json, millis, to_json
from worker.store.errors import ImportOvertaken
from worker.store.queue_tables import imports
from worker.store.rows import ImportCounts, ImportStep


def come_to(conn: Connection, tenant_id: str, digest: str) -> tuple[int, ImportCounts]:
    """The last row that is committed of an import that has not ended, and what became of its contacts; else row 0."""
    query = select(imports.c.row, imports.c.counts).where(
        imports.c.tenant_id == tenant_id, imports.c.digest == digest, imports.c.finished_at.is_(None)
    )
    found = conn.execute(query).first()
    return (found.row, ImportCounts(**from_json(found.counts))) if found else (0, ImportCounts())


def go_on(conn: Connection, tenant_id: str, step: ImportStep, counts: ImportCounts, now: datetime) -> None:
    """Keep that this step is done; `counts` are those of its rows. Raises ImportOvertaken."""
    state = {"row": step.row, "counts": to_json(asdict(step.before + counts))}
    if step.after:
        change = update(imports).where(
            imports.c.tenant_id == tenant_id,
            imports.c.digest == step.digest,
            imports.c.row == step.after,
            imports.c.finished_at.is_(None),
        )
        done = conn.execute(change.values(state)).rowcount
    else:
        key = {"tenant_id": tenant_id, "digest": step.digest, "started_at": millis(now)}
        begin = dialect.upsert(conn, imports).values(key | state)
        again = {**state, "started_at": millis(now), "finished_at": None}
        begin = begin.on_conflict_do_update(
            index_elements=["tenant_id", "digest"], set_=again, where=imports.c.finished_at.is_not(None)
        )
        done = conn.execute(begin).rowcount
    if not done:
        raise ImportOvertaken


def finish(conn: Connection, tenant_id: str, digest: str, now: datetime) -> None:
    """The file is done; imported once more it is read from the start."""
    ended = func.coalesce(imports.c.finished_at, millis(now))
    this = (imports.c.tenant_id == tenant_id) & (imports.c.digest == digest)
    conn.execute(update(imports).where(this).values(finished_at=ended))
