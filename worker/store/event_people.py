"""Whom events are about: contacts found by id or address, told what is new of them, or made.

1. An id goes before addresses, a number before a mail address. Where an address belongs to somebody else than the id
   or the other address, nobody is changed: whoever was found first is meant.
2. Most events say nothing new of anybody. For those that do, and for a stranger who may be in the making elsewhere, one
   waits for whoever else writes contacts of the tenant, and looks again.
3. People are locked in one order by everybody, before any of them is written.
4. What an event changes is in the person's history, by `event`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from worker.domain.addresses import guess_timezone
from worker.domain.enrollment import Recipient
from worker.domain.queue_event import EventContact
from worker.store import changes, contacts, dialect
from worker.store.codec import millis
from worker.store.document_rows import Action
from worker.store.document_tables import contacts as contacts_table
from worker.store.rows import ContactRow

BY: Final = "event"
"""Who changes contacts when an event does."""

CONTACT_ID: Final = "contact_id"
KINDS: Final = (CONTACT_ID, "external_id", "phone", "email")
"""What names a person, the surest first."""
Identity = tuple[str, str]
"""One of these, and its value."""
_COLUMNS: Final = (*contacts.COLUMNS, "created_by", "modified_by")
_CHANGED: Final = ("tenant_id", "contact_id", *contacts.KEPT, "modified_at", "modified_by")


class Unknown(Exception):
    """Nobody can be found or made of what an event says of its contact; the text says why.

    `matters_not`: nobody was to be made.
    """

    def __init__(self, why: str, *, matters_not: bool = False) -> None:
        self.matters_not = matters_not
        super().__init__(why)


@dataclass(slots=True)
class Person:
    """Somebody that events of a batch are about, as they are after them."""

    row: ContactRow = field(repr=False)
    before: ContactRow | None = field(default=None, repr=False)
    """As they were, None for whoever is new."""
    modified_at: int = 0

    @property
    def is_new(self) -> bool:
        return self.before is None

    def as_recipient(self) -> Recipient:
        """The person as workflows see them."""
        who = self.row
        return Recipient(
            contact_id=who.contact_id, phone=who.phone, email=who.email, timezone=who.timezone, fields=who.fields
        )

    @property
    def is_changed(self) -> bool:
        return self.before is not None and self.before != self.row


def find_or_make(
    conn: Connection, tenant_id: str, wanted: Sequence[tuple[EventContact, bool]], now: datetime
) -> list[Person | Unknown]:
    """Whom each of these means, in order; True: who is not known is made. They are written.

    Who is the same person is the same object.
    """
    met = _meet(conn, tenant_id, wanted)
    settled = not any(_concerns_others(person) for person in met)
    if not settled:
        contacts.serialize(conn, tenant_id)
        met = _meet(conn, tenant_id, wanted)
    people = {person.row.contact_id: person for person in met if isinstance(person, Person)}
    _lock(conn, tenant_id, [contact_id for contact_id, person in people.items() if not person.is_new])
    if not settled:
        _write(conn, tenant_id, list(people.values()), now)
    return met


def find(conn: Connection, tenant_id: str, wanted: Sequence[EventContact]) -> list[Person | Unknown]:
    """Whom each of these means, in order; nobody is made, told anything or locked."""
    return _meet(conn, tenant_id, [(contact, False) for contact in wanted]) if wanted else []


def _concerns_others(person: Person | Unknown) -> bool:
    """Whether somebody is to be written, or may just now be made elsewhere."""
    return person.matters_not if isinstance(person, Unknown) else person.is_new or person.is_changed


def _lock(conn: Connection, tenant_id: str, contact_ids: Sequence[str]) -> None:
    """Hold these contacts until the end of this transaction. One order for everybody, before anything is written."""
    if not contact_ids:
        return
    given = dialect.ids(conn, "contact_id", contact_ids)
    row = contacts_table.c
    conn.execute(
        select(row.contact_id)
        .where(row.tenant_id == tenant_id, row.contact_id.in_(select(given.c.contact_id)))
        .order_by(row.contact_id)
        .with_for_update(key_share=True)
    ).all()


def _meet(conn: Connection, tenant_id: str, wanted: Sequence[tuple[EventContact, bool]]) -> list[Person | Unknown]:
    known = _known(conn, tenant_id, [contact for contact, _ in wanted])
    met = [_met(conn, contact, known, may_be_made=may_be_made) for contact, may_be_made in wanted]
    for place, person in enumerate(met):  # a stranger at first may have been made since
        if isinstance(person, Unknown) and person.matters_not:
            met[place] = _met(conn, wanted[place][0], known, may_be_made=False)
    return met


def _met(
    conn: Connection, contact: EventContact, known: dict[Identity, Person], *, may_be_made: bool
) -> Person | Unknown:
    try:
        person = _meant(conn, contact, known, may_be_made=may_be_made)
    except Unknown as unknown:
        return unknown
    for identity in identities(person.row):
        known.setdefault(identity, person)
    return person


def _meant(conn: Connection, contact: EventContact, known: Mapping[Identity, Person], *, may_be_made: bool) -> Person:
    found = [known[identity] for identity in identities(contact) if identity in known]
    if not found and not may_be_made:
        raise Unknown("its contact is unknown; there is nothing to end", matters_not=True)
    is_stranger = contact.contact_id and ("contact_id", contact.contact_id) not in known
    if is_stranger and (found or not contact.reachable):
        raise Unknown("its contactId is unknown" + (", and its address is another contact's" if found else ""))
    if not found:
        if not contact.reachable:
            raise Unknown("its contact is unknown and has neither phone nor email")
        return Person(_row_of(contact, contact.contact_id or dialect.new_id(conn)))
    person = found[0]
    if person.row.deleted:
        raise Unknown("its contact was deleted")
    owner = person.row.external_id
    one = len({id(other) for other in found}) == 1
    if one and not (contact.external_id and owner and contact.external_id != owner):
        person.row = _told(person.row, contact)
    return person


def identities(said: ContactRow | EventContact) -> list[Identity]:
    """What names a person, the surest first."""
    values = (said.contact_id, said.external_id, said.phone, said.email)
    return [(kind, value) for kind, value in zip(KINDS, values, strict=True) if value]


def _known(conn: Connection, tenant_id: str, wanted: Sequence[EventContact]) -> dict[Identity, Person]:
    rows = [
        ContactRow(contact_id=c.contact_id, external_id=c.external_id, phone=c.phone, email=c.email) for c in wanted
    ]
    found: dict[Identity, Row[Any]] = {**contacts.known(conn, tenant_id, rows)}
    ids = dict.fromkeys(row.contact_id for row in rows if row.contact_id)
    if ids:
        given = dialect.ids(conn, "contact_id", ids)
        query = select(contacts_table).where(
            contacts_table.c.tenant_id == tenant_id, contacts_table.c.contact_id.in_(select(given.c.contact_id))
        )
        found |= {("contact_id", row.contact_id): row for row in conn.execute(query).all()}
    people: dict[str, Person] = {}
    for row in found.values():
        if row.contact_id not in people:
            contact = contacts.contact_of(row)
            people[row.contact_id] = Person(contact, before=contact, modified_at=row.modified_at)
    return {identity: people[row.contact_id] for identity, row in found.items()} | {
        identity: person for person in people.values() if not person.row.deleted for identity in identities(person.row)
    }


def _row_of(contact: EventContact, contact_id: str) -> ContactRow:
    return ContactRow(
        contact_id=contact_id,
        external_id=contact.external_id,
        phone=contact.phone,
        email=contact.email,
        timezone=contact.timezone or (guess_timezone(contact.phone) if contact.phone else ""),
        fields=dict(contact.fields),
    )


def _told(row: ContactRow, contact: EventContact) -> ContactRow:
    """Somebody after an event: what it says goes before what was known, what it does not say stays."""
    return replace(
        row,
        external_id=contact.external_id or row.external_id,
        phone=contact.phone or row.phone,
        email=contact.email or row.email,
        timezone=contact.timezone or row.timezone,
        fields={**row.fields, **contact.fields},
    )


def _write(conn: Connection, tenant_id: str, people: Sequence[Person], now: datetime) -> None:
    at = millis(now)
    new = [(tenant_id, p.row.contact_id, *contacts.values(p.row), at, at, BY, BY) for p in people if p.is_new]
    dialect.bulk_insert(conn, contacts_table, _COLUMNS, new)
    changed = [person for person in people if person.is_changed]
    if not changed:
        return
    written = []
    for person in changed:
        moment = max(at, person.modified_at + 1)
        written.append((tenant_id, person.row.contact_id, *contacts.values(person.row), moment, BY))
    given = dialect.table_records(conn, contacts_table, _CHANGED, written)
    row = contacts_table.c
    conn.execute(
        update(contacts_table)
        .where(row.tenant_id == given.c.tenant_id, row.contact_id == given.c.contact_id)
        .values({name: given.c[name] for name in _CHANGED[2:]})
    )
    changes.add(conn, tenant_id, [_change(person, at) for person in changed if person.before])


def _change(person: Person, at: int) -> changes.Written:
    assert person.before is not None  # noqa: S101 - for the type checker
    before, after = _shown(person.before), _shown(person.row)
    moment = max(at, person.modified_at + 1)
    return ("contact", person.row.contact_id, moment, BY, Action.UPDATED, tuple(changes.differences(before, after)))


def _shown(row: ContactRow) -> dict[str, Any]:
    """What is kept of somebody as a document tells it."""
    told = {"externalId": row.external_id, "phone": row.phone, "email": row.email, "timezone": row.timezone}
    return {**row.fields, **told}
