"""Documents of every type: created, read, changed, searched and deleted in one way.

1. Every call names its actor. It needs the scope of its type and sees nothing of another tenant.
2. A write is checked against everything it rests on, and refused by the store when some of that has changed meanwhile;
   then it is checked anew. So of two simultaneous creates with one name one wins.
3. Nothing was changed when an error is raised. All errors are those of `worker.schema.errors`.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
import structlog

from worker.domain import faults
from worker.domain.base import Document as Model
from worker.domain.comm_consent import CommConsent
from worker.domain.disposition import Disposition
from worker.domain.search import Is, Order, keyword_term
from worker.domain.segment import Segment
from worker.schema import rules
from worker.schema.changing import merged, require_fresh, require_same_ids, trying
from worker.schema.contacts import Contacts
from worker.schema.drafts import Wire, draft, to_wire
from worker.schema.errors import Invalid, NotFound
from worker.schema.finding import Found, Search, find
from worker.schema.refusals import refusals
from worker.schema.rules import Surroundings
from worker.schema.scopes import Actor, Right
from worker.schema.types import HEADER, TYPES, SchemaType, users_of
from worker.store.document_rows import Document
from worker.store.document_writes import RequestKey
from worker.store.errors import StillUsed
from worker.store.facade import Store
from worker.store.rows import Suppression
from worker.store.search import Page

log = structlog.get_logger()

Definition = tuple[str, str, Mapping[str, Any]]
"""Type, id and JSON of a document that has been checked by itself."""

CONTACT: Final = "contact"
_REINDEXED_AT_ONCE: Final = 200


class SchemaService:
    """The service over one store. `default_region` (ISO 3166) is the country of numbers without a country code."""

    def __init__(self, store: Store, now: Callable[[], datetime], *, default_region: str = "US") -> None:
        self.store, self.now, self.region = store, now, default_region
        self._contacts = Contacts(store, now, default_region)

    def create(self, actor: Actor, type_name: str, data: Any, *, idempotency_key: str = "") -> Wire:
        """Create a document; the id is drawn unless the data has one. The same key again gives the same document."""
        kind = self._allowed(actor, type_name, Right.WRITE)
        request = RequestKey(key=idempotency_key, digest=_digest(type_name, data)) if idempotency_key else None
        with refusals():
            if type_name == CONTACT:
                return self._contacts.create(actor, data, request)
            model, wire = rules.read(kind, data, actor.tenant_id, self.region)
            document_id = kind.id_of(wire) or f"{kind.prefix}_{self.store.new_id()}"
            rules.require_id(kind, document_id)

            def write() -> Document:
                around = self._around(actor)
                rules.require_consistent(around, kind, document_id, model, wire)
                return self.store.create_document(
                    actor.tenant_id,
                    draft(kind, document_id, model, wire),
                    self.now(),
                    by=actor.user_id,
                    seen=around.seen,
                    request=request,
                    suppress=_suppressions(model),
                )

            return to_wire(actor.tenant_id, trying(write))

    def create_many(self, actor: Actor, type_name: str, rows: Sequence[Any]) -> tuple[str, ...]:
        """Create many contacts, all or none; their ids in order. Raises Invalid for any other type."""
        self._allowed(actor, type_name, Right.WRITE)
        if type_name != CONTACT:
            raise Invalid(f"only contacts are created in batches, not {type_name}; create each by itself")
        with refusals():
            return self._contacts.create_many(actor, rows)

    def retrieve(self, actor: Actor, type_name: str, document_id: str, *, deleted: bool = False) -> Wire:
        """One document by its public id or its `_id`. Raises NotFound, also for a deleted one unless asked for."""
        kind = self._allowed(actor, type_name, Right.READ)
        with refusals():
            if type_name == CONTACT:
                return self._contacts.retrieve(actor, document_id, deleted=deleted)
            return to_wire(actor.tenant_id, self._stored(actor, kind, document_id, deleted=deleted))

    def update(
        self, actor: Actor, type_name: str, document_id: str, changes: Any, *, modified_at: int | None = None
    ) -> Wire:
        """Change some keys; null or "" unsets one. The merged document is checked as a whole.

        `modified_at`: refuse with Stale unless the document is as it was then.
        """
        kind = self._allowed(actor, type_name, Right.WRITE)
        if not isinstance(changes, Mapping):
            raise Invalid(f"the changes of a {type_name} must be a map of keys to values", [])
        with refusals():
            if type_name == CONTACT:
                return self._contacts.update(actor, document_id, changes, modified_at)
            return to_wire(
                actor.tenant_id, trying(lambda: self._change(actor, kind, document_id, changes, modified_at))
            )

    def search(self, actor: Actor, type_name: str, search: Search) -> Found:
        """A page of what a query asks for, and how many there are in all."""
        kind = self._allowed(actor, type_name, Right.READ)
        with refusals():
            return find(self.store, actor.tenant_id, kind, search)

    def delete(self, actor: Actor, type_name: str, document_id: str, *, modified_at: int | None = None) -> None:
        """Delete a document that no live one needs. It is no longer found; its history stays."""
        kind = self._allowed(actor, type_name, Right.DELETE)
        with refusals():
            if type_name == CONTACT:
                self._contacts.delete(actor, document_id, modified_at)
            else:
                trying(lambda: self._delete(actor, kind, document_id, modified_at))

    def history(self, actor: Actor, type_name: str, document_id: str) -> tuple[Wire, ...]:
        """Who changed what, when, from what to what; the oldest first, at most the last thousand changes."""
        kind = self._allowed(actor, type_name, Right.READ)
        with refusals():
            if type_name == CONTACT:
                created = self._contacts.creation(actor, document_id)
            else:
                document_id = self._stored(actor, kind, document_id, deleted=True).id
                created = ()
            found = self.store.changes_of(actor.tenant_id, type_name, document_id)
            return created + tuple({"at": c.at, "by": c.by, "action": c.action, "changes": c.changes} for c in found)

    def save(self, actor: Actor, checked: Sequence[Definition]) -> None:
        """Create or replace documents that have been checked together, all or none."""
        with refusals():
            consents = [CommConsent.parse(data, self.region) for kind, _, data in checked if kind == CommConsent.TYPE]
            suppress = [entry for consent in consents for entry in _suppressions(consent)]
            drafts = self.drafts(actor, checked)
            self.store.save_documents(actor.tenant_id, drafts, self.now(), by=actor.user_id, suppress=suppress)

    def drafts(self, actor: Actor, checked: Sequence[Definition]) -> list[Document]:
        """Documents that have been checked together, as the store keeps them. Raises Forbidden, Invalid."""
        for type_name, document_id, data in checked:
            kind = self._allowed(actor, type_name, Right.WRITE)
            if type_name == CONTACT:
                raise Invalid(
                    "contacts are not saved as definitions; use `campaigns import`, or create them one by one"
                )
            rules.require_id(kind, document_id)
            rules.require_own(kind, data, actor.tenant_id)
        rules.require_references(self._around(actor), [(TYPES[kind], key, data) for kind, key, data in checked])
        return [self._draft(*definition) for definition in checked]

    def _draft(self, type_name: str, document_id: str, data: Mapping[str, Any]) -> Document:
        kind = TYPES[type_name]
        return draft(kind, document_id, kind.model.parse(data, self.region), data)

    def reindex(self) -> int:
        """Make anew the terms that an older version made. Returns of how many documents."""
        versions = {kind.name: kind.terms_version for kind in TYPES.values()}
        done = 0
        while batch := self.store.documents_with_old_terms(versions, _REINDEXED_AT_ONCE):
            for tenant_id, found in batch:
                self.store.put_terms(tenant_id, [self._made_anew(found)])
            done += len(batch)
        return done

    def _made_anew(self, found: Document) -> Document:
        """A stored document with the terms of this version; by its id alone where it breaks the rules of today."""
        try:
            made = self._draft(found.type, found.id, found.data)
        except faults.Invalid:
            log.warning("document breaks rules of this version, found by its id only", type=found.type, id=found.id)
            made = replace(found, terms=(("_id", found.id),), terms_version=TYPES[found.type].terms_version)
        return replace(made, stamp=found.stamp)

    def _allowed(self, actor: Actor, type_name: str, right: Right) -> SchemaType:
        kind = TYPES.get(type_name)
        if kind is None:
            raise NotFound(f"there is no type {type_name!r}; one of {', '.join(TYPES)}")
        actor.require(kind.scope(right))
        return kind

    def _around(self, actor: Actor) -> Surroundings:
        return Surroundings(self.store, actor.tenant_id, self.region)

    def _stored(self, actor: Actor, kind: SchemaType, document_id: str, *, deleted: bool = False) -> Document:
        found = self.store.get_document(actor.tenant_id, kind.name, document_id)
        if found is None:
            page = Page(order=Order("createdAt"), rows=1, total=1)
            hits = self.store.search_documents(actor.tenant_id, kind.name, Is("_id", document_id), page)
            found = next(iter(hits.rows), None)
        if found is None or (found.deleted and not deleted):
            raise NotFound(f"there is no {kind.name} {document_id!r}; check the id")
        return found

    def _change(
        self, actor: Actor, kind: SchemaType, document_id: str, changes: Mapping[str, Any], modified_at: int | None
    ) -> Document:
        before = self._stored(actor, kind, document_id)
        require_fresh(kind.name, before.stamp, modified_at)
        model, wire = rules.read(kind, _merged(kind, before, changes), actor.tenant_id, self.region, told=changes)
        around = self._around(actor)
        rules.require_consistent(around, kind, before.id, model, wire)
        changed = draft(kind, before.id, model, wire)
        if given_up := _called(before) - _called(changed):
            self._require_unused(actor, kind, before, given_up)
        seen = {**around.seen, (kind.name, before.id): before.stamp.modified_at}
        return self.store.change_document(
            actor.tenant_id,
            changed,
            self.now(),
            by=actor.user_id,
            seen=seen,
            suppress=_suppressions(model),
        )

    def _delete(self, actor: Actor, kind: SchemaType, document_id: str, modified_at: int | None) -> None:
        found = self._stored(actor, kind, document_id)
        require_fresh(kind.name, found.stamp, modified_at)
        users = _users(kind, _called(found))
        self.store.delete_document(actor.tenant_id, found, self.now(), by=actor.user_id, users=users)

    def _require_unused(self, actor: Actor, kind: SchemaType, found: Document, names: Iterable[str]) -> None:
        if holders := self.store.term_holders(actor.tenant_id, _users(kind, names)):
            raise StillUsed(kind.name, found.id, holders)


def _merged(kind: SchemaType, before: Document, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A document with some keys changed, to be checked. Raises Invalid where its id would change."""
    ids = {kind.id_key: before.id, "_id": before.data.get("_id") or before.id}
    require_same_ids(kind.name, ids, changes)
    told = {key: value for key, value in changes.items() if key not in HEADER | ids.keys()}
    checked = {key: value for key, value in changes.items() if key in ("tenantId", "objectType", "deletedAt")}
    return merged(before.data, told) | checked


def _users(kind: SchemaType, names: Iterable[str]) -> list[tuple[str, str, Sequence[str]]]:
    """Where documents that need one of this type name it: type, field, terms."""
    terms = [keyword_term(name) for name in names]
    return [(user, field, terms) for user, field in users_of(kind.name)]


def _called(found: Document) -> frozenset[str]:
    """What other documents may call it."""
    match found.type:
        case Disposition.TYPE:
            return Disposition.parse(found.data).names
        case Segment.TYPE:
            return frozenset({found.id, found.name})
        case _:
            return frozenset({found.id})


def _suppressions(model: Model) -> tuple[Suppression, ...]:
    if not isinstance(model, CommConsent) or not model.refuses:
        return ()
    return (Suppression(channel=model.channel, address=model.address, reason=f"consent:{model.consent_type}"),)


def _digest(type_name: str, data: Any) -> str:
    """What tells one request from another. Data that is no JSON is refused later, for that."""
    try:
        text = orjson.dumps([type_name, data], option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = repr(type_name).encode()
    return hashlib.sha256(text).hexdigest()
