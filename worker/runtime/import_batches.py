"""What a file comes to, in batches that are ready for the database: people, opt-outs, rejected rows, and their counts.

It runs beside the database, in a thread or a process of its own, and imports neither the database nor the settings.
"""

import gc
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from worker.runtime.import_row import Imported, Note, Person, Rejected
from worker.runtime.importing import Audience
from worker.store.codec import to_json
from worker.store.name_keys import name_keys
from worker.store.rows import Kept, Suppression

_OBJECTS_BETWEEN_COLLECTIONS: Final = 200_000


@dataclass(slots=True)
class Batch:
    """Rows of the file that follow each other, read and checked. `place`: how many bytes of it are read.

    `notes`: rows that are taken, and what of them is left out.
    """

    people: list[Kept] = field(default_factory=list, repr=False)
    suppressions: list[Suppression] = field(default_factory=list, repr=False)
    rejects: list[tuple[int, str, tuple[Any, ...]]] = field(default_factory=list, repr=False)
    notes: list[tuple[int, Sequence[Note]]] = field(default_factory=list)
    row: int = 0
    rows: int = 0
    suppressed: int = 0
    place: int = 0

    @property
    def size(self) -> int:
        """How much of it is for the database."""
        return len(self.people) + len(self.suppressions)

    def add(self, item: Imported | Rejected) -> None:
        """Take one row; what is opted out holds even where the row is rejected."""
        self.row = item.row
        self.rows += 1
        if item.suppressions:
            self.suppressed += 1
            self.suppressions += item.suppressions
        if isinstance(item, Imported):
            self.people.append(_kept(item.contact))
            if item.notes:
                self.notes.append((item.row, item.notes))
        else:
            self.rejects.append((item.row, item.reason, tuple(item.cells)))


def batches(audience: Audience, size: int) -> Generator[Batch]:
    """The whole file, in order; the last batch may be empty. `size`: for how many contacts and opt-outs each is."""
    place = 0

    def now_at(read: int) -> None:
        nonlocal place
        place = read

    batch = Batch()
    with _few_collections():
        for item in audience.contacts(now_at):
            batch.add(item)
            if batch.size >= size or len(batch.rejects) >= size:
                batch.place = place
                yield batch
                batch = Batch()
    batch.place = place
    yield batch


@contextmanager
def _few_collections() -> Iterator[None]:
    """Rows make no cycles; looking for some after every seven hundred objects takes a sixth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _kept(person: Person) -> Kept:
    external_id, phone, email, timezone, fields = person
    return (external_id, phone, email, timezone, to_json(fields), False, *name_keys(fields))
