"""Brings a file of people into a contact list: reads, checks, stores in batches, and keeps account of every row.

1. Every row ends in exactly one count; what is not taken goes to the reject file with its reason.
2. Importing the same file again changes nothing but what changed in the file.
3. An import that was killed goes on where it had committed when it is started again: the file is read from the start,
   so that duplicates, rejects and counts are the same as without, and what is committed is not sent to the database.
4. Rows are read and checked while the database takes in those before them: of a large file in a process of their own,
   so that two cores have work, else in a thread.
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
from worker.runtime.apart import apart
from worker.runtime.bootstrap import Runtime
from worker.runtime.contact_file import FileFormat, Progress, UnreadableFile, nobody
from worker.runtime.errors import NotWritable
from worker.runtime.import_batches import Batch, batches
from worker.runtime.import_notes import LeftOut, Tally
from worker.runtime.importing import Audience, open_audience
from worker.runtime.parquet_file import ParquetFile
from worker.runtime.reject_file import RejectFile
from worker.store.codec import to_json
from worker.store.document_rows import DocumentType
from worker.store.errors import NotAllNew
from worker.store.rows import ImportCounts, ImportStep

BATCH: Final = 4_000
"""Rows in one transaction."""

LARGE: Final = 4 << 20
"""Bytes of a file from which on a process of its own to read it is worth its start: some 40,000 rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of a file. `rows = accepted + rejected`; `duplicates` are among the rejected.

    `left_out`: what of the accepted ones could not be read. `counts`: what they were for the database.
    `resumed_after`: the row that was committed already.
    """

    contact_list: str
    rows: int
    accepted: int
    rejected: int
    suppressed: int
    rejects: Path | None
    left_out: tuple[LeftOut, ...] = ()
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
            "leftOut": [item.as_json() for item in self.left_out],
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
        summary = (
            f"imported {self.rows} rows into {self.contact_list!r}: {self.accepted} accepted{known}"
            f" ({self.suppressed} of all rows opted out), {self.rejected} rejected{rejects}{resumed}"
        )
        return "\n".join((summary, *(item.sentence() for item in self.left_out)))


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
    _refuse_place(rejects, file)
    audience = open_audience(
        file, default_region=region, file_format=file_format, encoding=encoding, delimiter=delimiter, called=called
    )
    way = [list_name, region, encoding, delimiter, file_format, sorted((called or {}).items())]
    target = _Target(rt, list_name, blake2b(to_json([audience.file.digest, *way]).encode(), digest_size=16).hexdigest())
    tally = Tally()
    rows = suppressed = 0
    with (
        _reject_file(rejects, audience) as reject_file,
        _cheap_collections(),
        closing(_read(audience)) as ready,
    ):
        for batch in ready:
            for reject in batch.rejects:
                reject_file.write(*reject)
            for row, notes in batch.notes:
                tally.add(row, notes)
            target.take(batch)
            gc.collect()
            progress(batch.place)
            rows += batch.rows
            suppressed += batch.suppressed
    target.finish()
    rejected = reject_file.count
    if not rejected and rejects.is_file():  # and no device
        rejects.unlink()
    return ImportResult(
        contact_list=list_name,
        rows=rows,
        accepted=rows - rejected,
        rejected=rejected,
        suppressed=suppressed,
        rejects=rejects if rejected else None,
        left_out=tally.left_out(),
        counts=target.counts,
        resumed_after=target.resumed_after,
    )


def _read(audience: Audience) -> Generator[Batch]:
    """The batches of a file, read where that takes the least time. What reads Parquet is too large to have it twice."""
    if audience.file.path.stat().st_size < LARGE or isinstance(audience.file, ParquetFile):
        return ahead(batches(audience, BATCH))
    return apart(batches, audience, BATCH)


class _Target:
    """Where batches go: contacts and the list, and how far this import has come."""

    def __init__(self, rt: Runtime, list_name: str, digest: str) -> None:
        self._rt, self._list_name, self._digest = rt, list_name, digest
        self._list_id = ""
        self._expect_new = True
        self._row, self.counts = rt.store.import_has_come_to(rt.settings.tenant_id, digest)
        self.resumed_after = self._row

    def take(self, batch: Batch) -> None:
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

    def _store(self, batch: Batch, *, expect_new: bool) -> ImportCounts:
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
            self._rt.store.gather_statistics(of_people=True)


@contextmanager
def _cheap_collections() -> Iterator[None]:
    """What is here already is not looked through for garbage, so that it can be done after each batch.

    Statements are cycles, and each holds a batch as a parameter: left alone they come to 40 MB.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _refuse_place(rejects: Path, file: Path) -> None:
    """Raises UnreadableFile where rejected rows cannot go, as far as that can be seen before the file is read."""
    if not file.exists():
        return  # whoever opens it says so
    if rejects.exists() and rejects.samefile(file):
        raise UnreadableFile(f"{rejects}: rejected rows would overwrite the file itself; name another with --rejects")
    if rejects.is_dir():
        raise UnreadableFile(f"{rejects}: is a folder; name a file for rejected rows with --rejects")
    if not rejects.parent.is_dir():
        raise UnreadableFile(
            f"{rejects}: there is no folder {rejects.parent} for rejected rows; make it, or name another with --rejects"
        )


def _reject_file(path: Path, audience: Audience) -> RejectFile:
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
