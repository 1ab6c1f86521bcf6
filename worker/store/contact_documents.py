"""Contacts one by one, as the schema service writes them, with stamps and a history; audiences come by `contacts`.

1. An address belongs to one live contact. To create or change another one into it is refused, never merged.
2. A deleted contact is blocked and on no list: nothing is sent to it any more. Its row and its history stay.
3. Creation leaves no entry in the history; the row itself says by whom and when. A million people are created at once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, or_, select, update

from worker.store import changes, dialect
from worker.store.codec import millis
from worker.store.contacts import COLUMNS, KEPT, contact_of, known, serialize, values
from worker.store.document_rows import Action
from worker.store.document_tables import LIVE_CONTACT, contact_list_members, contacts, is_set
from worker.store.errors import AddressTaken, IdTaken, NotFound, Outdated
from worker.store.rows import ContactRow
from worker.store.suppressions import normal

TYPE: Final = "contact"
_WRITTEN: Final = (*COLUMNS, "created_by", "modified_by")
_IDENTITIES: Final = ("external_id", "phone", "email")


def create(
    conn: Connection, tenant_id: str, make: Callable[[], Iterable[ContactRow]], now: datetime, *, by: str
) -> None:
    """Create these contacts, or none of them: what `make` raises undoes it all.

    They are written as they are made, so that server and client work at the same time. `make` is called again when the
    transaction is. A conflict is the database's error; `taken` says which.
    """
    serialize(conn, tenant_id)
    at = millis(now)
    rows = ((tenant_id, row.contact_id, *values(row), at, at, by, by) for row in make())
    dialect.bulk_insert(conn, contacts, _WRITTEN, rows)


def taken(conn: Connection, tenant_id: str, batch: Sequence[ContactRow]) -> IdTaken | AddressTaken | None:
    """What stands in the way of creating one of these: an id, or the address of another contact or of another row."""
    given = dialect.table_records(
        conn, contacts, ("tenant_id", "contact_id"), [(tenant_id, r.contact_id) for r in batch]
    )
    same_id = (contacts.c.tenant_id == given.c.tenant_id) & (contacts.c.contact_id == given.c.contact_id)
    ids = {row.contact_id for row in conn.execute(select(contacts.c.contact_id).where(same_id)).all()}
    owners = {identity: row.contact_id for identity, row in known(conn, tenant_id, batch).items()}
    for row in batch:
        if row.contact_id in ids:
            return IdTaken(TYPE, row.contact_id)
        ids.add(row.contact_id)
        for name, value in _identities(row).items():
            owner = owners.setdefault((name, value), row.contact_id)
            if owner != row.contact_id:
                return AddressTaken(_KEYS[name], owner)
    return None


def change(
    conn: Connection,
    tenant_id: str,
    row: ContactRow,
    now: datetime,
    *,
    by: str,
    seen: int,
    changed: Sequence[Mapping[str, Any]],
) -> ContactRow:
    """Replace a contact that was read at `seen`, and keep what changed. Raises Outdated, NotFound, AddressTaken."""
    before = _lock(conn, tenant_id, row.contact_id, seen)
    if refusal := _owned(conn, tenant_id, row):
        raise refusal
    at = max(millis(now), before.stamp.modified_at + 1)
    given = dict(zip(KEPT, values(row), strict=True))
    conn.execute(_this(tenant_id, row.contact_id).values(**given, modified_at=at, modified_by=by))
    changes.add(conn, tenant_id, [(TYPE, row.contact_id, at, by, Action.UPDATED, tuple(changed))])
    return replace(row, stamp=replace(before.stamp, modified_at=at, modified_by=by))


def remove(conn: Connection, tenant_id: str, contact_id: str, now: datetime, *, by: str, seen: int) -> None:
    """Delete a contact that was read at `seen`. Raises Outdated, NotFound."""
    before = _lock(conn, tenant_id, contact_id, seen)
    at = max(millis(now), before.stamp.modified_at + 1)
    gone = {"deleted": True, "blocked": True, "deleted_at": at, "modified_at": at, "modified_by": by}
    conn.execute(_this(tenant_id, contact_id).values(**gone))
    members = contact_list_members.c
    on_a_list = (members.tenant_id == tenant_id) & (members.contact_id == contact_id)
    conn.execute(delete(contact_list_members).where(on_a_list))
    changes.add(conn, tenant_id, [(TYPE, contact_id, at, by, Action.DELETED, ())])


_KEYS: Final = {"external_id": "externalId", "phone": "phone", "email": "email"}


def _identities(row: ContactRow) -> dict[str, str]:
    found = {"external_id": row.external_id, "phone": row.phone, "email": normal(row.email)}
    return {name: value for name, value in found.items() if value}


def _owned(conn: Connection, tenant_id: str, row: ContactRow) -> AddressTaken | None:
    """The other contact that has an identity of this one."""
    named = _identities(row)
    if not named:
        return None
    same = or_(*((contacts.c[name] == value) & is_set(contacts.c[name]) for name, value in named.items()))
    query = select(contacts).where(
        contacts.c.tenant_id == tenant_id, LIVE_CONTACT, contacts.c.contact_id != row.contact_id, same
    )
    other = conn.execute(query.limit(1)).first()
    if other is None:
        return None
    name = next(name for name, value in named.items() if getattr(other, name) == value)
    return AddressTaken(_KEYS[name], other.contact_id)


def _lock(conn: Connection, tenant_id: str, contact_id: str, seen: int) -> ContactRow:
    serialize(conn, tenant_id)
    query = select(contacts).where(contacts.c.tenant_id == tenant_id, contacts.c.contact_id == contact_id)
    found = conn.execute(query.with_for_update()).first()
    if found is None or found.deleted:
        raise NotFound(TYPE, contact_id)
    if found.modified_at != seen:
        raise Outdated(TYPE, contact_id)
    return contact_of(found)


def _this(tenant_id: str, contact_id: str) -> Any:
    return update(contacts).where(contacts.c.tenant_id == tenant_id, contacts.c.contact_id == contact_id)
