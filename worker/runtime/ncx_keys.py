"""What becomes of the keys of an NCX document: every one is in exactly one of four groups.

`mapped` do here what they do there. `kept` come back as they came and do nothing. `unset` are empty, which means the
same as absent. `replaced` are those this installation writes itself. Inside of workflows keys are paths, with `*` for
any state or action.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.domain.faults import Path
from worker.domain.workflow import State, Workflow
from worker.domain.workflow_actions import ACTIONS
from worker.domain.workflow_ncx import ALIASES
from worker.schema.types import HEADER, SchemaType

_REPLACED: Final = HEADER - {"objectType"}

_WITHOUT_EFFECT: Final[Mapping[str, frozenset[str]]] = {
    "campaign": frozenset(
        {
            *("useForExtension", "useForFax", "useForPredictive", "useForProgressive", "enableRealtimeTranscription"),
            *("recordingAnalysisPercentage", "recordingPromptId", "emailAccounts", "supervisor"),
        }
    ),
    "disposition": frozenset({"localizations", "connectAgain", "useCampaignIdForDNC", "rightParty"}),
}
"""Keys that are checked here, and not carried out in this version."""

_FLOW: Final = frozenset({"_id", "objectType", "name", "states", "initialStateId"})
_WORKFLOW: Final = _FLOW | {"workflowId", "description", "version", "maxActions", "functions"}
_FUNCTION: Final = _FLOW | {"functionId", "initialState"}
_STATE: Final = frozenset({"_id", "campaignStateId", "key", "objectType", "name", "category", "actions"})
_ACTION: Final = frozenset({"id", "_id", "type", "properties", "condition"})
_LABELS: Final = frozenset({"name", "description", "icon"})
"""What an action of NCX is called in its editor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of one document."""

    mapped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A value that was read and is written otherwise here; `what` says how, without repeating it."""

    path: Path
    what: str


def keys_of(kind: SchemaType, data: Mapping[str, Any]) -> Keys:
    """The keys of any document but a workflow."""
    return _sorted(data, kind.model.wire_keys() - _WITHOUT_EFFECT.get(kind.name, frozenset()), kind.model.wire_keys())


def keys_of_workflow(data: Mapping[str, Any], workflow: Workflow) -> Keys:
    """The keys of a workflow as it was exported, and what of it was understood."""
    return _with(_sorted(data, _WORKFLOW, _WORKFLOW), _inner(data.get("states"), workflow.states))


def keys_of_function(data: Mapping[str, Any], states: Mapping[str, State]) -> Keys:
    """The same for a function."""
    return _with(_sorted(data, _FUNCTION, _FUNCTION), _inner(data.get("states"), states))


def adjustments(data: Mapping[str, Any], wire: Mapping[str, Any]) -> Iterator[Adjustment]:
    """The values that are not kept as they came."""
    for key, value in wire.items():
        if key in data and data[key] != value:
            yield Adjustment((key,), _how(data[key], value))


def _how(before: Any, after: Any) -> str:
    match before, after:
        case str(), bool():
            return f"the text is read as {str(after).lower()}"
        case str(), int() | float():
            return "the text is read as a number"
        case bool() | int() | float(), str():
            return "the number is read as text"
        case str(), str() if after.startswith("+") and not before.strip().startswith("+"):
            return "written with its country code"
        case _:
            return "written as it is compared here"


def _sorted(data: Mapping[str, Any], mapped: frozenset[str], known: frozenset[str]) -> Keys:
    groups: dict[str, list[str]] = {"mapped": [], "kept": [], "unset": [], "replaced": []}
    for key, value in data.items():
        empty = value is None or (isinstance(value, str) and not value.strip())
        group = "replaced" if key in _REPLACED else "mapped" if key in mapped else "kept"
        groups["unset" if empty and key in known - _REPLACED else group].append(key)
    return Keys(**{group: tuple(sorted(keys)) for group, keys in groups.items()})


def _with(keys: Keys, inner: Iterable[str]) -> Keys:
    kept = (*keys.kept, *sorted(set(inner)))
    return Keys(mapped=keys.mapped, kept=kept, unset=keys.unset, replaced=keys.replaced)


def _inner(states: Any, understood: Mapping[str, State]) -> Iterator[str]:
    """What has no effect inside of the states, and what of them is never reached."""
    by_origin = {state.origin[-1]: state for state in understood.values()}
    for key, body in states.items() if isinstance(states, Mapping) else enumerate(states or ()):
        if not isinstance(body, Mapping):
            continue
        if key not in by_origin:
            yield f"states.{key} (never reached)"
            continue
        yield from (f"states.*.{name}" for name in body if name not in _STATE)
        actions = body.get("actions") or ()
        remaining = len(by_origin[key].actions)
        yield from (f"states.{key}.actions.{n} (never reached)" for n in range(remaining, len(actions)))
        for action in actions[:remaining]:
            yield from _of_action(action)


def _of_action(action: Mapping[str, Any]) -> Iterator[str]:
    kind, properties = str(action["type"]), action.get("properties")
    alias = ALIASES.get(kind.casefold())  # some of ours are called like theirs, and mean the same
    model = ACTIONS[alias.type if alias else kind]
    known = {field.alias or name for name, field in model.model_fields.items()} - (_LABELS if alias else set())
    known |= {*alias.names, *alias.refused} if alias else set()
    for key in action:
        if key not in (_ACTION if isinstance(properties, Mapping) else _ACTION | known):
            yield f"states.*.actions.*.{key}"
    for key in properties if isinstance(properties, Mapping) else ():
        if key not in known:
            yield f"states.*.actions.*.properties.{key}"
