"""What is still to be done, read from the database beside the product: when to tick next, and when a run is over.

Should the product's own `due_work` overlook what is due here, the ticks come to nothing and the run hangs; it is said.
"""

import sqlite3
from typing import Final

from tests.simulation.world import NEVER, START

_START_MS: Final = int(START.timestamp() * 1000)
_NEXT_DUE: Final = """
SELECT min(at) FROM (
  SELECT max(e.due_at, coalesce(e.lease_until, 0)) AS at FROM enrollments e JOIN runs r ON r.run_id = e.run_id
    WHERE e.finished_at IS NULL AND e.due_at IS NOT NULL AND r.status = 'running'
  UNION ALL SELECT m.due_at FROM messages m JOIN runs r ON r.run_id = m.run_id
    WHERE m.status = 'queued' AND r.status = 'running'
  UNION ALL SELECT due_at FROM messages WHERE status IN ('unknown', 'accepted', 'held')
  UNION ALL SELECT lease_until FROM attempts WHERE status = 'dispatching'
  UNION ALL SELECT next_at FROM runs WHERE status = 'scheduled'
  UNION ALL SELECT due_at FROM inbox WHERE processed_at IS NULL
  UNION ALL SELECT 0 FROM runs r WHERE r.finished_at IS NULL AND (
    r.status = 'running' AND (r.enrolled = 0 OR NOT EXISTS (
        SELECT 1 FROM enrollments e WHERE e.run_id = r.run_id AND e.finished_at IS NULL
        UNION ALL SELECT 1 FROM messages m WHERE m.run_id = r.run_id AND m.status <> 'settled'))
    OR r.status = 'cancelled' AND (
        EXISTS (SELECT 1 FROM enrollments e WHERE e.run_id = r.run_id AND e.finished_at IS NULL)
        OR EXISTS (SELECT 1 FROM messages m WHERE m.run_id = r.run_id AND m.status = 'queued')
        OR NOT EXISTS (SELECT 1 FROM messages m WHERE m.run_id = r.run_id AND m.status <> 'settled')))
)
"""

_NEWS_TO_APPLY: Final = """
SELECT 1 FROM inbox i WHERE i.processed_at IS NULL AND EXISTS (
  SELECT 1 FROM attempts a
  WHERE a.attempt_id = i.payload ->> 'attempt_id' OR a.provider_ref = i.payload ->> 'provider_ref'
)
"""
"""News of an attempt that is known. The other news is given up after a day; nobody waits for that here."""


def next_due(database: sqlite3.Connection) -> int:
    """When a tick can find something."""
    (millis,) = database.execute(_NEXT_DUE).fetchone()
    return NEVER if millis is None else max(0, (millis - _START_MS) * 1000)


def run_ids(database: sqlite3.Connection) -> list[str]:
    """All there are, in the order of their launch."""
    return [run_id for (run_id,) in database.execute("SELECT run_id FROM runs ORDER BY created_at, run_id")]


def unfinished(database: sqlite3.Connection) -> bool:
    """Whether a run goes on, or none has begun, or there is news to apply."""
    count, ended = database.execute("SELECT count(*), count(finished_at) FROM runs").fetchone()
    return count == 0 or count > ended or database.execute(_NEWS_TO_APPLY).fetchone() is not None


def held(database: sqlite3.Connection) -> bool:
    """Whether a message waits for a person."""
    return database.execute("SELECT 1 FROM messages WHERE status = 'held'").fetchone() is not None
