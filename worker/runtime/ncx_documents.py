"""The documents in exported NCX data, wherever they stand in it.

1. A file holds one document, a list, a relation page `{count, objects}`, or a bundle `{campaign: …, functions: […]}`;
   and each of these may hold the others.
2. `expansions` hold the documents that ids refer to. They are documents like any other, unless they are only a part of
   one: the name and the icon of a workflow are not a workflow. They also stay where they are.
3. The type is the one a document states, else the one of its place, else the one its keys tell.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, Final

from worker.domain.faults import Path
from worker.schema.types import TYPES

FUNCTION: Final = "function"
"""A sub-flow. It has no type of its own here: it goes into the workflows that call it."""

TAKEN: Final = (
    *("campaign", "workflow", FUNCTION, "disposition", "user", "template", "prompt"),
    *("emailaccount", "campaigndisposition", "supervisorcampaign"),
)
"""The types that are taken over."""

_KEYS: Final = {name: kind for kind in TAKEN for name in (kind, f"{kind}s")}
"""What a bundle may call them, in lower case."""

_REFERENCE: Final = re.compile(
    r"(?:.*[a-z])?(disposition|workflow|function|fucntion|user|template|prompt|campaign)id", re.IGNORECASE
)
"""The key of a reference, with the spelling of NCX: `dispositionId`, `busyDispositionId`, `smsFailedFucntionId`."""

_WHOLE: Final[Mapping[str, frozenset[str]]] = {
    "campaign": frozenset({"name", "workflowId"}),
    "workflow": frozenset({"states"}),
    FUNCTION: frozenset({"states"}),
    "user": frozenset({"username"}),
}
"""What a document must have to be more than a part of one; the others need a name."""

_LONGEST_TYPE: Final = 40
_NAMES: Final = frozenset({"name", "username"})
_OF_A_DOCUMENT: Final = _NAMES | {"_id", "objectType", "states", "expansions"}

_JOINS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("campaigndisposition", frozenset({"campaignId", "dispositionId"})),
    ("supervisorcampaign", frozenset({"campaignId", "userId"})),
)
_SIGNS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("campaign", frozenset({"name", "workflowId", "useForSMS"})),
    ("campaign", frozenset({"name", "workflowId", "useForOutbound"})),
    ("campaign", frozenset({"name", "campaignId"})),
    (FUNCTION, frozenset({"states", "functionId"})),
    ("workflow", frozenset({"states"})),
    ("user", frozenset({"username"})),
    ("disposition", frozenset({"name", "dispositionId"})),
    ("disposition", frozenset({"name", "resolved"})),
    ("template", frozenset({"name", "templateId"})),
    ("prompt", frozenset({"name", "promptId"})),
    ("emailaccount", frozenset({"emailAddress"})),
)
"""Keys that tell a type, the surest first. A campaign has states too, those of its dialer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One document as it was exported. `type` is "" where nothing tells it; `expanded`: it stood in `expansions`."""

    type: str
    id: str
    data: Any = field(repr=False)
    file: File
    at: Path
    expanded: bool = False


def find_documents(file: File, value: Any) -> Iterator[Found]:
    """Every document in the data of a file, the outer ones before those in their expansions."""
    yield from _in(value, "", file, ())


def _in(value: Any, kind: str, file: File, at: Path) -> Iterator[Found]:
    """The documents in a value that stands where those of this type do."""
    match value:
        case list():
            for index, item in enumerate(value):
                yield from _in(item, kind, file, (*at, index))
        case {"objects": list() as objects}:
            yield from _in(objects, kind, file, (*at, "objects"))
        case dict() if not kind and _is_bundle(value):
            for key, part in value.items():
                if isinstance(part, dict | list):
                    yield from _in(part, _KEYS.get(key.casefold()) or key.removesuffix("s"), file, (*at, key))
        case dict() if kind and _is_map(value):
            for key, part in value.items():
                yield from _document({f"{kind}Id": key} | part, kind, file, (*at, key))
        case _:
            yield from _document(value, kind, file, at)


def _is_bundle(value: Mapping[str, Any]) -> bool:
    parts = [key for key, part in value.items() if key.casefold() in _KEYS and isinstance(part, dict | list)]
    return bool(parts) and not _OF_A_DOCUMENT & value.keys()


def _is_map(value: Mapping[str, Any]) -> bool:
    """Whether documents stand under their ids."""
    return all(isinstance(part, dict) for part in value.values()) and not _OF_A_DOCUMENT & value.keys()


def _document(value: Any, kind: str, file: File, at: Path) -> Iterator[Found]:
    if not isinstance(value, dict):
        yield Found(type="", id="", data=value, file=file, at=at)
        return
    found = _type_of(value, kind)
    if not _only_refers(value, found):
        yield Found(type=found, id=_id(value, found), data=value, file=file, at=at)
    yield from _expanded(value, file, at)


def _type_of(value: Mapping[str, Any], kind: str) -> str:
    told = next((name for name, keys in _SIGNS if keys <= value.keys()), "")
    if not _NAMES & value.keys():  # a page of dispositions may hold the joins of a campaign with them
        told = next((name for name, keys in _JOINS if keys <= value.keys()), told)
        kind = told if told in dict(_JOINS) else kind
    return str(value.get("objectType") or "").casefold()[:_LONGEST_TYPE] or kind[:_LONGEST_TYPE] or told


def _only_refers(value: Mapping[str, Any], kind: str) -> bool:
    """Whether an object of a page says nothing of its own: what it refers to stands in its expansions."""
    expansions = value.get("expansions")
    if not isinstance(expansions, dict) or value.get("objectType") or _NAMES & value.keys():
        return False
    return not kind or f"{kind}id" in map(str.casefold, expansions)


def _id(value: Mapping[str, Any], kind: str) -> str:
    key = TYPES[kind].id_key if kind in TYPES else f"{kind}Id"
    return next((text for text in (_text(value.get(key)), _text(value.get("_id"))) if text), "")


def _text(value: Any) -> str:
    """An id as text; "" for what is none."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _expanded(value: Any, file: File, at: Path) -> Iterator[Found]:
    """The whole documents in the expansions of a value, however deep they stand."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if not isinstance(part, dict | list):
            continue
        if key == "expansions" and isinstance(part, dict):
            for reference, document in part.items():
                yield from _expansion(reference, document, value.get(reference), file, (*at, key, reference))
        yield from _expanded(part, file, (*at, key))


def _expansion(reference: str, value: Any, key: Any, file: File, at: Path) -> Iterator[Found]:
    named = _REFERENCE.fullmatch(reference)
    if not named or not isinstance(value, dict):
        return
    kind = named[1].casefold().replace("fucntion", FUNCTION)
    if not _WHOLE.get(kind, frozenset({"name"})) <= value.keys():
        return
    document_id = _id(value, kind) or _text(key)
    if document_id:
        data = value if _id(value, kind) else {f"{kind}Id": document_id} | value
        yield Found(type=kind, id=document_id, data=data, file=file, at=at, expanded=True)
