"""People and the lists they are on.

1. A person is known by external id, number or mail address: whoever shares one is the same contact. So nobody is
   contacted twice because two files name them.
2. An import is idempotent: the same rows again change nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, func, or_, select, true, update

from worker.domain.search import keyword_term
from worker.store import changes, dialect, suppressions
from worker.store.codec import from_json, millis, to_json
from worker.store.document_rows import Action
from worker.store.document_tables import LIVE_CONTACT, contact_list_members, contacts, is_set
from worker.store.documents import stamp_of
from worker.store.rows import ContactRow, ImportCounts, Suppression

KEPT = ("external_id", "phone", "email", "timezone", "fields", "blocked", "first_name_key", "last_name_key")
COLUMNS = ("tenant_id", "contact_id", *KEPT, "created_at", "modified_at")
_CHANGED = ("tenant_id", "contact_id", *KEPT, "modified_at", "modified_by")

IMPORT = "import"
"""Who changes contacts when a file does."""


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
    serialize(conn, tenant_id)
    rows = _distinct(batch)
    owned = known(conn, tenant_id, rows)
    at = millis(now)
    new, changed, members = [], [], []
    history: list[changes.Written] = []
    unchanged, duplicates = 0, len(batch) - len(rows)
    for row in rows:
        owners = [owned[key] for key in _identities(row) if key in owned]
        if not owners:
            contact_id = dialect.new_id(conn)
            new.append((tenant_id, contact_id, *values(row), at, at))
        elif not _is_one_person(row, owners):
            contact_id = owners[-1].contact_id  # whoever has the address is on the list; nobody is changed
            duplicates += 1
        else:
            contact_id = owners[0].contact_id
            written = values(_merged(row, owners[0]))
            if written == tuple(getattr(owners[0], name) for name in KEPT):
                unchanged += 1
            else:
                changed.append((tenant_id, contact_id, *written, max(at, owners[0].modified_at + 1), IMPORT))
                history.append(_change(owners[0], written, changed[-1][-2]))
        members.append((tenant_id, contact_list_id, contact_id))
    dialect.bulk_insert(conn, contacts, COLUMNS, new)
    _update(conn, changed)
    changes.add(conn, tenant_id, history)
    _join_list(conn, members)
    suppressions.add(conn, tenant_id, suppressed, now)
    return ImportCounts(new=len(new), updated=len(changed), unchanged=unchanged, duplicates=duplicates)


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


def known(conn: Connection, tenant_id: str, rows: Sequence[ContactRow]) -> dict[tuple[str, str], Row[Any]]:
    """The live contacts that have an identity of these rows, by identity."""
    owners: dict[tuple[str, str], Row[Any]] = {}
    for kind in ("external_id", "email", "phone"):
        wanted = [(value,) for row in rows for k, value in _identities(row) if k == kind]
        if wanted:
            given = dialect.records(conn, {"value": Text()}, wanted)
            column = contacts.c[kind]
            query = select(contacts).where(
                contacts.c.tenant_id == tenant_id,
                column.in_(select(given.c.value)),
                is_set(column),
                LIVE_CONTACT,
            )
            owners |= {(kind, getattr(found, kind)): found for found in conn.execute(query).all()}
    return owners


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
        fields={**from_json(owner.fields), **row.fields},
        blocked=row.blocked or owner.blocked,
    )


def values(row: ContactRow) -> tuple[Any, ...]:
    """What is kept of a row, as columns."""
    names = name_keys(row.fields)
    email = suppressions.normal(row.email)
    return (row.external_id, row.phone, email, row.timezone, to_json(row.fields), row.blocked, *names)


def name_keys(fields: Mapping[str, Any]) -> tuple[str, str]:
    """First and last name as searches ask for them; of who has neither, the whole name as the first."""
    first, last, whole = (keyword_term(_text(fields.get(key))) for key in ("firstName", "lastName", "name"))
    return first or ("" if last else whole), last


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def serialize(conn: Connection, tenant_id: str) -> None:
    """Wait for whoever else writes contacts of this tenant: two must not become owners of one address."""
    dialect.serialize(conn, f"contacts:{tenant_id}")


def _change(owner: Row[Any], written: Sequence[Any], at: int) -> changes.Written:
    """What an import changes of somebody, for the history."""
    before, after = _shown([getattr(owner, name) for name in KEPT]), _shown(written)
    return ("contact", owner.contact_id, at, IMPORT, Action.UPDATED, tuple(changes.differences(before, after)))


def _shown(kept: Sequence[Any]) -> dict[str, Any]:
    """What is kept of somebody as a document tells it."""
    column = dict(zip(KEPT, kept, strict=True))
    told = {"externalId": column["external_id"], "phone": column["phone"], "email": column["email"]}
    fields: dict[str, Any] = from_json(column["fields"])
    return fields | told | {"timezone": column["timezone"], "blocked": column["blocked"]}


def _update(conn: Connection, changed: Sequence[tuple[Any, ...]]) -> None:
    if not changed:
        return
    given = dialect.table_records(conn, contacts, _CHANGED, changed)
    conn.execute(
        update(contacts)
        .where(contacts.c.tenant_id == given.c.tenant_id, contacts.c.contact_id == given.c.contact_id)
        .values({name: given.c[name] for name in _CHANGED[2:]})
    )


def _join_list(conn: Connection, members: Sequence[tuple[str, str, str]]) -> None:
    if not members:
        return
    names = ("tenant_id", "contact_list_id", "contact_id")
    given = dialect.table_records(conn, contact_list_members, names, members)
    insert = dialect.upsert(conn, contact_list_members).from_select(names, select(given).where(true()))
    conn.execute(insert.on_conflict_do_nothing())


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
