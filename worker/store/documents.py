"""The documents people write: campaigns, workflows, dispositions and kin, as JSON under a type, an id and a name.

1. Whoever changes documents of a tenant waits for whoever else does. So what was checked against other documents still
   holds when it is written: `seen` names them, and a write that would rest on an outdated one is refused.
2. `data` is the document without its header; who wrote it and when stands in columns, and goes up with every change.
3. Every change is kept with what it changed. A document saved as it already is, is not changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, or_, select, true, update

from worker.store import changes, dialect, terms
from worker.store.codec import from_json, millis, to_json
from worker.store.document_rows import Document, DocumentType, Seen, Stamp
from worker.store.document_tables import LIVE_DOCUMENT, documents, is_set
from worker.store.errors import IdTaken, NameTaken, NotFound, Outdated, StillUsed, UnderWay
from worker.store.tables import runs

_COLUMNS: Final = (
    *("tenant_id", "type", "document_id", "name", "name_key", "unique_key", "data", "deleted", "terms_version"),
    *("created_at", "created_by", "modified_at", "modified_by", "deleted_at"),
)
_KEY: Final = _COLUMNS[:3]
_UNIQUE: Final = ("tenant_id", "type", "unique_key")
_REPLACED: Final = _COLUMNS[3:]


def put(
    conn: Connection,
    tenant_id: str,
    batch: Sequence[Document],
    now: datetime,
    *,
    by: str = "",
    seen: Seen | None = None,
    new: bool = False,
) -> list[Document]:
    """Create or replace all of them, or none; the last of several with the same id counts. Returns what is now stored.

    `new`: none of them may exist, not even deleted. Raises NameTaken, IdTaken, Outdated.
    """
    unique = {(document.type, document.id): document for document in batch}
    _serialize(conn, tenant_id)
    _require_seen(conn, tenant_id, seen or {})
    before = _stored(conn, tenant_id, unique)
    for kind, document_id in before if new else ():
        raise IdTaken(kind, document_id)
    stamped = {key: _stamped(document, before.get(key), millis(now), by) for key, document in unique.items()}
    changed = [document for key, document in stamped.items() if document is not before.get(key)]
    if changed:
        _refuse_taken_names(conn, tenant_id, changed)
        _free_names(conn, tenant_id, [(document.type, document.id) for document in changed])
        _write(conn, tenant_id, changed)
        terms.replace(conn, tenant_id, changed)
        changes.record(conn, tenant_id, [(document, before.get((document.type, document.id))) for document in changed])
    return list(stamped.values())


def delete(
    conn: Connection,
    tenant_id: str,
    document: Document,
    now: datetime,
    *,
    by: str,
    users: Sequence[tuple[str, str, Sequence[str]]],
) -> None:
    """Delete a document that was read. It keeps its row and its id.

    `users`: types that may refer to it, the field they do it in, and the terms that mean it there.
    Raises Outdated, StillUsed, UnderWay.
    """
    _serialize(conn, tenant_id)
    _require_seen(conn, tenant_id, {(document.type, document.id): document.stamp.modified_at})
    if found := terms.holders(conn, tenant_id, users):
        raise StillUsed(document.type, document.id, found)
    _refuse_while_under_way(conn, tenant_id, document)
    at = max(millis(now), document.stamp.modified_at + 1)
    gone = {"deleted": True, "deleted_at": at, "modified_at": at, "modified_by": by}
    conn.execute(_this(update(documents), tenant_id, document).values(**gone))
    terms.forget(conn, tenant_id, [(document.type, document.id)])
    changes.record_deletion(conn, tenant_id, document, at, by)


def get(conn: Connection, tenant_id: str, document_type: str, document_id: str) -> Document | None:
    """One document by its id, a deleted one too; None if there is none."""
    found = conn.execute(_of_type(tenant_id, document_type).where(documents.c.document_id == document_id)).first()
    return document_of(found) if found else None


def require(conn: Connection, tenant_id: str, document_type: str, document_id: str) -> Document:
    """One document by its id, a deleted one too. Raises NotFound."""
    found = get(conn, tenant_id, document_type, document_id)
    if found is None:
        raise NotFound(document_type, document_id)
    return found


def get_many(conn: Connection, tenant_id: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Document]:
    """The live documents among these types and ids."""
    return {key: found for key, found in _stored(conn, tenant_id, keys).items() if not found.deleted}


def find(conn: Connection, tenant_id: str, document_type: str, key: str) -> Document | None:
    """The live document with this id, else with this name in upper or lower case; None if there is none."""
    this = or_(documents.c.document_id == key, documents.c.name_key == name_key(key))
    query = _of_type(tenant_id, document_type).where(this, LIVE_DOCUMENT)
    found = {row.document_id == key: row for row in conn.execute(query).all()}
    return document_of(found[max(found)]) if found else None


def list_of(conn: Connection, tenant_id: str, document_type: str) -> list[Document]:
    """The live documents of a type, by name."""
    query = _of_type(tenant_id, document_type).where(LIVE_DOCUMENT)
    return [document_of(row) for row in conn.execute(query.order_by(documents.c.name_key, documents.c.document_id))]


def with_old_terms(conn: Connection, versions: Mapping[str, str], limit: int) -> list[tuple[str, Document]]:
    """Live documents, of any tenant, whose terms were not made by the version of their type: tenant and document."""
    current = or_(
        *((documents.c.type == kind) & (documents.c.terms_version != version) for kind, version in versions.items())
    )
    query = select(documents).where(current, LIVE_DOCUMENT).limit(limit)
    return [(row.tenant_id, document_of(row)) for row in conn.execute(query).all()]


def put_terms(conn: Connection, tenant_id: str, batch: Sequence[Document]) -> None:
    """Write the terms of documents that were read, if they are still as they were."""
    _serialize(conn, tenant_id)
    now = get_many(conn, tenant_id, [(document.type, document.id) for document in batch])
    same = [d for d in batch if (d.type, d.id) in now and now[d.type, d.id].stamp == d.stamp]
    terms.replace(conn, tenant_id, same)
    for document in same:
        conn.execute(_this(update(documents), tenant_id, document).values(terms_version=document.terms_version))


def require_not_deleted(conn: Connection, tenant_id: str, document_type: str, document_id: str) -> None:
    """Raise NotFound for a deleted document; until the end of this transaction nobody deletes it."""
    _serialize(conn, tenant_id)
    found = get(conn, tenant_id, document_type, document_id)
    if found is not None and found.deleted:
        raise NotFound(document_type, document_id)


def document_of(row: Row[Any]) -> Document:
    """A row as the rest of the worker knows it."""
    return Document(
        type=row.type,
        id=row.document_id,
        name=row.name,
        data=from_json(row.data),
        unique=row.unique_key,
        terms_version=row.terms_version,
        deleted=row.deleted,
        stamp=stamp_of(row),
    )


def stamp_of(row: Row[Any]) -> Stamp:
    """Who wrote a row and when."""
    return Stamp(
        created_at=row.created_at,
        created_by=row.created_by,
        modified_at=row.modified_at,
        modified_by=row.modified_by,
        deleted_at=row.deleted_at or 0,
    )


def name_key(name: str) -> str:
    """A name as it is compared."""
    return name.strip().casefold()


def _serialize(conn: Connection, tenant_id: str) -> None:
    dialect.serialize(conn, f"documents:{tenant_id}")


def _of_type(tenant_id: str, document_type: str) -> Select[Any]:
    return select(documents).where(documents.c.tenant_id == tenant_id, documents.c.type == document_type)


def _this(statement: Any, tenant_id: str, document: Document) -> Any:
    return statement.where(
        documents.c.tenant_id == tenant_id,
        documents.c.type == document.type,
        documents.c.document_id == document.id,
    )


def _stored(conn: Connection, tenant_id: str, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Document]:
    wanted = list(keys)
    if not wanted:
        return {}
    given = dialect.table_records(conn, documents, _KEY, [(tenant_id, *key) for key in wanted])
    query = select(documents).where(*(documents.c[name] == given.c[name] for name in _KEY))
    return {(row.type, row.document_id): document_of(row) for row in conn.execute(query).all()}


def _require_seen(conn: Connection, tenant_id: str, seen: Seen) -> None:
    found = get_many(conn, tenant_id, list(seen))
    for key, modified_at in seen.items():
        now_at = found[key].stamp.modified_at if key in found else 0
        if now_at != modified_at:
            raise Outdated(*key)


def _stamped(document: Document, before: Document | None, at: int, by: str) -> Document:
    """The document as it is to be stored; `before` itself where nothing changes."""
    if before is None:
        stamp = Stamp(created_at=at, created_by=by, modified_at=at, modified_by=by)
    elif not before.deleted and _content(document) == _content(before):
        return before
    else:
        stamp = replace(before.stamp, modified_at=max(at, before.stamp.modified_at + 1), modified_by=by, deleted_at=0)
    return replace(document, stamp=stamp, deleted=False)


def _content(document: Document) -> tuple[Any, ...]:
    return document.name, document.unique, to_json(document.data)


def _write(conn: Connection, tenant_id: str, batch: Sequence[Document]) -> None:
    rows = [
        (
            *(tenant_id, d.type, d.id, d.name, name_key(d.name), d.unique, to_json(d.data), d.deleted, d.terms_version),
            *(d.stamp.created_at, d.stamp.created_by, d.stamp.modified_at, d.stamp.modified_by, None),
        )
        for d in batch
    ]
    given = dialect.table_records(conn, documents, _COLUMNS, rows)
    statement = dialect.upsert(conn, documents).from_select(_COLUMNS, select(given).where(true()))
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "type", "document_id"],
            set_={name: statement.excluded[name] for name in _REPLACED},
        )
    )


def _refuse_taken_names(conn: Connection, tenant_id: str, batch: Sequence[Document]) -> None:
    """Judged on what the table would hold after the batch: a name that the batch itself frees is free."""
    named = [(d.type, d.unique) for d in batch if d.unique]
    clashing = [name for name in named if named.count(name) > 1] if len(set(named)) < len(named) else []
    if not clashing:
        wanted = dialect.table_records(conn, documents, _UNIQUE, [(tenant_id, *name) for name in named])
        taken = select(documents.c.type, documents.c.unique_key, documents.c.document_id).where(
            LIVE_DOCUMENT, is_set(documents.c.unique_key), *(documents.c[name] == wanted.c[name] for name in _UNIQUE)
        )
        replaced = {(d.type, d.id) for d in batch}
        clashing = [(r.type, r.unique_key) for r in conn.execute(taken) if (r.type, r.document_id) not in replaced]
    for document in batch:
        if (document.type, document.unique) in clashing:
            raise NameTaken(document.type, document.name or document.unique)


def _free_names(conn: Connection, tenant_id: str, keys: Sequence[tuple[str, str]]) -> None:
    """Take the names off the documents that are being replaced, so that two of them may swap."""
    given = dialect.table_records(conn, documents, _KEY, [(tenant_id, *key) for key in keys])
    this = (documents.c[name] == given.c[name] for name in _KEY)
    conn.execute(update(documents).where(*this).values(unique_key=""))


def _refuse_while_under_way(conn: Connection, tenant_id: str, document: Document) -> None:
    """A campaign is not deleted while a run of it has something left to do."""
    if document.type != DocumentType.CAMPAIGN:
        return
    this = (runs.c.tenant_id == tenant_id) & (runs.c.campaign_id == document.id)
    if found := conn.execute(select(runs.c.run_id).where(this, runs.c.finished_at.is_(None)).limit(1)).first():
        raise UnderWay(document.id, found.run_id)
