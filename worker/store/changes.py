"""The history of documents: who changed what, when, from what to what. Written in the commit of the change."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select, true

from worker.store import dialect
from worker.store.codec import from_json, to_json
from worker.store.document_rows import Action, Change, Document
from worker.store.document_tables import document_changes

_COLUMNS: Final = ("tenant_id", "type", "document_id", "at", "by", "action", "changes")

Written = tuple[str, str, int, str, Action, tuple[Mapping[str, Any], ...]]
"""Type, id, time, author, action, changes."""


def record(conn: Connection, tenant_id: str, changed: Sequence[tuple[Document, Document | None]]) -> None:
    """Keep what each of these documents was before (None: nothing) and is now."""
    add(conn, tenant_id, [_written(document, before) for document, before in changed])


def record_deletion(conn: Connection, tenant_id: str, document: Document, at: int, by: str) -> None:
    """Keep that it was deleted; what it was stands in its row."""
    add(conn, tenant_id, [(document.type, document.id, at, by, Action.DELETED, ())])


def add(conn: Connection, tenant_id: str, entries: Sequence[Written]) -> None:
    """Keep these changes."""
    if not entries:
        return
    rows = [(tenant_id, *entry[:-1], to_json(entry[-1])) for entry in entries]
    given = dialect.table_records(conn, document_changes, _COLUMNS, rows)
    conn.execute(dialect.upsert(conn, document_changes).from_select(_COLUMNS, select(given).where(true())))


def of_document(
    conn: Connection, tenant_id: str, document_type: str, document_id: str, limit: int = 1000
) -> list[Change]:
    """The last changes of a document, the oldest first."""
    row = document_changes.c
    query = (
        select(document_changes)
        .where(row.tenant_id == tenant_id, row.type == document_type, row.document_id == document_id)
        .order_by(row.change_id.desc())
        .limit(limit)
    )
    return [
        Change(at=found.at, by=found.by, action=Action(found.action), changes=tuple(from_json(found.changes)))
        for found in reversed(conn.execute(query).all())
    ]


def differences(before: Any, after: Any, path: str = "") -> Iterator[Mapping[str, Any]]:
    """Where two JSON values differ: path, from and to; a value that is missing on one side is missing there.

    Maps are compared key by key, anything else as a whole.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            place = f"{path}.{key}" if path else str(key)
            if key not in before:
                yield {"path": place, "to": after[key]}
            elif key not in after:
                yield {"path": place, "from": before[key]}
            else:
                yield from differences(before[key], after[key], place)
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):
        yield {"path": path, "from": before, "to": after}


def _written(document: Document, before: Document | None) -> Written:
    action = Action.CREATED if before is None or before.deleted else Action.UPDATED
    old = {} if before is None or before.deleted else before.data
    changed = tuple(differences(old, document.data))
    return (document.type, document.id, document.stamp.modified_at, document.stamp.modified_by, action, changed)
