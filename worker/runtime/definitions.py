"""Campaigns, workflows and dispositions from files: read, checked one by one and against each other.

1. All or nothing: `load_definitions` gives definitions without a fault, or every fault of every file at once.
2. A fault is shown as `file:line: path: message (hint)`.
3. An unknown key is kept, unless it is nearly a known one that is missing: then it is a slip of the pen.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, Final

from worker.domain.base import closest
from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition
from worker.domain.dispositions import SYSTEM
from worker.domain.faults import Fault, Invalid
from worker.domain.workflow import Workflow, parse_workflow
from worker.engine.check import check
from worker.engine.triggers import listening_faults
from worker.runtime.source_files import LocatedFault, Source, find_files, read_sources
from worker.schema.rules import read_document
from worker.schema.types import TYPES, SchemaType

_WORKFLOW: Final = Workflow.TYPE
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
    # A missing workflow is no news where a file could not be read; a campaign's own conditions are judged all the same.
    cross = _listening_faults if faults else _cross_faults
    faults += cross(Definitions(documents=tuple(documents)), default_region)
    if faults:
        raise BadDefinitions(sorted(faults, key=lambda fault: (str(fault.file), fault.line)))
    return Definitions(documents=tuple(documents))


def _read(source: Source, default_region: str) -> Definition:
    """One document. Raises Invalid."""
    data = source.data
    if not isinstance(data, Mapping):
        raise Invalid("document", [Fault((), "must be a map of keys to values", "begin with objectType: campaign")])
    kind = _type_of(data)
    model, wire = read_document(kind, data, default_region)
    identifier = kind.id_of(wire) or _slug(model.name)
    data = {**wire, kind.id_key: identifier}
    return Definition(type=kind.name, id=identifier, name=model.name, data=data, source=source)


def _type_of(data: Mapping[str, Any]) -> SchemaType:
    """The type it states, or the one its keys tell. Raises Invalid."""
    stated = data.get("objectType")
    if isinstance(stated, str) and stated in TYPES:
        return TYPES[stated]
    known = ", ".join(TYPES)
    if stated:
        meant = closest(stated, list(TYPES))
        hint = f"did you mean {meant}?" if meant else f"one of {known}"
        raise Invalid("document", [Fault(("objectType",), f"there is no type {stated!r}", hint)])
    found = next((kind for kind, signs in _SIGNS if signs.intersection(data)), "")
    if not found:
        raise Invalid("document", [Fault((), "does not say what it is", f"add objectType, one of {known}")])
    return TYPES[found]


def _twins(documents: Iterable[Definition]) -> Iterator[LocatedFault]:
    """Documents of one type with the same id or the same name."""
    seen: dict[tuple[str, str, str], Definition] = {}
    for document in documents:
        for what, value in (("id", document.id), ("name", document.name.casefold())):
            first = seen.setdefault((document.type, what, value), document)
            if value and first is not document:
                place = first.source.locate(Fault((), ""))
                message = f"there is another {document.type} with this {what} in {place.file}:{place.line}"
                key = TYPES[document.type].id_key if what == "id" else "name"
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
            yield from map(document.source.locate, listening_faults(campaign))
            continue
        for fault in check(campaign, workflows, dispositions):
            yield _locate(fault, campaign.workflow_id, document.source, sources)


def _listening_faults(definitions: Definitions, default_region: str) -> Iterator[LocatedFault]:
    """What is wrong with the conditions of triggers, whatever the workflows are."""
    for document in definitions.documents:
        if document.type == "campaign":
            yield from map(document.source.locate, listening_faults(Campaign.parse(document.data, default_region)))


def _locate(fault: Fault, workflow_id: str, campaign: Source, workflows: Mapping[str, Source]) -> LocatedFault:
    """A fault of the check stands in the campaign, in its workflow, or in another one that it calls."""
    match fault.path:
        case ("workflowId" | "triggers" | "cancelOn", *_):
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
