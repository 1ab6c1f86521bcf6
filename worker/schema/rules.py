"""What must hold before a document is saved: its own rules, that what it names exists, that the campaign would run.

Every document looked at is noted in `seen`, so that the store can refuse the write if one of them has changed since.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import chain
from typing import Any, Final

from worker.domain import faults
from worker.domain.base import Document as Model
from worker.domain.base import closest
from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition
from worker.domain.dispositions import SYSTEM
from worker.domain.faults import Fault
from worker.domain.search import Is, Order, keyword_term
from worker.domain.segment import Segment
from worker.domain.workflow import Workflow, called_workflows, parse_workflow
from worker.engine.check import check
from worker.schema.errors import Invalid
from worker.schema.segment_rules import audience_faults, segment_faults
from worker.schema.types import CALLS, Reference, SchemaType
from worker.store.document_rows import Document, DocumentType
from worker.store.facade import Store
from worker.store.search import Page

_SLIP: Final = 0.86
_NO_SLIPS: Final = frozenset({"emailaccountId"})
"""Keys of NCX that only look like ours."""
_DEPENDENTS: Final = 200
"""So many campaigns are checked against a workflow that is changed; the launch checks each of them anyway."""


@dataclass(slots=True)
class Surroundings:
    """The saved documents that one write is checked against."""

    store: Store
    tenant_id: str
    region: str
    seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def load(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Document]:
        """The live ones of these types and ids."""
        found = self.store.get_documents(self.tenant_id, keys)
        for key in keys:
            self.seen[key] = found[key].stamp.modified_at if key in found else 0
        return found

    def all_of(self, kind: DocumentType) -> list[Document]:
        """Every live document of a type."""
        return self.store.list_documents(self.tenant_id, kind)

    def has_segment(self, said: str) -> bool:
        """Whether one is saved under this id or name. If so, the write rests on it."""
        found = self.store.find_document(self.tenant_id, DocumentType.SEGMENT, said)
        if found is not None:
            self.seen[DocumentType.SEGMENT, found.id] = found.stamp.modified_at
        return found is not None

    def campaigns_with(self, workflow_id: str) -> Iterator[Document]:
        """The campaigns that a workflow serves, also through workflows that call it."""
        seen, waiting = {workflow_id}, [workflow_id]
        while waiting:
            term = keyword_term(waiting.pop())
            yield from self._having(DocumentType.CAMPAIGN, "workflowId", term)
            callers = {found.id for found in self._having(DocumentType.WORKFLOW, CALLS, term)} - seen
            seen |= callers
            waiting += callers

    def _having(self, kind: DocumentType, field: str, term: str) -> tuple[Document, ...]:
        page = Page(order=Order("createdAt"), rows=_DEPENDENTS, total=_DEPENDENTS)
        return self.store.search_documents(self.tenant_id, kind, Is(field, term), page).rows


def read(
    kind: SchemaType, data: Any, tenant_id: str, region: str, *, told: Mapping[str, Any] | None = None
) -> tuple[Model, dict[str, Any]]:
    """A caller's document by its own rules: the model, and the JSON to keep. Raises Invalid with every fault.

    `told`: what the caller wrote of it, where that is a part; only there a slip of the pen is looked for.
    """
    try:
        model, wire = read_document(kind, data, region, told=told)
    except faults.Invalid as error:
        raise Invalid(f"the {kind.name} breaks rules", error.faults) from None
    require_own(kind, data, tenant_id)
    return model, wire


def require_own(kind: SchemaType, data: Mapping[str, Any], tenant_id: str) -> None:
    """Raise Invalid where a document says that it is another tenant's, or deleted."""
    if found := list(_of_another_tenant(data, tenant_id)):
        raise Invalid(f"the {kind.name} breaks rules", found)


