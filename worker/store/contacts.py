"""People and the lists they are on.

1. A person is known by external id, number or mail address: whoever shares one is the same contact. So nobody is
   contacted twice because two files name them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, func, or_, select, update

from worker.store import dialect, suppressions
from worker.store.codec import from_json, millis, to_json
from worker.store.document_tables import LIVE_CONTACT, contact_list_members, contacts, is_set
from worker.store.documents import stamp_of
from worker.store.name_keys import name_keys
from worker.store.rows import ContactRow, Kept

KEPT = ("external_id", "phone", "email", "timezone", "fields", "blocked", "first_name_key", "last_name_key")
COLUMNS = ("tenant_id", "contact_id", *KEPT, "created_at", "modified_at")


def find(conn: Connection, tenant_id: str, address: str) -> list[ContactRow]:
    """The people with this number or mail address."""
    wanted = suppressions.normal(address)
    query = select(contacts).where(
        contacts.c.tenant_id == tenant_id,
        LIVE_CONTACT,
        or_(
            (contacts.c.phone == wanted) & is_set(contacts.c.phone),
            (contacts.c.email == wanted) & is_set(contacts.c.email),
        ),
    )
    return [contact_of(row) for row in conn.execute(query).all()]


def get(conn: Connection, tenant_id: str, contact_id: str) -> ContactRow | None:
    """One person, a deleted one too; None if there is none."""
    query = select(contacts).where(contacts.c.tenant_id == tenant_id, contacts.c.contact_id == contact_id)
    found = conn.execute(query).first()
    return contact_of(found) if found else None


def block(conn: Connection, tenant_id: str, contact_id: str, *, blocked: bool, now: datetime) -> bool:
    """Never contact this person on any channel, or allow it again. False if there is none."""
    change = (
        update(contacts)
        .where(contacts.c.tenant_id == tenant_id, contacts.c.contact_id == contact_id, LIVE_CONTACT)
        .values(blocked=blocked, modified_at=millis(now))
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


def identities(row: ContactRow) -> list[tuple[str, str]]:
    """What names the person; the number last."""
    named = [("external_id", row.external_id), ("email", suppressions.normal(row.email)), ("phone", row.phone)]
    return [(kind, value) for kind, value in named if value]


def known(conn: Connection, tenant_id: str, rows: Sequence[ContactRow]) -> dict[tuple[str, str], Row[Any]]:
    """The live contacts that have an identity of these rows, by identity."""
    found: dict[tuple[str, str], str] = {}
    for kind in ("external_id", "email", "phone"):
        wanted = [(value,) for row in rows for k, value in identities(row) if k == kind]
        if wanted:
            given = dialect.records(conn, {"value": Text()}, wanted)
            column = contacts.c[kind]
            query = select(column, contacts.c.contact_id).where(
                contacts.c.tenant_id == tenant_id,
                column.in_(select(given.c.value)),
                is_set(column),
                LIVE_CONTACT,
            )
            found |= {(kind, value): contact_id for value, contact_id in conn.execute(query).all()}
    if not found:
        return {}
    ids = dialect.ids(conn, "contact_id", dict.fromkeys(found.values()))
    owners = select(contacts).where(
        contacts.c.tenant_id == tenant_id, contacts.c.contact_id.in_(select(ids.c.contact_id))
    )
    people = {row.contact_id: row for row in conn.execute(owners).all()}
    return {identity: people[contact_id] for identity, contact_id in found.items()}


def values(row: ContactRow) -> Kept:
    """What is kept of a row, as columns."""
    names = name_keys(row.fields)
    email = suppressions.normal(row.email)
    return (row.external_id, row.phone, email, row.timezone, to_json(row.fields), row.blocked, *names)


def serialize(conn: Connection, tenant_id: str) -> None:
    """Wait for whoever else writes contacts of this tenant: two must not become owners of one address."""
    dialect.serialize(conn, f"contacts:{tenant_id}")


def contact_of(row: Row[Any]) -> ContactRow:
    """A row as the rest of the worker knows it."""
    return ContactRow(
        contact_id=row.contact_id,
        external_id=row.external_id,
        phone=row.phone,
        email=row.email,
        timezone=row.timezone,
        fields=from_json(row.fields),
        blocked=row.blocked,
        deleted=row.deleted,
        stamp=stamp_of(row),
    )
