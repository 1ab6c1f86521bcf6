"""The state of the floors: one row for each message, claimed and finished a batch at a time.

1. Two durable commits a batch: the claim marks the messages as dispatching before anything is sent, the outcome takes
   their references and makes the next messages due. SQLite is in WAL mode with `synchronous=FULL`, PostgreSQL as it
   comes.
2. Left out: contacts, gates, attempts, leases, events, a history, and whatever settles a claim nobody finished.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import psycopg
from jobs import MESSAGES, WAIT_SECONDS

BATCH = 1000
WAITING, DISPATCHING, ACCEPTED = range(3)

_TABLES = (
    "CREATE TABLE floor_people (label TEXT, name TEXT, phone TEXT, email TEXT)",
    """CREATE TABLE floor_messages (id {serial}, name TEXT, phone TEXT, email TEXT, step INTEGER, due_at BIGINT,
    status INTEGER, reference TEXT)""",
    f"CREATE INDEX ix_floor_due ON floor_messages (due_at) WHERE status = {WAITING}",
)
_OWE = "INSERT INTO floor_messages (name, phone, email, step, due_at, status)"
_LAUNCH = f"{_OWE} SELECT name, phone, email, 0, {{mark}}, {WAITING} FROM floor_people WHERE label = {{mark}}"
_DUE = f"""SELECT id FROM floor_messages WHERE status = {WAITING} AND due_at <= {{mark}}
    ORDER BY due_at LIMIT {BATCH}"""
_CLAIM = f"""UPDATE floor_messages SET status = {DISPATCHING} WHERE id {{among}}
    RETURNING id, name, phone, email, step"""
_COUNT = f"SELECT count(*) FROM floor_messages WHERE status = {ACCEPTED}"

_BY_INDEX = " ".join(f"-c enable_{way}=off" for way in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"))
"""Nobody has analyzed the table, and what the planner guesses reads all of it for each batch."""


class Message(NamedTuple):
    """What is to be sent."""

    id: int
    name: str
    phone: str
    email: str
    step: int


class FloorStore(Protocol):
    """The same on both databases. Moments are milliseconds since 1970."""

    def prepare(self, people: Iterable[tuple[str, str, str, str]]) -> None:
        """Make the tables and bring in the people: label, name, phone, address."""

    def launch(self, label: str) -> None:
        """The first message of each of these people is due now."""

    def claim(self) -> list[Message]:
        """Commit to sending what is due, at most a batch."""

    def finish(self, batch: Sequence[Message], references: Sequence[str]) -> None:
        """Commit what the provider answered; the next messages are due when the wait is over."""

    def accepted(self) -> int:
        """Messages with an outcome."""

    def close(self) -> None:
        """Release the connection."""


def open_store(url: str) -> FloorStore:
    """Of `sqlite:///FILE` or `postgresql://...`."""
    return _Sqlite(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else _Postgres(url)


class _Sqlite:
    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")

    def _commit(self, *statements: tuple[str, Sequence[Any]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for statement, rows in statements:
            self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")

    def prepare(self, people: Iterable[tuple[str, str, str, str]]) -> None:
        for table in _TABLES:
            self._connection.execute(table.format(serial="INTEGER PRIMARY KEY"))
        self._commit(("INSERT INTO floor_people VALUES (?, ?, ?, ?)", list(people)))

    def launch(self, label: str) -> None:
        self._commit((_LAUNCH.format(mark="?"), [(_now(), label)]))

    def claim(self) -> list[Message]:
        due = _DUE.format(mark="?")
        now = (_now(),)
        if self._connection.execute(f"SELECT EXISTS ({due})", now).fetchone() == (0,):
            return []  # whoever only looks takes no writer's lock
        self._connection.execute("BEGIN IMMEDIATE")
        rows = self._connection.execute(_CLAIM.format(among=f"IN ({due})"), now).fetchall()
        self._connection.execute("COMMIT")
        return [Message(*row) for row in rows]

    def finish(self, batch: Sequence[Message], references: Sequence[str]) -> None:
        outcome = f"UPDATE floor_messages SET status = {ACCEPTED}, reference = ? WHERE id = ?"
        outcomes = [(reference, one.id) for one, reference in zip(batch, references, strict=True)]
        due = _now() + WAIT_SECONDS * 1000
        following = [(*one[1:4], one.step + 1, due, WAITING) for one in batch if one.step + 1 < MESSAGES]
        self._commit((outcome, outcomes), (f"{_OWE} VALUES (?, ?, ?, ?, ?, ?)", following))

    def accepted(self) -> int:
        return int(self._connection.execute(_COUNT).fetchone()[0])

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, options=_BY_INDEX)

    def prepare(self, people: Iterable[tuple[str, str, str, str]]) -> None:
        cursor = self._connection.cursor()
        for table in _TABLES:
            cursor.execute(table.format(serial="BIGSERIAL PRIMARY KEY"))
        with cursor.copy("COPY floor_people FROM STDIN") as copy:
            for one in people:
                copy.write_row(one)
        self._connection.commit()

    def launch(self, label: str) -> None:
        self._connection.execute(_LAUNCH.format(mark="%s"), (_now(), label))
        self._connection.commit()

    def claim(self) -> list[Message]:
        among = f"= ANY (ARRAY({_DUE.format(mark='%s')} FOR UPDATE SKIP LOCKED))"
        rows = self._connection.execute(_CLAIM.format(among=among), (_now(),)).fetchall()
        self._connection.commit()
        return [Message(*row) for row in rows]

    def finish(self, batch: Sequence[Message], references: Sequence[str]) -> None:
        ids = [one.id for one in batch]
        outcome = f"""UPDATE floor_messages SET status = {ACCEPTED}, reference = given.reference
            FROM unnest(%s::bigint[], %s::text[]) AS given(id, reference) WHERE floor_messages.id = given.id"""
        self._connection.execute(outcome, (ids, list(references)))
        if following := [one.id for one in batch if one.step + 1 < MESSAGES]:
            owed = f"""{_OWE} SELECT name, phone, email, step + 1, %s, {WAITING} FROM floor_messages
                WHERE id = ANY (%s::bigint[])"""
            self._connection.execute(owed, (_now() + WAIT_SECONDS * 1000, following))
        self._connection.commit()

    def accepted(self) -> int:
        [count] = self._connection.execute(_COUNT).fetchone() or (0,)
        self._connection.commit()
        return int(count)

    def close(self) -> None:
        self._connection.close()


def _now() -> int:
    return time.time_ns() // 1_000_000
