"""The types of documents, each with its model, its scopes, its references and what a search may ask for.

To add a type: a model in `worker/domain`, one row in TYPES. Its id, its routes, its permissions, its search and its
validation follow from the row.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Union, get_args, get_origin

from pydantic.alias_generators import to_camel

from worker.domain.base import Document, references
from worker.domain.campaign import Campaign, CampaignSupervisor
from worker.domain.campaign_disposition import CampaignDisposition
from worker.domain.comm_consent import CommConsent
from worker.domain.contact import Contact
from worker.domain.contact_list import ContactList
from worker.domain.disposition import Disposition
from worker.domain.email_account import EmailAccount
from worker.domain.prompt import Prompt
from worker.domain.search import TEXT_SUFFIX, FieldKind, boolean_term, folded, keyword_term, number_term, words
from worker.domain.segment import Segment
from worker.domain.template import Template
from worker.domain.user import User
from worker.domain.workflow import Workflow, called_workflows
from worker.schema import segments
from worker.schema.scopes import Right, Scope

HEADER: Final = frozenset({"tenantId", "objectType", "createdAt", "createdBy", "modifiedAt", "modifiedBy", "deletedAt"})
"""Keys the service writes; what a caller says there is checked and not kept."""

STAMPED: Final = frozenset({"createdAt", "createdBy", "modifiedAt", "modifiedBy"})
"""What the store writes in columns; a search finds it there."""

CALLS: Final = ":calls"
"""The field that holds which other workflows a workflow calls."""

SEGMENTS: Final = ":segments"
"""The field that holds which segments a campaign's audience may name: by id, by name, or not at all."""

_TERMS_MADE: Final = 3
"""To be counted up when `terms` or what it calls changes."""

_WORDS_INDEXED: Final = 500
"""Words of one text that can be searched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A key that names documents of another type. `relation`: it may be a relation page; ids stand under this key."""

    key: str
    type: str
    relation: str = ""
    by_name: bool = False
    """A disposition is also named by its code or its name."""

    def of(self, wire: Mapping[str, Any]) -> tuple[str, ...]:
        """The ids named in a document that has been checked."""
        value = wire.get(self.key)
        if self.relation:
            return references(value, self.relation)
        found = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(str(key) for key in found if key)


def _name(document: Document) -> str:
    return document.name


