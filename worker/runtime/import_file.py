"""Brings a file of people into a contact list: reads, checks, stores in batches, and keeps account of every row.

1. Every row ends in exactly one count; what is not taken goes to the reject file with its reason.
2. Importing the same file again changes nothing but what changed in the file.
3. An import that was killed goes on where it had committed when it is started again: the file is read from the start,
   so that duplicates, rejects and counts are the same as without, and what is committed is not sent to the database.
4. Rows are read and checked in a thread of their own while the database takes in those before them.
5. Of a file without a usable row only the opt-outs are kept; there is no list for it.
"""

import gc
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from ulid import ULID

from worker.runtime.ahead import ahead
from worker.runtime.bootstrap import Runtime
from worker.runtime.contact_file import FileFormat, Progress, nobody
from worker.runtime.errors import NotWritable
from worker.runtime.import_row import Imported, Rejected
from worker.runtime.importing import Audience, open_audience
from worker.runtime.reject_file import RejectFile
from worker.store.codec import to_json
from worker.store.document_rows import DocumentType
from worker.store.errors import NotAllNew
from worker.store.rows import ContactRow, ImportCounts, ImportStep, Suppression

BATCH: Final = 5_000
"""Rows in one transaction."""

_OBJECTS_BETWEEN_COLLECTIONS: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of a file. `rows = accepted + rejected`; `duplicates` are among the rejected.

    `counts`: what the accepted ones were for the database. `resumed_after`: the row that was committed already.
    """

    contact_list: str
    rows: int
    accepted: int
    rejected: int
    suppressed: int
    rejects: Path | None
    counts: ImportCounts = field(default_factory=ImportCounts)
    resumed_after: int = 0

    def as_json(self) -> dict[str, Any]:
        """For `--json` and reports."""
        return {
            "contactList": self.contact_list,
            "rows": self.rows,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "optedOut": self.suppressed,
            "rejects": str(self.rejects) if self.rejects else None,
            "new": self.counts.new,
            "updated": self.counts.updated,
            "unchanged": self.counts.unchanged,
            "ofOthers": self.counts.duplicates,
            "resumedAfterRow": self.resumed_after or None,
        }

    def sentence(self) -> str:
        """For people."""
        rejects = f"; the rejected ones are in {self.rejects}" if self.rejects else ""
        resumed = f"; it went on after row {self.resumed_after}" if self.resumed_after else ""
        known = f", {self.counts.new} of them new, {self.counts.updated} changed" if self.accepted else ""
        return (
            f"imported {self.rows} rows into {self.contact_list!r}: {self.accepted} accepted{known}"
            f" ({self.suppressed} of all rows opted out), {self.rejected} rejected{rejects}{resumed}"
        )


@dataclass(slots=True)
class _Batch:
    """Rows of the file that follow each other, read and checked. `place`: how many bytes of it are read."""

    people: list[ContactRow] = field(default_factory=list, repr=False)
    suppressions: list[Suppression] = field(default_factory=list, repr=False)
    row: int = 0
    rows: int = 0
    rejected: int = 0
    suppressed: int = 0
    place: int = 0

    @property
    def size(self) -> int:
        return len(self.people) + len(self.suppressions)

    def add(self, item: Imported | Rejected) -> None:
        """Take one row; what is opted out holds even where the row is rejected."""
        self.row = item.row
        self.rows += 1
        if item.suppressions:
            self.suppressed += 1
            self.suppressions += item.suppressions
        if isinstance(item, Imported):
            self.people.append(item.contact)
        else:
            self.rejected += 1


def import_file(
    rt: Runtime,
    file: Path,
    *,
    list_name: str,
    region: str,
    rejects: Path,
    encoding: str = "",
    delimiter: str = "",
    file_format: FileFormat | None = None,
    called: Mapping[str, str] | None = None,
    progress: Progress = nobody,
) -> ImportResult:
    """Import a file into the list of this name, which is made if there is none.

    Raises OSError, UnreadableFile and NotWritable, all before anything is imported, and ImportOvertaken. The reject
    file is kept only where a row is rejected. `progress` is told how many bytes of the file are done. The rest is as
    `open_audience` has it.
    """
    audience = open_audience(
        file, default_region=region, file_format=file_format, encoding=encoding, delimiter=delimiter, called=called
    )
    way = [list_name, region, encoding, delimiter, file_format, sorted((called or {}).items())]
    target = _Target(rt, list_name, blake2b(to_json([audience.file.digest, *way]).encode(), digest_size=16).hexdigest())
    total = _Batch()
    with (
        _reject_file(rejects, audience) as reject_file,
        _few_collections(),
        closing(ahead(_batches(audience, reject_file))) as batches,
    ):
        for batch in batches:
            target.take(batch)
            progress(batch.place)
            total.rows += batch.rows
            total.rejected += batch.rejected
            total.suppressed += batch.suppressed
    target.finish()
    if not total.rejected:
        rejects.unlink()
    return ImportResult(
        contact_list=list_name,
        rows=total.rows,
        accepted=total.rows - total.rejected,
        rejected=total.rejected,
        suppressed=total.suppressed,
        rejects=rejects if total.rejected else None,
        counts=target.counts,
        resumed_after=target.resumed_after,
    )


def _batches(audience: Audience, reject_file: RejectFile) -> Generator[_Batch]:
    """The whole file, in order; the last batch may be empty."""
    place = 0

    def now_at(read: int) -> None:
        nonlocal place
        place = read

    batch = _Batch()
    for item in audience.contacts(now_at):
        batch.add(item)
        if isinstance(item, Rejected):
            reject_file.write(item.row, item.reason, item.cells)
        if batch.size >= BATCH:
            batch.place = place
            yield batch
            batch = _Batch()
    batch.place = place
    yield batch


class _Target:
    """Where batches go: contacts and the list, and how far this import has come."""

    def __init__(self, rt: Runtime, list_name: str, digest: str) -> None:
        self._rt, self._list_name, self._digest = rt, list_name, digest
        self._list_id = ""
        self._expect_new = True
        self._row, self.counts = rt.store.import_has_come_to(rt.settings.tenant_id, digest)
        self.resumed_after = self._row

    def take(self, batch: _Batch) -> None:
        """Store a batch in one transaction, unless that was done before."""
        people = batch.people
        if batch.row <= self._row or not batch.size:
            return
        if people and not self._list_id:
            self._list_id = _list_id(self._rt, self._list_name)
        try:
            counts = self._store(batch, expect_new=self._expect_new)
        except NotAllNew:
            counts = self._store(batch, expect_new=False)
        if people:
            self._expect_new = counts.new == len(people)
        self._row, self.counts = batch.row, self.counts + counts

    def _store(self, batch: _Batch, *, expect_new: bool) -> ImportCounts:
        return self._rt.store.import_contacts(
            self._rt.settings.tenant_id,
            self._list_id,
            batch.people,
            self._rt.now(),
            suppressed=batch.suppressions,
            expect_new=expect_new,
            step=ImportStep(digest=self._digest, after=self._row, row=batch.row, before=self.counts),
        )

    def finish(self) -> None:
        """The whole file is done."""
        if self._row:
            self._rt.store.finish_import(self._rt.settings.tenant_id, self._digest, self._rt.now())


@contextmanager
def _few_collections() -> Iterator[None]:
    """Rows make no cycles; looking for some after every seven hundred objects takes a sixth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _reject_file(path: Path, audience: Audience) -> RejectFile:
    if path.exists() and path.samefile(audience.file.path):
        raise NotWritable(f"{path}: rejected rows would overwrite the file itself; name another with --rejects")
    try:
        return RejectFile(path, audience.file.header)
    except OSError as error:
        why = error.strerror
        raise NotWritable(
            f"{path}: rejected rows cannot be written there ({why}); name a file with --rejects"
        ) from None


def _list_id(rt: Runtime, name: str) -> str:
    tenant_id = rt.settings.tenant_id
    found = rt.store.find_document(tenant_id, DocumentType.CONTACT_LIST, name)
    if found is not None:
        return found.id
    list_id = f"lst_{ULID()}".lower()
    rt.schema.save(rt.actor, [(DocumentType.CONTACT_LIST, list_id, {"contactListId": list_id, "name": name})])
    return list_id
