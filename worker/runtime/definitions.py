"""Campaigns, workflows and dispositions from files: read, checked one by one and against each other.

1. All or nothing: `load_definitions` gives definitions without a fault, or every fault of every file at once.
2. A fault is shown as `file:line: path: message (hint)`.
3. An unknown key is kept, unless it is nearly a known one that is missing: then it is a slip of the pen.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path as File
from typing import Any, Final

from worker.domain.base import Document, closest
from worker.domain.campaign import Campaign, CampaignSupervisor
from worker.domain.contact import Contact
from worker.domain.contact_list import ContactList
from worker.domain.disposition import Disposition
from worker.domain.dispositions import SYSTEM
from worker.domain.email_account import EmailAccount
from worker.domain.faults import Fault, Invalid
from worker.domain.user import User
from worker.domain.workflow import parse_workflow
from worker.engine.check import check
from worker.runtime.source_files import LocatedFault, Source, find_files, read_sources

_MODELS: Final[tuple[type[Document], ...]] = (
    Campaign,
    Disposition,
    User,
    EmailAccount,
    Contact,
    ContactList,
    CampaignSupervisor,
)
_BY_TYPE: Final = {model.TYPE: model for model in _MODELS}
_WORKFLOW: Final = "workflow"
_ID_KEYS: Final = {
    "campaign": "campaignId",
    _WORKFLOW: "workflowId",
    "disposition": "dispositionId",
    "user": "userId",
    "emailaccount": "emailAccountId",
    "contact": "contactId",
    "contactlist": "contactListId",
    "supervisorcampaign": "supervisorCampaignId",
}
_SIGNS: Final = (
    (_WORKFLOW, {"states"}),
    ("supervisorcampaign", {"supervisorCampaignId"}),
    ("campaign", {"campaignId", "workflowId", "useForSMS", "useForEmail", "useForOutbound"}),
    ("disposition", {"dispositionId", "systemCodes", "category"}),
    ("emailaccount", {"emailAccountId", "emailAddress"}),
    ("user", {"userId", "username"}),
    ("contactlist", {"contactListId", "campaignIds"}),
    ("contact", {"contactId", "phone", "mobile", "email"}),
)
"""Keys that only one type of document has, the surest first."""

_SLIP: Final = 0.86
_NO_SLIPS: Final = frozenset({"emailaccountId"})
"""Keys of NCX that only look like ours."""


class BadDefinitions(ValueError):
    """The files cannot be used; nothing was changed. `faults` are all that is wrong, by file and line."""

    def __init__(self, faults: Iterable[LocatedFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One document without a fault. `id`: its own, else one made of its name; `data` is JSON and holds it."""

    type: str
    id: str
    name: str
    data: Mapping[str, Any] = field(repr=False)
    source: Source = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What the files define, in their order."""

    documents: tuple[Definition, ...]

    def of(self, document_type: str) -> dict[str, Mapping[str, Any]]:
        """The documents of a type by id: `campaign`, `workflow`, `disposition`, `user`, `emailaccount`, …"""
        return {document.id: document.data for document in self.documents if document.type == document_type}

    @property
    def campaigns(self) -> dict[str, Mapping[str, Any]]:
        return self.of("campaign")

    @property
    def workflows(self) -> dict[str, Mapping[str, Any]]:
        return self.of(_WORKFLOW)

    @property
    def dispositions(self) -> dict[str, Mapping[str, Any]]:
        return self.of("disposition")


def load_definitions(paths: Iterable[File], *, default_region: str = "US") -> Definitions:
    """Read files, and the YAML and JSON files of folders. Raises BadDefinitions.

    `default_region` (ISO 3166) is the country of phone numbers written without a country code.
    """
    files, faults = find_files(paths)
    documents: list[Definition] = []
    for file in files:
        sources, broken = read_sources(file)
        faults += broken
        for source in sources:
            try:
                documents.append(_read(source, default_region))
            except Invalid as error:
                faults += [source.locate(fault) for fault in error.faults]
    faults += _twins(documents)
    if not faults:  # a missing workflow is no news where a file could not be read
        faults += _cross_faults(Definitions(documents=tuple(documents)), default_region)
    if faults:
        raise BadDefinitions(sorted(faults, key=lambda fault: (str(fault.file), fault.line)))
    return Definitions(documents=tuple(documents))


def _read(source: Source, default_region: str) -> Definition:
    """One document. Raises Invalid."""
    data = source.data
    if not isinstance(data, Mapping):
        raise Invalid("document", [Fault((), "must be a map of keys to values", "begin with objectType: campaign")])
    kind = _type_of(data)
    try:
        if kind == _WORKFLOW:
            wire = {**data, **_beginnings(data), "objectType": _WORKFLOW}
        else:
            wire = _BY_TYPE[kind].parse(data, default_region).to_wire()
    except Invalid as error:
        raise Invalid(error.subject, [*_slips(kind, data), *error.faults]) from None
    if slips := list(_slips(kind, data)):
        raise Invalid(kind, slips)
    name = str(wire.get("name") or "")
    identifier = str(wire.get(_ID_KEYS[kind]) or wire.get("_id") or _slug(name))
    return Definition(type=kind, id=identifier, name=name, data={**wire, _ID_KEYS[kind]: identifier}, source=source)


def _beginnings(data: Mapping[str, Any]) -> dict[str, Any]:
    """Where a workflow and its functions begin, spelled out: the store keeps no order that has a first state."""
    workflow = parse_workflow(data)
    functions = {
        name: {**data["functions"][name], "initialState": function.initial_state}
        for name, function in workflow.functions.items()
    }
    return {"initialStateId": workflow.initial_state_id} | ({"functions": functions} if functions else {})


def _type_of(data: Mapping[str, Any]) -> str:
    """The type it states, or the one its keys tell. Raises Invalid."""
    stated = data.get("objectType")
    if stated in _ID_KEYS:
        return str(stated)
    known = ", ".join(_ID_KEYS)
    if stated:
        meant = closest(stated, list(_ID_KEYS))
        hint = f"did you mean {meant}?" if meant else f"one of {known}"
        raise Invalid("document", [Fault(("objectType",), f"there is no type {stated!r}", hint)])
    found = next((kind for kind, signs in _SIGNS if signs.intersection(data)), "")
    if not found:
        raise Invalid("document", [Fault((), "does not say what it is", f"add objectType, one of {known}")])
    return found


def _slips(kind: str, data: Mapping[str, Any]) -> Iterator[Fault]:
    """Unknown keys that are nearly a known one which is missing. Workflows look for theirs themselves."""
    if kind == _WORKFLOW:
        return
    known = _BY_TYPE[kind].wire_keys()
    absent = {key.lower(): key for key in known if key not in data}
    for key in data:
        if key not in known | _NO_SLIPS:
            near = get_close_matches(key.lower().replace("_", ""), absent, n=1, cutoff=_SLIP)
            if near:
                yield Fault((key,), "is not a key of this document", f"did you mean {absent[near[0]]}?")


def _twins(documents: Iterable[Definition]) -> Iterator[LocatedFault]:
    """Documents of one type with the same id or the same name."""
    seen: dict[tuple[str, str, str], Definition] = {}
    for document in documents:
        for what, value in (("id", document.id), ("name", document.name.casefold())):
            first = seen.setdefault((document.type, what, value), document)
            if value and first is not document:
                place = first.source.locate(Fault((), ""))
                message = f"there is another {document.type} with this {what} in {place.file}:{place.line}"
                key = _ID_KEYS[document.type] if what == "id" else "name"
                yield document.source.locate(Fault((key,), message, "rename or remove one"))
                break


def _cross_faults(definitions: Definitions, default_region: str) -> Iterator[LocatedFault]:
    """What is wrong between documents: every campaign with its workflow and its dispositions."""
    dispositions = [Disposition.parse(data) for data in definitions.dispositions.values()]
    workflows = {key: parse_workflow(data) for key, data in definitions.workflows.items()}
    sources = {document.id: document.source for document in definitions.documents if document.type == _WORKFLOW}
    names = {name for disposition in dispositions for name in disposition.names} | set(SYSTEM)
    for document in definitions.documents:
        if document.type != "campaign":
            continue
        campaign = Campaign.parse(document.data, default_region)
        for reference in sorted(campaign.offered_dispositions - names):
            fault = Fault(("dispositions",), f"there is no disposition {reference}", _suggest(reference, names))
            yield document.source.locate(fault)
        if campaign.workflow_id not in workflows:
            message = f"there is no workflow {campaign.workflow_id}"
            yield document.source.locate(Fault(("workflowId",), message, _suggest(campaign.workflow_id, workflows)))
            continue
        for fault in check(campaign, workflows, dispositions):
            yield _locate(fault, campaign.workflow_id, document.source, sources)


def _locate(fault: Fault, workflow_id: str, campaign: Source, workflows: Mapping[str, Source]) -> LocatedFault:
    """A fault of the check stands in the campaign, in its workflow, or in another one that it calls."""
    match fault.path:
        case ("workflowId", *_):
            return campaign.locate(fault)
        case ("workflows", str(other), *rest) if other in workflows:
            return workflows[other].locate(Fault(tuple(rest), fault.message, fault.hint))
        case _:
            return workflows[workflow_id].locate(fault)


def _suggest(word: str, known: Iterable[str]) -> str:
    meant = closest(word, sorted(known))
    return f"did you mean {meant}?" if meant else "define it in one of the files"


def _slug(name: str) -> str:
    """A name as an id: `Renewal Q4` is renewal-q4."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")
