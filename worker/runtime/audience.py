"""Brings a file of people into a contact list: reads, checks, stores in batches, and keeps account of every row.

1. Every row ends in exactly one count; what is not taken goes to the reject file with its reason.
2. Importing the same file again changes nothing but what changed in the file.
3. Of a file without a usable row only the opt-outs are kept; there is no list for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulid import ULID

from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import NotWritable
from worker.runtime.importing import Audience, Imported, Rejected, RejectFile, open_audience
from worker.store.document_rows import DocumentType
from worker.store.rows import ContactRow, Suppression

BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of a file. `rows = accepted + rejected`; `duplicates` are among the rejected."""

    contact_list: str
    rows: int
    accepted: int
    rejected: int
    suppressed: int
    rejects: Path | None

    def as_json(self) -> dict[str, Any]:
        """For `--json` and reports."""
        return {
            "contactList": self.contact_list,
            "rows": self.rows,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "optedOut": self.suppressed,
            "rejects": str(self.rejects) if self.rejects else None,
        }

    def sentence(self) -> str:
        """For people."""
        rejects = f"; the rejected ones are in {self.rejects}" if self.rejects else ""
        return (
            f"imported {self.rows} rows into {self.contact_list!r}: {self.accepted} accepted"
            f" ({self.suppressed} of all rows opted out), {self.rejected} rejected{rejects}"
        )


class _Batch:
    """Rows on their way to the store, and what has become of those before them."""

    def __init__(self, rt: Runtime, list_name: str) -> None:
        self._rt, self._list_name = rt, list_name
        self._people: list[ContactRow] = []
        self._suppressions: list[Suppression] = []
        self.accepted = self.suppressed = 0

    def add(self, item: Imported | Rejected) -> None:
        """Take one row; what is opted out holds even where the row is rejected."""
        if item.suppressions:
            self.suppressed += 1
            self._suppressions += item.suppressions
        if isinstance(item, Imported):
            self._people.append(item.contact)
        if len(self._people) + len(self._suppressions) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Store what is waiting, in one transaction."""
        list_id = _list_id(self._rt, self._list_name) if self._people else ""
        self._rt.store.import_contacts(
            self._rt.settings.tenant_id, list_id, self._people, self._rt.now(), suppressed=self._suppressions
        )
        self.accepted += len(self._people)
        self._people, self._suppressions = [], []


def import_file(
    rt: Runtime, file: Path, *, list_name: str, region: str, rejects: Path, encoding: str = ""
) -> ImportResult:
    """Import a CSV file into the list of this name, which is made if there is none.

    Raises OSError, UnreadableFile and NotWritable, all before anything is imported. The reject file is kept only where
    a row is rejected. `encoding`: found out if empty.
    """
    audience = open_audience(file, default_region=region, encoding=encoding)
    batch = _Batch(rt, list_name)
    rows = rejected = 0
    with _reject_file(rejects, audience) as reject_file:
        for item in audience.contacts():
            rows += 1
            batch.add(item)
            if isinstance(item, Rejected):
                rejected += 1
                reject_file.write(item)
    batch.flush()
    if not rejected:
        rejects.unlink()
    return ImportResult(
        contact_list=list_name,
        rows=rows,
        accepted=batch.accepted,
        rejected=rejected,
        suppressed=batch.suppressed,
        rejects=rejects if rejected else None,
    )


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
