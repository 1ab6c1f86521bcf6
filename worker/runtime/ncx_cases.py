"""One exported document by itself: read as what it would be here, with what was made of its keys and its faults.

1. A document keeps its id. What this installation writes itself (`tenantId`, `createdAt`, …) is not taken over.
2. A workflow gets the functions it calls, and those they call, into its `functions`: they have no other place here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.base import Document as Model
from worker.domain.faults import Fault, Invalid
from worker.domain.workflow import Workflow, called_workflows, parse_workflow
from worker.domain.workflow_read import read_functions
from worker.runtime.ncx_documents import FUNCTION, TAKEN, Found
from worker.runtime.ncx_keys import Adjustment, Keys, adjustments, keys_of, keys_of_function, keys_of_workflow
from worker.schema import errors
from worker.schema.rules import read_document, require_id
from worker.schema.types import HEADER, TYPES, SchemaType

_ELSEWHERE: Final = {
    "contact": "people are imported from a CSV file: `campaigns import`",
    "lead": "people are imported from a CSV file: `campaigns import`",
    "outboundlist": "people are imported from a CSV file: `campaigns import`",
}


@dataclass(slots=True, kw_only=True)
class Case:
    """A document under judgment. It goes in while `faults` is empty; `data` is what is saved, `model` its reading."""

    found: Found
    id: str
    faults: list[Fault] = field(default_factory=list)
    model: Model | None = field(default=None, repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    keys: Keys = field(default_factory=Keys)
    adjusted: tuple[Adjustment, ...] = ()
    embedded: tuple[str, ...] = ()
    """A workflow's functions that stood in documents of their own."""

    @property
    def type(self) -> str:
        return self.found.type

    @property
    def name(self) -> str:
        """What people call it. Users are told by their ids only."""
        name = self.found.data.get("name") if isinstance(self.found.data, Mapping) else None
        return name if isinstance(name, str) and self.type != "user" else ""


def read_cases(found: Iterable[Found], region: str) -> list[Case]:
    """Each document by itself, every one once. Functions come before the workflows they went into."""
    cases = [_one_of(same) for same in _grouped(found)]
    for case in cases:
        _require_taken(case)
    functions = {case.id: case.found.data for case in cases if case.type == FUNCTION and not case.faults}
    for case in cases:
        if not case.faults:
            _read(case, functions, region)
    return sorted(cases, key=lambda case: TAKEN.index(case.type) if case.type in TAKEN else len(TAKEN))


def _grouped(found: Iterable[Found]) -> list[list[Found]]:
    """What is exported under one type and id; documents without an id stand for themselves."""
    groups: dict[object, list[Found]] = {}
    for one in found:
        groups.setdefault((one.type, one.id) if one.id else (one.file, one.at), []).append(one)
    return list(groups.values())


def _one_of(same: list[Found]) -> Case:
    """A document that was exported several times. One by itself goes before those in expansions."""
    candidates = [one for one in same if not one.expanded] or same
    fullest = max(candidates, key=lambda one: len(one.data) if isinstance(one.data, Mapping) else 0)
    case = Case(found=fullest, id=fullest.id)
    for other in candidates:
        if other is not fullest and not _contains(fullest.data, other.data):
            place = ".".join(map(str, other.at))
            message = f"there is another {case.type} with this id, which differs: {other.file} {place}".rstrip()
            case.faults.append(Fault((), message, "keep the right one"))
    return case


def _contains(full: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    return all(key in full and full[key] == value for key, value in part.items() if key != "expansions")


def _require_taken(case: Case) -> None:
    data = case.found.data
    if not isinstance(data, Mapping):
        case.faults.append(Fault((), "must be an object", "export campaigns, workflows, functions or dispositions"))
    elif not case.type:
        case.faults.append(Fault((), "does not say what it is", f"add objectType, one of {', '.join(TAKEN)}"))
    elif case.type not in TAKEN:
        case.faults.append(Fault((), f"there is no place for a {case.type} here", _ELSEWHERE.get(case.type, "")))
    elif data.get("deletedAt") not in (None, "", 0, "0", False):
        case.faults.append(Fault(("deletedAt",), "was deleted in NCX", "restore it there first, or leave it out"))


def _read(case: Case, functions: Mapping[str, Mapping[str, Any]], region: str) -> None:
    data = {key: value for key, value in case.found.data.items() if key not in HEADER}
    try:
        if case.type == FUNCTION:
            _read_function(case, data)
        elif case.type == Workflow.TYPE:
            _read_workflow(case, data, functions, region)
        else:
            _read_document(case, TYPES[case.type], data, region)
        if case.model is not None:
            kind, case.id = TYPES[case.type], case.id or _id_of(case, case.model)
            require_id(kind, case.id)
            if not case.id:
                case.faults.append(Fault((kind.id_key,), "is missing, and there is no name to make one of", "add it"))
    except (Invalid, errors.Invalid) as error:
        case.faults += error.faults


def _read_function(case: Case, data: Mapping[str, Any]) -> None:
    faults: list[Fault] = []
    functions = read_functions({case.id: data}, faults)
    case.faults += (Fault(fault.path[2:], fault.message, fault.hint) for fault in faults)
    if not case.faults:
        case.keys = keys_of_function(case.found.data, functions[case.id].states)


def _read_workflow(
    case: Case, data: Mapping[str, Any], functions: Mapping[str, Mapping[str, Any]], region: str
) -> None:
    whole, case.embedded = _embedded(data, functions)
    model, case.data = read_document(TYPES[Workflow.TYPE], whole, region)
    assert isinstance(model, Workflow)  # noqa: S101 - what the type is made of
    case.model, case.keys = model, keys_of_workflow(case.found.data, model)
    case.adjusted = tuple(Adjustment(("functions", name), "taken in") for name in case.embedded)


def _embedded(
    data: Mapping[str, Any], functions: Mapping[str, Mapping[str, Any]]
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The workflow with the functions that are called, and their names. Raises Invalid."""
    added: list[str] = []
    while True:
        workflow = parse_workflow(data)
        missing = sorted((called_workflows(workflow) & functions.keys()) - workflow.functions.keys())
        if not missing:
            return data, tuple(added)
        added += missing
        data = {**data, "functions": {**(data.get("functions") or {}), **{name: functions[name] for name in missing}}}


def _read_document(case: Case, kind: SchemaType, data: Mapping[str, Any], region: str) -> None:
    try:
        case.model = kind.model.parse(data, region)
    except Invalid as error:
        if {fault.path for fault in error.faults} != {("code",)} or data.get("code"):
            raise
        # The name of a disposition makes its code, and this one is the system's. Here it gets another.
        data = {**data, "code": "NCX_" + re.sub(r"\W+", "_", str(data["name"])).strip("_").upper()}
        case.model = kind.model.parse(data, region)
    wire = case.model.to_wire()
    case.data, case.keys = wire, keys_of(kind, case.found.data)
    case.adjusted = (*adjustments(case.found.data, wire), *_code(case, wire))


def _code(case: Case, wire: Mapping[str, Any]) -> Iterator[Adjustment]:
    if case.type == "disposition" and "code" in wire and not case.found.data.get("code"):
        yield Adjustment(("code",), f"set to {wire['code']}, since its name means an outcome of the system here")


def _id_of(case: Case, model: Model) -> str:
    """An id for a document that was exported without one; the same each time."""
    data = case.found.data
    joined = "-".join(str(data[key]) for key in ("campaignId", "dispositionId", "userId") if data.get(key))
    return re.sub(r"[\W_]+", "-", (model.name or joined).lower()).strip("-")
