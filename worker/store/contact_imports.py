"""Many people at once, as files bring them: created or updated, put on a list, their opt-outs kept; all or nothing.

1. An import is idempotent: the same rows again change nothing.
2. What a row leaves empty keeps its value, and a row never unblocks. Where its address belongs to another contact, that
   one is put on the list and nobody is changed.
3. Most files are all of new people, or all of known ones. Whoever expects new ones says so: then nobody is looked up,
   and the unique indexes say whether that was right.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, Row, select, true, update
from sqlalchemy.exc import DBAPIError

from worker.store import changes, dialect, imports, suppressions
from worker.store.codec import from_json, millis
from worker.store.contacts import COLUMNS, KEPT, identities, known, serialize, values
from worker.store.document_rows import Action
from worker.store.document_tables import LIVE_CONTACT, contact_list_members, contacts, is_set
from worker.store.errors import NotAllNew
from worker.store.rows import ContactRow, ImportCounts, ImportStep, Kept, Suppression

IMPORT: Final = "import"
"""Who changes contacts when a file does."""

_IDENTITIES: Final = KEPT[:3]
_CHANGED: Final = ("tenant_id", "contact_id", *KEPT, "modified_at", "modified_by")
_MEMBER: Final = ("tenant_id", "contact_list_id", "contact_id", "added_at")


def import_batch(
    conn: Connection,
    tenant_id: str,
    contact_list_id: str,
    batch: Sequence[ContactRow | Kept],
    now: datetime,
    *,
    suppressed: Sequence[Suppression] = (),
    expect_new: bool = False,
    step: ImportStep | None = None,
) -> ImportCounts:
    """Take these people in, as rows or as what is kept of them.

    `expect_new`: nobody of them is thought to be here yet, which is quicker if it is true.

    `step`: of which file they are, and how far it has come with them. Raises ImportOvertaken, and NotAllNew where
    new ones were expected: then it is to be called again without.
    """
    serialize(conn, tenant_id)
    at = millis(now)
    people = [values(row) if isinstance(row, ContactRow) else row for row in batch]
    if expect_new:
        counts = _all_new(conn, tenant_id, contact_list_id, people, at)
    else:
        counts = _merge(conn, tenant_id, contact_list_id, people, at)
    suppressions.add(conn, tenant_id, suppressed, now)
    if step:
        dialect.commit_unhurried(conn)  # `finish` waits for all of them
        imports.go_on(conn, tenant_id, step, counts, now)
    return counts


def _all_new(conn: Connection, tenant_id: str, contact_list_id: str, rows: Sequence[Kept], at: int) -> ImportCounts:
    try:
        _create(conn, tenant_id, contact_list_id, rows, at)
    except DBAPIError as error:
        if not dialect.is_conflict(error):
            raise
        raise NotAllNew from None
    return ImportCounts(new=len(rows))


def _create(conn: Connection, tenant_id: str, contact_list_id: str, rows: Sequence[Kept], at: int) -> None:
    ids = dialect.new_ids(conn, len(rows))
    people = ((tenant_id, key, *row, at, at) for key, row in zip(ids, rows, strict=True))
    dialect.bulk_insert(conn, contacts, COLUMNS, people)
    dialect.bulk_insert(conn, contact_list_members, _MEMBER, ((tenant_id, contact_list_id, key, at) for key in ids))


def _merge(conn: Connection, tenant_id: str, contact_list_id: str, batch: Sequence[Kept], at: int) -> ImportCounts:
    """Look up who is here, and write what the rows say that is new."""
    distinct = _distinct(batch)
    same = _same(conn, tenant_id, distinct)
    rows = [_row(kept) for place, kept in enumerate(distinct) if place not in same]
    owned = known(conn, tenant_id, rows)
    new: list[Kept] = []
    changed: list[tuple[Any, ...]] = []
    members: list[tuple[Any, ...]] = [(tenant_id, contact_list_id, key, at) for key in same.values()]
    history: list[changes.Written] = []
    unchanged, duplicates = len(same), len(batch) - len(distinct)
    for row in rows:
        owners = [owned[key] for key in identities(row) if key in owned]
        if not owners:
            new.append(values(row))
            continue
        if not _is_one_person(row, owners):
            owner = owners[-1]  # whoever has the address is on the list; nobody is changed
            duplicates += 1
        else:
            owner = owners[0]
            written = values(_merged(row, owner))
            if written == tuple(getattr(owner, name) for name in KEPT):
                unchanged += 1
            else:
                changed.append((tenant_id, owner.contact_id, *written, max(at, owner.modified_at + 1), IMPORT))
                history.append(_change(owner, written, changed[-1][-2]))
        members.append((tenant_id, contact_list_id, owner.contact_id, at))
    _create(conn, tenant_id, contact_list_id, new, at)
    _update(conn, changed)
    changes.add(conn, tenant_id, history)
    _join_list(conn, members)
    return ImportCounts(new=len(new), updated=len(changed), unchanged=unchanged, duplicates=duplicates)


def _row(kept: Kept) -> ContactRow:
    external_id, phone, email, timezone, fields, blocked, _, _ = kept
    return ContactRow(
        external_id=external_id, phone=phone, email=email, timezone=timezone, fields=from_json(fields), blocked=blocked
    )


def _distinct(batch: Sequence[Kept]) -> Sequence[Kept]:
    """The batch without the rows that repeat an identity of an earlier one."""
    columns = ([kept[place] for kept in batch if kept[place]] for place in range(len(_IDENTITIES)))
    if all(len(set(named)) == len(named) for named in columns):
        return batch
    seen: set[tuple[str, str]] = set()
    rows = []
    for kept in batch:
        identities = {(kind, value) for kind, value in zip(_IDENTITIES, kept[:3], strict=True) if value}
        if seen.isdisjoint(identities):
            rows.append(kept)
        seen |= identities
    return rows


def _same(conn: Connection, tenant_id: str, rows: Sequence[Kept]) -> dict[int, str]:
    """Who is here already exactly as a row has it: places among the rows, and contact ids. The database compares."""
    by_key: dict[str, list[tuple[Any, ...]]] = {}
    for place, kept in enumerate(rows):
        key = next((kind for kind, value in zip(_IDENTITIES, kept, strict=False) if value), None)
        if key:
            by_key.setdefault(key, []).append((place, tenant_id, *kept))
    found: dict[int, str] = {}
    types = {"place": Integer()} | {name: contacts.c[name].type for name in ("tenant_id", *KEPT)}
    for key, wanted in by_key.items():
        given = dialect.records(conn, types, wanted)
        query = select(given.c.place, contacts.c.contact_id).where(
            contacts.c.tenant_id == given.c.tenant_id,
            *(contacts.c[name] == given.c[name] for name in KEPT),
            is_set(contacts.c[key]),
            LIVE_CONTACT,
        )
        found |= {row.place: row.contact_id for row in conn.execute(query).all()}
    return found


def _is_one_person(row: ContactRow, owners: Sequence[Row[Any]]) -> bool:
    if len({owner.contact_id for owner in owners}) > 1:
        return False
    known_as = owners[0].external_id
    return not (row.external_id and known_as and row.external_id != known_as)


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


def _join_list(conn: Connection, members: Sequence[tuple[Any, ...]]) -> None:
    """Put these on the list; who is on it already joined when they did."""
    if not members:
        return
    given = dialect.table_records(conn, contact_list_members, _MEMBER, members)
    insert = dialect.upsert(conn, contact_list_members).from_select(_MEMBER, select(given).where(true()))
    conn.execute(insert.on_conflict_do_nothing())