def _nothing(_: Document) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class SchemaType:
    """One type. `prefix` begins the ids the service draws; `unique` is what two live documents may not share."""

    model: type[Document]
    plural: str
    prefix: str
    references: tuple[Reference, ...] = ()
    unique: Callable[[Any], str] = _name
    sorts: tuple[str, ...] = ("name", "createdAt", "modifiedAt")
    free: tuple[str, ...] = ("name", "description")
    """Where a word without a field is looked for."""
    only: Mapping[str, FieldKind] = field(default_factory=dict)
    """The fields a search may ask for, where not every field of the model is."""
    called: str = ""
    """The key of the public id, where it is not made of the model's name."""

    @property
    def name(self) -> str:
        return self.model.TYPE

    @cached_property
    def id_key(self) -> str:
        """The public id, like `campaignId`."""
        return self.called or to_camel(f"{_snake(self.model.__name__)}_id")

    def scope(self, right: Right) -> Scope:
        return Scope(self.plural, right)

    @cached_property
    def fields(self) -> Mapping[str, FieldKind]:
        """What a search may ask for, by the key on the wire."""
        if self.only:
            return self.only
        relations = {reference.key for reference in self.references if reference.relation}
        exact = {"_id", self.id_key, "createdBy", "modifiedBy"}
        found = {}
        for name, info in self.model.model_fields.items():
            key = info.alias or name
            kind = FieldKind.EXACT if key in exact else _kind(key, info.annotation)
            if key in relations:
                kind = FieldKind.KEYWORD
            if kind is not None and key not in ("tenantId", "objectType", "deletedAt"):
                found[key] = kind
        return found

    @cached_property
    def terms_version(self) -> str:
        """Changes whenever the same document would get other terms."""
        return sha256(repr((_TERMS_MADE, sorted(self.fields.items()))).encode()).hexdigest()[:12]

    def id_of(self, wire: Mapping[str, Any]) -> str:
        """The id a document states: its own, else `_id`, else ""."""
        return str(wire.get(self.id_key) or wire.get("_id") or "")


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _kind(key: str, annotation: Any) -> FieldKind | None:
    """How a field of this annotation is searched; None: not at all."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if key in ("name", "description"):
        return FieldKind.WORDS
    if annotation is bool:
        return FieldKind.BOOLEAN
    if annotation is int:
        return FieldKind.TIME if key.endswith("At") else FieldKind.NUMBER
    if annotation is float or (get_origin(annotation) is not None and get_args(annotation)[0] is float):
        return FieldKind.NUMBER
    is_text = annotation is str or (isinstance(annotation, type) and issubclass(annotation, StrEnum))
    is_texts = get_origin(annotation) is tuple and get_args(annotation)[0] is str
    return FieldKind.KEYWORD if is_text or is_texts else None


def terms(kind: SchemaType, document: Document) -> tuple[tuple[str, str], ...]:
    """The terms of a document: pairs of field and term, each once. Ids and stamps are not among them."""
    shown = document.model_dump(by_alias=True, mode="json")
    relations = {reference.key: reference for reference in kind.references if reference.relation}
    found: dict[tuple[str, str], None] = {}
    for key, field_kind in kind.fields.items():
        if key in STAMPED or key in ("_id", kind.id_key):
            continue
        value = relations[key].of(shown) if key in relations else shown.get(key)
        found |= dict.fromkeys(_terms(key, field_kind, value))
    if isinstance(document, Workflow):
        called = called_workflows(document) - document.functions.keys()
        found |= dict.fromkeys((CALLS, keyword_term(name)) for name in called)
    if isinstance(document, Campaign):
        found |= dict.fromkeys((SEGMENTS, keyword_term(said)) for said in document.meant_for.segments)
    return tuple(found)


def _terms(key: str, kind: FieldKind, value: Any) -> Iterator[tuple[str, str]]:
    match kind:
        case FieldKind.BOOLEAN:
            yield key, boolean_term(bool(value))
        case FieldKind.TIME | FieldKind.NUMBER:
            if value or (value == 0 and kind is FieldKind.NUMBER):  # a time of 0 is "never"
                yield key, number_term(float(value))
        case FieldKind.EXACT | FieldKind.KEYWORD:
            made = keyword_term if kind is FieldKind.KEYWORD else str
            given = value if isinstance(value, (list, tuple)) else (value,)
            yield from ((key, made(str(item))) for item in given if item not in (None, ""))
        case FieldKind.WORDS:
            said = words(str(value or ""))[:_WORDS_INDEXED]
            yield from ((key, keyword_term(word)) for word in said)
            if said:
                yield key + TEXT_SUFFIX, phrase_text(said)


def phrase_text(said: Iterable[str]) -> str:
    """Words in order as one term, each between spaces, no longer than an index takes."""
    return f" {' '.join(said)} ".encode()[:2000].decode(errors="ignore")


def _joined(*names: str) -> Callable[[Any], str]:
    return lambda document: " ".join(folded(getattr(document, name)) for name in names)


_DISPOSITIONS: Final = tuple(
    Reference(key=f"{outcome}DispositionId", type="disposition", by_name=True)
    for outcome in ("human", "busy", "noAnswer", "answeringMachine", "invalid", "abandon", "fax")
)

TYPES: Final[Mapping[str, SchemaType]] = {
    kind.name: kind
    for kind in (
        SchemaType(
            model=Campaign,
            plural="campaigns",
            prefix="cmp",
            references=(
                Reference(key="workflowId", type="workflow"),
                Reference(key="dispositions", type="disposition", relation="dispositionId", by_name=True),
                Reference(key="emailAccounts", type="emailaccount", relation="emailAccountId"),
                Reference(key="supervisor", type="user", relation="userId"),
                Reference(key="recordingPromptId", type="prompt"),
                *_DISPOSITIONS,
            ),
        ),
        SchemaType(model=Workflow, plural="workflows", prefix="wf"),
        SchemaType(model=Disposition, plural="dispositions", prefix="disp"),
        SchemaType(
            model=User,
            plural="users",
            prefix="usr",
            unique=lambda user: user.username,
            free=("username", "firstName", "lastName", "email"),
            sorts=("createdAt", "modifiedAt"),
        ),
        SchemaType(
            model=Contact,
            plural="contacts",
            prefix="",  # contacts keep the bare ids the import gives them
            unique=_nothing,
            free=segments.FREE,
            sorts=("contactId", "createdAt"),
            only=segments.CONTACT_FIELDS,
        ),
        SchemaType(
            model=ContactList,
            plural="contactlists",
            prefix="lst",
            references=(Reference(key="campaignIds", type="campaign"),),
        ),
        SchemaType(model=Segment, plural="segments", prefix="seg"),
        SchemaType(model=EmailAccount, plural="emailaccounts", prefix="eml"),
        SchemaType(model=Prompt, plural="prompts", prefix="pmt"),
        SchemaType(model=Template, plural="templates", prefix="tpl"),
        SchemaType(
            model=CommConsent,
            plural="commconsents",
            prefix="cns",
            unique=_nothing,
            free=("address", "reason"),
            sorts=("createdAt", "modifiedAt"),
            references=(Reference(key="contactId", type="contact"), Reference(key="campaignId", type="campaign")),
        ),
        SchemaType(
            model=CampaignDisposition,
            plural="campaigndispositions",
            prefix="cd",
            unique=_joined("campaign_id", "disposition_id"),
            sorts=("createdAt", "modifiedAt"),
            references=(
                Reference(key="campaignId", type="campaign"),
                Reference(key="dispositionId", type="disposition", by_name=True),
            ),
        ),
        SchemaType(
            model=CampaignSupervisor,
            plural="supervisorcampaigns",
            called="supervisorCampaignId",
            prefix="sup",
            unique=_joined("campaign_id", "user_id"),
            sorts=("createdAt", "modifiedAt"),
            references=(Reference(key="userId", type="user"), Reference(key="campaignId", type="campaign")),
        ),
    )
}
"""Every type by its name on the wire."""

EVENTS_READ: Final = Scope("events", Right.READ)
EVENTS_WRITE: Final = Scope("events", Right.WRITE)
"""Events are no documents: they are sent, looked into and replayed."""

SCOPES: Final = (*(kind.scope(right) for kind in TYPES.values() for right in Right), EVENTS_READ, EVENTS_WRITE)


def users_of(type_name: str) -> Iterator[tuple[str, str]]:
    """Which types refer to this one, and in which field of their terms."""
    for kind in TYPES.values():
        yield from ((kind.name, reference.key) for reference in kind.references if reference.type == type_name)
    if type_name == Workflow.TYPE:
        yield Workflow.TYPE, CALLS
    if type_name == Segment.TYPE:
        yield Campaign.TYPE, SEGMENTS
