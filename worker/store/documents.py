"""The documents people write: campaigns, workflows, dispositions and kin, as JSON under a type, an id and a name."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, not_, or_, select, true, update

from worker.store import dialect
from worker.store.codec import from_json, millis, to_json
from worker.store.errors import NameTaken
from worker.store.rows import Document
from worker.store.tables import documents

_COLUMNS = ("tenant_id", "type", "document_id", "name", "name_key", "data", "deleted", "created_at", "updated_at")
_REPLACED = ("name", "name_key", "data", "deleted", "updated_at")


def put(conn: Connection, tenant_id: str, batch: Sequence[Document], now: datetime) -> None:
    """Create or replace all of them, or none. The last of several with the same id counts. Raises NameTaken."""
    unique = {(document.type, document.id): document for document in batch}
    dialect.serialize(conn, f"documents:{tenant_id}")
    _refuse_taken_names(conn, tenant_id, list(unique.values()))
    _free_names(conn, tenant_id, unique)
    at = millis(now)
    rows = [
        (tenant_id, d.type, d.id, d.name, _name_key(d.name), to_json(d.data), d.deleted, at, at)
        for d in unique.values()
    ]
    given = dialect.table_records(conn, documents, _COLUMNS, rows)
    statement = dialect.upsert(conn, documents).from_select(_COLUMNS, select(given).where(true()))
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "type", "document_id"],
            set_={name: statement.excluded[name] for name in _REPLACED},
        )
    )


def get(conn: Connection, tenant_id: str, document_type: str, document_id: str) -> Document | None:
    """One document by its id, a deleted one too; None if there is none."""
    found = conn.execute(_of_type(tenant_id, document_type).where(documents.c.document_id == document_id)).first()
    return _document(found) if found else None


def find(conn: Connection, tenant_id: str, document_type: str, key: str) -> Document | None:
    """The live document with this id, else with this name in upper or lower case; None if there is none."""
    this = or_(documents.c.document_id == key, documents.c.name_key == _name_key(key))
    query = _of_type(tenant_id, document_type).where(this, not_(documents.c.deleted))
    found = {row.document_id == key: row for row in conn.execute(query).all()}
    return _document(found[max(found)]) if found else None


def list_of(conn: Connection, tenant_id: str, document_type: str) -> list[Document]:
    """The live documents of a type, by name."""
    query = _of_type(tenant_id, document_type).where(not_(documents.c.deleted))
    return [_document(row) for row in conn.execute(query.order_by(documents.c.name_key, documents.c.document_id))]


def _of_type(tenant_id: str, document_type: str) -> Select[Any]:
    return select(documents).where(documents.c.tenant_id == tenant_id, documents.c.type == document_type)


def _refuse_taken_names(conn: Connection, tenant_id: str, batch: Sequence[Document]) -> None:
    """Judged on what the table would hold after the batch: a name that the batch itself frees is free."""
    named = [(d.type, _name_key(d.name)) for d in batch if d.name and not d.deleted]
    clashing = [name for name in named if named.count(name) > 1] if len(set(named)) < len(named) else []
    if not clashing:
        wanted = dialect.records(conn, {"type": Text(), "name_key": Text()}, named)
        taken = select(documents.c.type, documents.c.name_key, documents.c.document_id).where(
            documents.c.tenant_id == tenant_id,
            not_(documents.c.deleted),
            documents.c.type == wanted.c.type,
            documents.c.name_key == wanted.c.name_key,
        )
        replaced = {(d.type, d.id) for d in batch}
        clashing = [(r.type, r.name_key) for r in conn.execute(taken) if (r.type, r.document_id) not in replaced]
    for document in batch:
        if (document.type, _name_key(document.name)) in clashing:
            raise NameTaken(document.type, document.name)


def _free_names(conn: Connection, tenant_id: str, keys: Iterable[tuple[str, str]]) -> None:
    """Take the names off the documents that are being replaced, so that two of them may swap."""
    given = dialect.table_records(conn, documents, ("type", "document_id"), list(keys))
    conn.execute(
        update(documents)
        .where(
            documents.c.tenant_id == tenant_id,
            documents.c.type == given.c.type,
            documents.c.document_id == given.c.document_id,
        )
        .values(name_key="")
    )


def _name_key(name: str) -> str:
    return name.strip().casefold()


def _document(row: Row[Any]) -> Document:
    return Document(type=row.type, id=row.document_id, name=row.name, data=from_json(row.data), deleted=row.deleted)
