"""Brings a file of people into a contact list: reads, checks, stores in batches, and keeps account of every row.

1. Every row ends in exactly one count; what is not taken goes to the reject file with its reason.
2. Importing the same file again changes nothing but what changed in the file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulid import ULID

from worker.runtime.bootstrap import Runtime
from worker.runtime.importing import Imported, Rejected, RejectFile, open_audience
from worker.store.rows import ContactRow, Document, DocumentType, Suppression

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

    def __init__(self, rt: Runtime, list_id: str) -> None:
        self._rt, self._list_id = rt, list_id
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
        self._rt.store.import_contacts(
            self._rt.settings.tenant_id, self._list_id, self._people, self._rt.now(), suppressed=self._suppressions
        )
        self.accepted += len(self._people)
        self._people, self._suppressions = [], []


def import_file(rt: Runtime, file: Path, *, list_name: str, region: str, rejects: Path) -> ImportResult:
    """Import a CSV file into the list of this name, which is made if there is none.

    Raises FileNotFoundError, and UnreadableFile before anything is imported. The reject file is written only when a row
    is rejected.
    """
    audience = open_audience(file, default_region=region)
    batch = _Batch(rt, _list_id(rt, list_name))
    rows = rejected = 0
    with RejectFile(rejects, audience.file.header) as reject_file:
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


def _list_id(rt: Runtime, name: str) -> str:
    tenant_id = rt.settings.tenant_id
    found = rt.store.find_document(tenant_id, DocumentType.CONTACT_LIST, name)
    if found is not None:
        return found.id
    list_id = f"lst_{ULID()}".lower()
    data = {"contactListId": list_id, "name": name, "objectType": str(DocumentType.CONTACT_LIST)}
    document = Document(type=DocumentType.CONTACT_LIST, id=list_id, name=name, data=data)
    rt.store.put_documents(tenant_id, [document], rt.now())
    return list_id
