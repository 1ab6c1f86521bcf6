"""What the rows of the database must keep to, whatever happens: looked at after every commit.

1. Nothing falls back: the epoch and final state of an enrollment, a settled message, an attempt's status and rank.
2. Nobody is forgotten: everybody is due, waits for a message that is under way, or is final; every open message is due,
   or in the hands of a worker with a lease.
3. Every moment is one of this world's clock. The machine's own is years away.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.world import START, World
from worker.domain.attempt import LIVE, AttemptStatus, MessageStatus
from worker.domain.enrollment import FINAL

Row = Mapping[str, Any]

_FORWARD: Final[Mapping[str, frozenset[str]]] = {
    "dispatching": frozenset({"unknown", "accepted", "refused", "not_sent", "closed"}),
    "unknown": frozenset({"accepted", "refused", "not_sent", "closed"}),
    "accepted": frozenset({"closed"}),
    "not_sent": frozenset({"accepted", "closed"}),  # proof of the contrary
    "refused": frozenset(),
    "closed": frozenset(),
}
"""What may become of an attempt."""
_LIVE_AS: Final = {
    MessageStatus.DISPATCHING: [AttemptStatus.DISPATCHING],
    MessageStatus.UNKNOWN: [AttemptStatus.UNKNOWN],
    MessageStatus.HELD: [AttemptStatus.UNKNOWN],
    MessageStatus.ACCEPTED: [AttemptStatus.ACCEPTED],
    MessageStatus.QUEUED: [],
}
"""The live attempts of an open message, by its status."""
_DAY_MS: Final = 86_400_000
_EARLIEST: Final = int(START.timestamp() * 1000) - _DAY_MS
_FARTHEST_AHEAD: Final = 40 * _DAY_MS
_COLUMNS: Final = {
    "enrollments": (
        *("enrollment_id", "run_id", "status", "due_at", "epoch", "lease_until", "finished_at", "opted_out", "reason"),
    ),
    "messages": (
        *("message_id", "enrollment_id", "state", "action", "visit", "status", "due_at", "address", "channel"),
        *("disposition", "settled_at"),
    ),
    "attempts": (
        *("attempt_id", "message_id", "status", "rank", "lookups", "lease_until", "dispatched_at", "provider_ref"),
    ),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database holds, by id."""

    enrollments: Mapping[str, Row] = field(default_factory=dict)
    messages: Mapping[str, Row] = field(default_factory=dict)
    attempts: Mapping[str, Row] = field(default_factory=dict)


class RowWatcher:
    """Compares what is there with what was there before."""

    def __init__(self, world: World, database: sqlite3.Connection, *, blind: bool) -> None:
        self.rows = Rows()
        self._world, self._db, self._blind = world, database, blind

    def read(self) -> Rows:
        """What is there now."""
        return Rows(**{table: self._by_id(table, columns) for table, columns in _COLUMNS.items()})

    def look(self) -> None:
        """After a commit."""
        before, self.rows = self.rows, self.read()
        for name, row in self.rows.enrollments.items():
            self._enrollment(name, row, before.enrollments.get(name, row))
        for name, row in self.rows.messages.items():
            self._message(name, row, before.messages.get(name, row))
        for name, row in self.rows.attempts.items():
            self._attempt(name, row, before.attempts.get(name, row))
        for old, new in zip(_tables(before), _tables(self.rows), strict=True):
            if lost := old.keys() - new.keys():
                self._fail(f"{min(lost)} is gone from the database")
        self._nobody_is_forgotten()

    def _by_id(self, table: str, columns: tuple[str, ...]) -> dict[str, Row]:
        found = self._db.execute(f"SELECT {', '.join(columns)} FROM {table}")
        return {row[0]: dict(zip(columns, row, strict=True)) for row in found}

    def _enrollment(self, name: str, row: Row, before: Row) -> None:
        self._in_time(name, row["due_at"], row["lease_until"], row["finished_at"])
        if (row["finished_at"] is not None) != (row["status"] in FINAL):
            self._fail(f"enrollment {name} is {row['status']} and ended at {row['finished_at']}")
        if row["epoch"] < before["epoch"]:
            self._fail(f"the epoch of enrollment {name} fell")
        if before["finished_at"] is not None and row["status"] != before["status"]:
            self._fail(f"enrollment {name} was {before['status']} for good and is now {row['status']}")
        if before["opted_out"] and not row["opted_out"]:
            self._fail(f"enrollment {name} has forgotten that its person said stop")

    def _message(self, name: str, row: Row, before: Row) -> None:
        self._in_time(name, row["due_at"], row["settled_at"])
        if before["status"] == MessageStatus.SETTLED != row["status"]:
            self._fail(f"message {name} was settled and is now {row['status']}")
        if row["due_at"] is None and row["status"] not in (MessageStatus.SETTLED, MessageStatus.DISPATCHING):
            self._fail(f"message {name} is {row['status']} and never due")

    def _attempt(self, name: str, row: Row, before: Row) -> None:
        self._in_time(name, row["lease_until"], row["dispatched_at"])
        if row["status"] == AttemptStatus.DISPATCHING and row["lease_until"] is None:
            self._fail(f"attempt {name} is dispatching without a lease: nobody will look into it")
        if row["status"] != before["status"] and row["status"] not in _FORWARD[before["status"]]:
            self._fail(f"attempt {name} went back from {before['status']} to {row['status']}")
        if row["rank"] < before["rank"] or row["lookups"] < before["lookups"]:
            self._fail(f"less is known of attempt {name} than before")

    def _nobody_is_forgotten(self) -> None:
        live, waited_for = defaultdict(list), set()
        for attempt in self.rows.attempts.values():
            if attempt["status"] in LIVE:
                live[attempt["message_id"]].append(attempt["status"])
        for name, message in self.rows.messages.items():
            status = message["status"]
            if status == MessageStatus.SETTLED:
                continue
            waited_for.add(message["enrollment_id"])
            if live[name] != _LIVE_AS[status]:
                self._fail(f"message {name} is {status}, and its live attempts are {live[name]}")
        for name, row in self.rows.enrollments.items():
            if row["finished_at"] is None and row["due_at"] is None and name not in waited_for:
                self._fail(f"enrollment {name} is {row['status']}, never due, and waits for no message")

    def _in_time(self, name: str, *moments: int | None) -> None:
        latest = _EARLIEST + self._world.now // 1000 + _FARTHEST_AHEAD
        for moment in moments:
            if moment is not None and not _EARLIEST <= moment <= latest:
                self._fail(f"{name} has the moment {moment}: no clock of this world shows it")

    def _fail(self, what: str) -> None:
        if not self._blind:
            self._world.fail(what)


def _tables(rows: Rows) -> tuple[Mapping[str, Row], ...]:
    return rows.enrollments, rows.messages, rows.attempts
