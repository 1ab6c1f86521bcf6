"""What a search finds documents by: one row a term, in one index that serves every field of every type."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, true, tuple_

from worker.store import dialect
from worker.store.document_rows import Document
from worker.store.document_tables import document_terms

_COLUMNS = ("tenant_id", "type", "field", "term", "document_id")
_OF_DOCUMENT = ("tenant_id", "type", "document_id")
_SHOWN = 20
"""So many of those that need a document are named."""


def replace(conn: Connection, tenant_id: str, batch: Sequence[Document]) -> None:
    """Write the terms of these documents in place of those they had."""
    forget(conn, tenant_id, [(document.type, document.id) for document in batch])
    rows = [(tenant_id, d.type, field, term, d.id) for d in batch for field, term in d.terms]
    if rows:
        given = dialect.table_records(conn, document_terms, _COLUMNS, rows)
        insert = dialect.upsert(conn, document_terms).from_select(_COLUMNS, select(given).where(true()))
        conn.execute(insert.on_conflict_do_nothing())


def forget(conn: Connection, tenant_id: str, keys: Sequence[tuple[str, str]]) -> None:
    """Remove the terms of these types and ids."""
    rows = [(tenant_id, *key) for key in keys]
    given = dialect.table_records(conn, document_terms, _OF_DOCUMENT, rows)
    term = document_terms.c
    conn.execute(delete(document_terms).where(tuple_(*(term[name] for name in _OF_DOCUMENT)).in_(select(given))))


def holders(conn: Connection, tenant_id: str, users: Sequence[tuple[str, str, Sequence[str]]]) -> list[tuple[str, str]]:
    """Types and ids of documents, at most twenty, which have one of these terms in this field of this type."""
    wanted = [(tenant_id, kind, field, term) for kind, field, found in users for term in found]
    if not wanted:
        return []
    given = dialect.table_records(conn, document_terms, ("tenant_id", "type", "field", "term"), wanted)
    term = document_terms.c
    query = (
        select(term.type, term.document_id)
        .where(
            term.tenant_id == given.c.tenant_id,
            term.type == given.c.type,
            term.field == given.c.field,
            term.term == given.c.term,
        )
        .distinct()
        .order_by(term.type, term.document_id)
        .limit(_SHOWN)
    )
    return [(row.type, row.document_id) for row in conn.execute(query).all()]
