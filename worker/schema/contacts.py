"""Contacts of the schema service: the document, and the row that audiences and the workers share.

1. The row has what people are told apart by and reached at; `fields`, which templates see, is the rest of the document.
2. Two contacts cannot share an address. A conflict names the other one by its id.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from worker.domain.addresses import guess_timezone
from worker.domain.contact import Contact
from worker.domain.faults import Fault
from worker.schema import rules
from worker.schema.changing import merged, require_fresh, require_same_ids, trying
from worker.schema.drafts import Wire, header
from worker.schema.errors import Conflict, Invalid, NotFound
from worker.schema.scopes import Actor
from worker.schema.types import HEADER, STAMPED, TYPES
from worker.store.changes import differences
from worker.store.document_rows import Action
from worker.store.document_writes import RequestKey
from worker.store.facade import Store
from worker.store.rows import ContactRow

KIND: Final = TYPES[Contact.TYPE]
MOST_AT_ONCE: Final = 10_000
_APART: Final = HEADER | {"_id", "contactId", "externalId"}
"""What stands in columns and not among the fields."""


class Contacts:
    """The calls of the service, for contacts."""

    def __init__(self, store: Store, now: Callable[[], datetime], region: str) -> None:
        self.store, self.now, self.region = store, now, region

    def create(self, actor: Actor, data: Any, request: RequestKey | None) -> Wire:
        row = self._row(actor, data, "")
        contact_id = self.store.create_contact(actor.tenant_id, row, self.now(), by=actor.user_id, request=request)
        return self.retrieve(actor, contact_id, deleted=True)

    def create_many(self, actor: Actor, rows: Sequence[Any]) -> tuple[str, ...]:
        if len(rows) > MOST_AT_ONCE:
            raise Invalid(f"at most {MOST_AT_ONCE:,} contacts at once, not {len(rows):,}; send them in parts")
        read: list[ContactRow] = []

        def make() -> Iterator[ContactRow]:
            read.clear()
            faults: list[Fault] = []
            for place, data in enumerate(rows):
                try:
                    read.append(self._row(actor, data, ""))
                except Invalid as error:
                    faults += [fault.under(place) for fault in error.faults]
                else:
                    yield read[-1]
            if faults:
                raise Invalid("some contacts break rules, none was created", faults)

        try:
            self.store.create_contacts(actor.tenant_id, make, self.now(), by=actor.user_id)
        except DBAPIError as error:
            refusal = self.store.taken_contact(actor.tenant_id, read)
            if refusal is None:
                raise
            raise Conflict(str(refusal)) from error
        return tuple(row.contact_id for row in read)

    def retrieve(self, actor: Actor, contact_id: str, *, deleted: bool = False) -> Wire:
        return contact_wire(actor.tenant_id, self._stored(actor, contact_id, deleted=deleted))

    def update(self, actor: Actor, contact_id: str, changes: Mapping[str, Any], modified_at: int | None) -> Wire:
        return trying(lambda: self._change(actor, contact_id, changes, modified_at))

    def delete(self, actor: Actor, contact_id: str, modified_at: int | None) -> None:
        before = self._stored(actor, contact_id)
        require_fresh(KIND.name, before.stamp, modified_at)
        seen = before.stamp.modified_at
        self.store.delete_contact(actor.tenant_id, contact_id, self.now(), by=actor.user_id, seen=seen)

    def creation(self, actor: Actor, contact_id: str) -> tuple[Wire, ...]:
        """The first entry of its history, which the row itself tells."""
        stamp = self._stored(actor, contact_id, deleted=True).stamp
        return ({"at": stamp.created_at, "by": stamp.created_by, "action": Action.CREATED, "changes": ()},)

    def _change(self, actor: Actor, contact_id: str, changes: Mapping[str, Any], modified_at: int | None) -> Wire:
        before = self._stored(actor, contact_id)
        require_fresh(KIND.name, before.stamp, modified_at)
        was = contact_wire(actor.tenant_id, before)
        require_same_ids(KIND.name, {key: was[key] for key in ("contactId", "_id")}, changes)
        told = {key: value for key, value in changes.items() if key not in STAMPED}
        document = {key: value for key, value in was.items() if key not in STAMPED | {"deletedAt"}}
        row = self._row(actor, merged(document, told), contact_id, told=told)
        is_now = contact_wire(actor.tenant_id, row)
        changed = [
            change for change in differences(_body(was), _body(is_now)) if change.get("from") != change.get("to")
        ]
        if not changed:
            return was
        stored = self.store.change_contact(
            actor.tenant_id, row, self.now(), by=actor.user_id, seen=before.stamp.modified_at, changed=changed
        )
        return contact_wire(actor.tenant_id, stored)

    def _row(self, actor: Actor, data: Any, contact_id: str, *, told: Mapping[str, Any] | None = None) -> ContactRow:
        """A contact by its own rules; `told` as in `rules.read`. Raises Invalid."""
        model, wire = rules.read(KIND, data, actor.tenant_id, self.region, told=told)
        assert isinstance(model, Contact)  # noqa: S101 - for the type checker
        key = contact_id or KIND.id_of(wire) or self.store.new_id()
        rules.require_id(KIND, key)
        return ContactRow(
            contact_id=key,
            external_id=model.external_id,
            phone=model.number,
            email=model.email,
            timezone=model.zone,
            fields={name: value for name, value in wire.items() if name not in _APART},
            blocked=bool(model.blocked_at),
        )

    def _stored(self, actor: Actor, contact_id: str, *, deleted: bool = False) -> ContactRow:
        found = self.store.get_contact(actor.tenant_id, contact_id)
        if found is None or (found.deleted and not deleted):
            raise NotFound(f"there is no contact {contact_id!r}; check the id")
        return found


def contact_wire(tenant_id: str, row: ContactRow) -> Wire:
    """A contact as JSON. What an import or a block has changed since goes before what the document said."""
    fields: Wire = {}
    odd: Wire = {}
    for key, value in row.fields.items():
        (odd if key in _APART or not _fits(key, value) else fields)[key] = value
    if odd:  # a column of an import may be called like a key that means something else here
        fields["attributes"] = {**odd, **fields.get("attributes", {})}
    if row.phone not in (fields.get("mobile"), fields.get("phone")):
        fields.pop("mobile", None)
        fields["phone"] = row.phone
    known: Wire = {"externalId": row.external_id, "email": row.email}
    guessed = row.timezone == guess_timezone(row.phone) if row.phone else not row.timezone
    known |= {} if "timezone" in fields or guessed else {"timezone": row.timezone}
    known |= {"blockedAt": (fields.get("blockedAt") or row.stamp.modified_at) if row.blocked else 0}
    ids = {"_id": row.contact_id, "contactId": row.contact_id}
    told = {key: value for key, value in (fields | known).items() if value or key not in _HIDDEN_WHEN_EMPTY}
    return ids | header(tenant_id, Contact.TYPE, row.stamp) | told


def _fits(key: str, value: Any) -> bool:
    """Whether a value has the shape that the document wants under this key."""
    match key:
        case "attributes":
            return isinstance(value, dict)
        case "addresses" | "connections":
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)
        case _:
            return True


_HIDDEN_WHEN_EMPTY: Final = frozenset({"externalId", "email", "timezone", "phone", "blockedAt"})


def _body(wire: Wire) -> Wire:
    return {key: value for key, value in wire.items() if key not in HEADER}
