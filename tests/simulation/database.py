"""The one real database of a run: SQLite in memory, on the world's clock, with ids that are counted.

Migrating and importing are done once per kind of store, workflow and size, and kept as an image; a run starts on a copy
of it. The engine is kept too: it remembers its compiled statements.
"""

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from tests.engine.builders import CAMPAIGN
from tests.simulation.plans import PLANS
from tests.simulation.world import START
from worker.store.document_rows import Document, DocumentType
from worker.store.facade import Store
from worker.store.rows import ContactRow

TENANT: Final = "default"
CAMPAIGN_ID: Final = str(CAMPAIGN["campaignId"])
UNGUARDED: Final = {**CAMPAIGN, "guard": "off"}
"""Most of what happens here is trouble: the guard would stop every run before there is anything to see."""
LIST_ID: Final = "lst_1"
_START_NS: Final = int(START.timestamp()) * 1_000_000_000


def phone(number: int) -> str:
    """The number of the n-th person."""
    return f"+1202557{number:04}"


class Database:
    """A store of this kind, filled anew for each run. One run at a time."""

    def __init__(self, store_class: type[Store]) -> None:
        self._microseconds: Callable[[], int] = lambda: 0
        self._ids = 0
        self._images: dict[Any, bytes] = {}
        self.store = store_class("sqlite://", clock_ns=self._clock_ns, new_id=self._new_id)

    def open(self, plan: str, people: int, microseconds: Callable[[], int]) -> sqlite3.Connection:
        """Start afresh, on this clock. Returns the connection under the store, for whoever wants to look."""
        if (plan, people) not in self._images:
            self._microseconds = lambda: 0
            self._images[plan, people] = self._image(plan, people)
        connection = self._new(self._images[plan, people])
        self._microseconds = microseconds
        self._ids = 1_000_000
        return connection

    def _image(self, plan: str, people: int) -> bytes:
        if "migrated" not in self._images:
            self._new(b"")
            self.store.migrate()
            self._images["migrated"] = self._connection().serialize()
        self._new(self._images["migrated"])
        workflow = {
            "workflowId": "wf_1",
            "name": plan,
            "initialStateId": next(iter(PLANS[plan])),
            "states": PLANS[plan],
        }
        documents = [
            Document(type=DocumentType.CAMPAIGN, id=CAMPAIGN_ID, name="Renewal", data=UNGUARDED),
            Document(type=DocumentType.WORKFLOW, id="wf_1", name=plan, data=workflow),
            Document(type=DocumentType.CONTACT_LIST, id=LIST_ID, name="people", data={"contactListId": LIST_ID}),
        ]
        self.store.put_documents(TENANT, documents, START)
        audience = [
            ContactRow(phone=phone(n), email=f"p{n}@example.com", fields={"firstName": f"Ann{n}"})
            for n in range(people)
        ]
        self.store.import_contacts(TENANT, LIST_ID, audience, START)
        return self._connection().serialize()

    def _new(self, image: bytes) -> sqlite3.Connection:
        # A new connection: statements that were prepared on the old content must not meet the new one.
        self.store.engine.dispose()
        connection = self._connection()
        if image:
            connection.deserialize(image)
        return connection

    def _connection(self) -> sqlite3.Connection:
        """The only one there is: the engine hands out the same one again and again."""
        borrowed = self.store.engine.raw_connection()
        connection = borrowed.driver_connection
        borrowed.close()
        assert isinstance(connection, sqlite3.Connection)
        return connection

    def _clock_ns(self) -> int:
        return _START_NS + self._microseconds() * 1000

    def _new_id(self) -> str:
        """As long as a ULID, and in order like one."""
        self._ids += 1
        return f"{self._ids:026}"


@lru_cache(maxsize=8)
def database_of(store_class: type[Store]) -> Database:
    """The one of this process."""
    return Database(store_class)