def read_document(
    kind: SchemaType, data: Any, region: str, *, told: Mapping[str, Any] | None = None
) -> tuple[Model, dict[str, Any]]:
    """A document by its own rules: the model, and the JSON to keep. Raises `faults.Invalid` with every fault."""
    found = list(_slips(kind, data if told is None else told, data))
    try:
        model = kind.model.parse(data, region)
    except faults.Invalid as error:
        raise faults.Invalid(error.subject, [*found, *error.faults]) from None
    if isinstance(model, Segment):
        found += segment_faults(model)
    if found:
        raise faults.Invalid(kind.name, found)
    return model, _normal(kind, model, data)


def _normal(kind: SchemaType, model: Model, data: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON to keep: values normalized, unknown keys as they came. A workflow stays as its author wrote it."""
    if not isinstance(model, Workflow):
        return model.to_wire()
    functions = {
        name: {**data["functions"][name], "initialState": function.initial_state}
        for name, function in model.functions.items()
    }
    # Spelled out: the store keeps no order that has a first state.
    beginnings = {"initialStateId": model.initial_state_id} | ({"functions": functions} if functions else {})
    return {**data, **beginnings, "objectType": kind.name}


def _slips(kind: SchemaType, told: Any, data: Any) -> Iterator[Fault]:
    """Unknown keys that are nearly a known one which is missing. Workflows look for theirs themselves."""
    if kind.model is Workflow or not isinstance(data, Mapping):
        return
    known = kind.model.wire_keys()
    strange = [key for key in told if isinstance(key, str) and key not in known and key not in _NO_SLIPS]
    absent = {key.lower(): key for key in known if key not in data} if strange else {}
    for key in strange:
        near = get_close_matches(key.lower().replace("_", ""), absent, n=1, cutoff=_SLIP)
        if near:
            yield Fault((key,), "is not a key of this document", f"did you mean {absent[near[0]]}?")


def require_id(kind: SchemaType, document_id: str) -> None:
    """Raise Invalid for what is no id: ids stand in URLs and in the names of things."""
    strange = not document_id.isprintable() or set(document_id) & set("/?# ") or document_id in _NO_IDS
    if len(document_id) > _ID_LENGTH or strange:
        hint = f"at most {_ID_LENGTH} characters, without spaces, slashes, ? and #; or leave it out to get one"
        raise Invalid(f"the {kind.name} breaks rules", [Fault((kind.id_key,), "is no id", hint)])


_ID_LENGTH: Final = 100
_NO_IDS: Final = frozenset({".", "..", "batch"})
"""In an address they mean something else."""


def require_consistent(
    around: Surroundings, kind: SchemaType, document_id: str, model: Model, wire: Mapping[str, Any]
) -> None:
    """Raise Invalid with every reference that leads nowhere, and with all that would keep a campaign from running."""
    dispositions = _Dispositions(around)
    missing = [*_missing(around, [(kind, document_id, wire)], dispositions)]
    if missing:
        raise Invalid(f"the {kind.name} names what does not exist", missing)
    match model:
        case Campaign():
            found = [*_campaign_faults(around, model, dispositions, {})]
        case Workflow():
            changed = {document_id: model}
            found = [
                fault
                for campaign in around.campaigns_with(document_id)
                for fault in _dependent_faults(around, campaign, dispositions, changed)
            ]
        case _:
            found = []
    if found:
        raise Invalid(f"the {kind.name} could not run", found)


Together = Sequence[tuple[SchemaType, str, Mapping[str, Any]]]
"""Documents that are written together: type, id, JSON. They may refer to one another."""


def require_references(around: Surroundings, together: Together) -> None:
    """Raise Invalid with every reference of these documents that leads neither to a saved one nor to one of them."""
    if missing := [*_missing(around, together, _Dispositions(around, together))]:
        raise Invalid("some documents name what does not exist", missing)


@dataclass(frozen=True)
class _Dispositions:
    """The tenant's dispositions, and those that are being written, by everything they are called."""

    around: Surroundings
    together: Together = ()

    @cached_property
    def known(self) -> list[Disposition]:
        return [Disposition.parse(found.data) for found in self._stored] + [
            Disposition.parse(data) for kind, _, data in self.together if kind.model is Disposition
        ]

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(name for disposition in self.known for name in disposition.names) | set(SYSTEM)

    def look_up(self, name: str) -> bool:
        """Whether one is called so. If a saved one is, the write rests on it."""
        if found := self._saved_by_name.get(name):
            self.around.seen[DocumentType.DISPOSITION, found.id] = found.stamp.modified_at
        return name in self.names

    @cached_property
    def _saved_by_name(self) -> dict[str, Document]:
        return {name: found for found in self._stored for name in Disposition.parse(found.data).names}

    @cached_property
    def _stored(self) -> list[Document]:
        return self.around.all_of(DocumentType.DISPOSITION)


def _missing(around: Surroundings, together: Together, dispositions: _Dispositions) -> Iterator[Fault]:
    named = [
        (reference, key) for kind, _, wire in together for reference in kind.references for key in reference.of(wire)
    ]
    here = {(kind.name, document_id) for kind, document_id, _ in together}
    asked = {(r.type, key) for r, key in named if not r.by_name and r.type != "contact"} - here
    stored = here | around.load(sorted(asked)).keys()
    for reference, key in named:
        if not _exists(around, reference, key, stored, dispositions):
            meant = closest(key, sorted(dispositions.names)) if reference.by_name else ""
            hint = f"did you mean {meant}?" if meant else f"create the {reference.type} first"
            yield Fault((reference.key,), f"there is no {reference.type} {key!r}", hint)
    segments = [(key, str(wire.get("name"))) for kind, key, wire in together if kind.model is Segment]
    for kind, _, wire in together:
        if kind.model is Campaign:
            yield from audience_faults(wire, around.has_segment, {*chain.from_iterable(segments)})


def _exists(
    around: Surroundings,
    reference: Reference,
    key: str,
    stored: AbstractSet[tuple[str, str]],
    dispositions: _Dispositions,
) -> bool:
    if reference.by_name:
        return dispositions.look_up(key)
    if reference.type == "contact":
        contact = around.store.get_contact(around.tenant_id, key)
        return contact is not None and not contact.deleted
    return (reference.type, key) in stored


def _campaign_faults(
    around: Surroundings, campaign: Campaign, dispositions: _Dispositions, changed: Mapping[str, Workflow]
) -> Iterator[Fault]:
    """What would keep a campaign from running; places in its workflow are named `workflows.ID`."""
    workflows = _reachable(around, campaign.workflow_id, changed)
    for fault in check(campaign, workflows, dispositions.known):
        in_campaign = fault.path[:1] == ("workflowId",)
        in_another = fault.path[:1] == ("workflows",)
        yield fault if in_campaign or in_another else fault.under("workflows", campaign.workflow_id)


def _reachable(around: Surroundings, first: str, changed: Mapping[str, Workflow]) -> dict[str, Workflow]:
    """A workflow with those it calls, and those they call."""
    found: dict[str, Workflow] = {}
    waiting = {first}
    while waiting:
        here = {key: changed[key] for key in waiting if key in changed}
        stored = around.load([(DocumentType.WORKFLOW, key) for key in sorted(waiting - here.keys())])
        here |= {key: parse_workflow(document.data) for (_, key), document in stored.items()}
        found |= here
        waiting = {key for workflow in here.values() for key in called_workflows(workflow)} - found.keys()
        if not here:
            break
    return found


def _dependent_faults(
    around: Surroundings, found: Document, dispositions: _Dispositions, changed: Mapping[str, Workflow]
) -> Iterator[Fault]:
    campaign = Campaign.parse(found.data, around.region)
    around.seen[DocumentType.CAMPAIGN, found.id] = found.stamp.modified_at
    for fault in _campaign_faults(around, campaign, dispositions, changed):
        yield Fault(fault.path, f"{fault.message}, for campaign {found.id}", fault.hint)


def _of_another_tenant(data: Mapping[str, Any], tenant_id: str) -> Iterator[Fault]:
    if data.get("tenantId") not in (None, "", tenant_id):
        yield Fault(("tenantId",), "is another tenant's", "leave it out")
    if data.get("deletedAt") not in (None, "", 0, "0"):
        yield Fault(("deletedAt",), "is not written by hand", "delete the document instead")
