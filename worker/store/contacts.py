"""People and the lists they are on.

1. A person is known by external id, number or mail address: whoever shares one is the same contact. So nobody is
   contacted twice because two files name them.
2. An import is idempotent: the same rows again change nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, func, or_, select, true, update

from worker.store import dialect, suppressions
from worker.store.codec import from_json, millis, to_json
from worker.store.rows import ContactRow, ImportCounts, Suppression
from worker.store.tables import contact_list_members, contacts

_KEPT = ("external_id", "phone", "email", "timezone", "fields", "blocked")
_COLUMNS = ("tenant_id", "contact_id", *_KEPT, "created_at", "updated_at")
_CHANGED = ("tenant_id", "contact_id", *_KEPT)


def import_batch(
    conn: Connection,
    tenant_id: str,
    contact_list_id: str,
    batch: Sequence[ContactRow],
    now: datetime,
    *,
    suppressed: Sequence[Suppression] = (),
) -> ImportCounts:
    """Create or update these people, put them on the list, and suppress addresses; all or nothing.

    What a row leaves empty keeps its value, and a row never unblocks. Where its address belongs to another contact,
    that one is put on the list and nobody is changed.
    """
    dialect.serialize(conn, f"contacts:{tenant_id}")
    rows = _distinct(batch)
    known = _known(conn, tenant_id, rows)
    at = millis(now)
    new, changed, members = [], [], []
    unchanged, duplicates = 0, len(batch) - len(rows)
    for row in rows:
        owners = [known[key] for key in _identities(row) if key in known]
        if not owners:
            contact_id = dialect.new_id(conn)
            new.append((tenant_id, contact_id, *_values(row), at, at))
        elif not _is_one_person(row, owners):
            contact_id = owners[-1].contact_id  # whoever has the address is on the list; nobody is changed
            duplicates += 1
        else:
            contact_id = owners[0].contact_id
            values = _values(_merged(row, owners[0]))
            if values == tuple(getattr(owners[0], name) for name in _KEPT):
                unchanged += 1
            else:
                changed.append((tenant_id, contact_id, *values))
        members.append((tenant_id, contact_list_id, contact_id))
    dialect.bulk_insert(conn, contacts, _COLUMNS, new)
    _update(conn, changed, at)
    _join_list(conn, members)
    suppressions.add(conn, tenant_id, suppressed, now)
    return ImportCounts(new=len(new), updated=len(changed), unchanged=unchanged, duplicates=duplicates)


def find(conn: Connection, tenant_id: str, address: str) -> list[ContactRow]:
    """The people with this number or mail address."""
    wanted = suppressions.normal(address)
    query = select(contacts).where(
        contacts.c.tenant_id == tenant_id,
        or_(
            (contacts.c.phone == wanted) & (contacts.c.phone != ""),
            (contacts.c.email == wanted) & (contacts.c.email != ""),
        ),
    )
    return [_contact(row) for row in conn.execute(query).all()]


def get(conn: Connection, tenant_id: str, contact_id: str) -> ContactRow | None:
    """One person; None if there is none."""
    query = select(contacts).where(contacts.c.tenant_id == tenant_id, contacts.c.contact_id == contact_id)
    found = conn.execute(query).first()
    return _contact(found) if found else None


def block(conn: Connection, tenant_id: str, contact_id: str, *, blocked: bool, now: datetime) -> bool:
    """Never contact this person on any channel, or allow it again. False if there is none."""
    change = (
        update(contacts)
        .where(contacts.c.tenant_id == tenant_id, contacts.c.contact_id == contact_id)
        .values(blocked=blocked, updated_at=millis(now))
    )
    return conn.execute(change).rowcount > 0


def list_size(conn: Connection, tenant_id: str, contact_list_id: str) -> int:
    """How many people are on a list."""
    members = contact_list_members.c
    query = select(func.count()).where(members.tenant_id == tenant_id, members.contact_list_id == contact_list_id)
    return conn.execute(query).scalar_one()


def field_names(conn: Connection, tenant_id: str, contact_list_id: str, sample: int = 1000) -> frozenset[str]:
    """What templates can say of the people on a list: the names of the fields that at least one of a sample has."""
    member = contact_list_members.c
    query = (
        select(contacts.c.fields)
        .join_from(
            contact_list_members,
            contacts,
            (contacts.c.tenant_id == member.tenant_id) & (contacts.c.contact_id == member.contact_id),
        )
        .where(member.tenant_id == tenant_id, member.contact_list_id == contact_list_id)
        .limit(sample)
    )
    return frozenset(name for text in conn.execute(query).scalars() for name in from_json(text))


def _distinct(batch: Iterable[ContactRow]) -> list[ContactRow]:
    """The batch without the rows that repeat an identity of an earlier one."""
    seen: set[tuple[str, str]] = set()
    rows = []
    for row in batch:
        identities = _identities(row)
        if seen.isdisjoint(identities):
            rows.append(row)
        seen.update(identities)
    return rows


def _identities(row: ContactRow) -> list[tuple[str, str]]:
    """What names the person; the number last."""
    named = [("external_id", row.external_id), ("email", suppressions.normal(row.email)), ("phone", row.phone)]
    return [(kind, value) for kind, value in named if value]


def _known(conn: Connection, tenant_id: str, rows: Sequence[ContactRow]) -> dict[tuple[str, str], Row[Any]]:
    """The contacts that have an identity of these rows, by identity."""
    known: dict[tuple[str, str], Row[Any]] = {}
    for kind in ("external_id", "email", "phone"):
        wanted = [(value,) for row in rows for k, value in _identities(row) if k == kind]
        if wanted:
            given = dialect.records(conn, {"value": Text()}, wanted)
            column = contacts.c[kind]
            query = select(contacts).where(
                contacts.c.tenant_id == tenant_id, column.in_(select(given.c.value)), column != ""
            )
            known |= {(kind, getattr(found, kind)): found for found in conn.execute(query).all()}
    return known


def _is_one_person(row: ContactRow, owners: Sequence[Row[Any]]) -> bool:
    if len({owner.contact_id for owner in owners}) > 1:
        return False
    known = owners[0].external_id
    return not (row.external_id and known and row.external_id != known)


def _merged(row: ContactRow, owner: Row[Any]) -> ContactRow:
    return replace(
        row,
        external_id=row.external_id or owner.external_id,
        phone=row.phone or owner.phone,
        email=row.email or owner.email,
        timezone=row.timezone or owner.timezone,
        blocked=row.blocked or owner.blocked,
    )


def _values(row: ContactRow) -> tuple[Any, ...]:
    email = suppressions.normal(row.email)
    return (row.external_id, row.phone, email, row.timezone, to_json(row.fields), row.blocked)


def _update(conn: Connection, changed: Sequence[tuple[Any, ...]], at: int) -> None:
    if not changed:
        return
    given = dialect.table_records(conn, contacts, _CHANGED, changed)
    conn.execute(
        update(contacts)
        .where(contacts.c.tenant_id == given.c.tenant_id, contacts.c.contact_id == given.c.contact_id)
        .values({name: given.c[name] for name in _KEPT} | {"updated_at": at})
    )


def _join_list(conn: Connection, members: Sequence[tuple[str, str, str]]) -> None:
    if not members:
        return
    names = ("tenant_id", "contact_list_id", "contact_id")
    given = dialect.table_records(conn, contact_list_members, names, members)
    insert = dialect.upsert(conn, contact_list_members).from_select(names, select(given).where(true()))
    conn.execute(insert.on_conflict_do_nothing())


def _contact(row: Row[Any]) -> ContactRow:
    return ContactRow(
        contact_id=row.contact_id,
        external_id=row.external_id,
        phone=row.phone,
        email=row.email,
        timezone=row.timezone,
        fields=from_json(row.fields),
        blocked=row.blocked,
    )
