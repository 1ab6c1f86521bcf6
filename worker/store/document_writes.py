"""Writes of the schema service that do more than store a document, each in one commit.

1. A request that comes again creates nothing again, by a key that its caller drew for it.
2. A refusal of consent suppresses the address in the commit that saves it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select

from worker.store import contact_documents, contacts, dialect, documents, suppressions
from worker.store.codec import millis
from worker.store.document_rows import Document, Seen
from worker.store.document_tables import idempotency_keys
from worker.store.errors import KeyReused
from worker.store.rows import ContactRow, Suppression

KEPT: Final = timedelta(days=1)
"""How long a key is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """A caller's key, and the digest of the request it came with."""

    key: str
    digest: str


def create_document(
    conn: Connection,
    tenant_id: str,
    document: Document,
    now: datetime,
    *,
    by: str,
    seen: Seen,
    request: RequestKey | None = None,
    suppress: Sequence[Suppression] = (),
) -> Document:
    """Create a document that does not exist yet, and suppress addresses in the same commit.

    A request seen before gives what it gave then, as it is now. Raises KeyReused, and what `documents.put` raises.
    """

    def make() -> str:
        [made] = documents.put(conn, tenant_id, [document], now, by=by, seen=seen, new=True)
        suppressions.add(conn, tenant_id, suppress, now)
        return made.id

    document_id = _once(conn, tenant_id, _Request(request, document.type, now), make)
    return documents.require(conn, tenant_id, document.type, document_id)


def save_documents(
    conn: Connection,
    tenant_id: str,
    batch: Sequence[Document],
    now: datetime,
    *,
    by: str,
    suppress: Sequence[Suppression] = (),
) -> None:
    """Create or replace documents, and suppress addresses in the same commit. Raises what `documents.put` raises."""
    documents.put(conn, tenant_id, batch, now, by=by)
    suppressions.add(conn, tenant_id, suppress, now)


def change_document(
    conn: Connection,
    tenant_id: str,
    document: Document,
    now: datetime,
    *,
    by: str,
    seen: Seen,
    suppress: Sequence[Suppression] = (),
) -> Document:
    """Replace a document, and suppress addresses in the same commit. Raises what `documents.put` raises."""
    [stored] = documents.put(conn, tenant_id, [document], now, by=by, seen=seen)
    suppressions.add(conn, tenant_id, suppress, now)
    return stored


def create_contact(
    conn: Connection, tenant_id: str, row: ContactRow, now: datetime, *, by: str, request: RequestKey | None = None
) -> str:
    """The same for a contact; returns its id. Raises KeyReused, IdTaken, AddressTaken."""

    def make() -> str:
        contacts.serialize(conn, tenant_id)
        if refusal := contact_documents.taken(conn, tenant_id, [row]):
            raise refusal
        contact_documents.create(conn, tenant_id, lambda: [row], now, by=by)
        return row.contact_id

    return _once(conn, tenant_id, _Request(request, contact_documents.TYPE, now), make)


@dataclass(frozen=True, slots=True)
class _Request:
    key: RequestKey | None
    type: str
    at: datetime


def _once(conn: Connection, tenant_id: str, request: _Request, make: Callable[[], str]) -> str:
    """Call `make` unless this request has been seen; the id it gave, now or then. Raises KeyReused."""
    if request.key is None:
        return make()
    dialect.serialize(conn, f"request:{tenant_id}:{request.key.key}")
    row, known_since = idempotency_keys.c, millis(request.at - KEPT)
    query = select(row.digest, row.document_id).where(
        row.tenant_id == tenant_id, row.key == request.key.key, row.at > known_since
    )
    if found := conn.execute(query).first():
        if found.digest != request.key.digest:
            raise KeyReused
        return str(found.document_id)
    conn.execute(delete(idempotency_keys).where(row.at <= known_since))
    document_id = make()
    given = {"key": request.key.key, "digest": request.key.digest, "type": request.type, "document_id": document_id}
    conn.execute(idempotency_keys.insert().values(tenant_id=tenant_id, at=millis(request.at), **given))
    return document_id
