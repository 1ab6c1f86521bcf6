"""Reading the parts of a workflow document: both forms in, all faults out.

1. Every fault is collected; nothing stops at the first one.
2. A word that is nearly right gets the right one as its hint.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from worker.domain.base import closest, faults_of
from worker.domain.faults import Fault, Path
from worker.domain.workflow_actions import ACTIONS, AnyAction, Origin, Triples
from worker.domain.workflow_ncx import ALIASES, CANNOT_RUN, Alias, ncx_condition
from worker.domain.workflow_reach import reached
from worker.domain.workflow_states import Function, State, resolve_state

_RESERVED: Final = "/:"
"""Characters that separate the parts of a message's name; no id may hold them."""

_STATE_KEYS: Final = ("name", "category", "actions")
_FUNCTION_KEYS: Final = ("initialState", "initialStateId", "states")
_ID_KEYS: Final = ("id", "_id", "campaignStateId", "key")
_ENVELOPE: Final = ("id", "_id", "name", "description", "icon")
"""What NCX says of an action outside of its properties; inside, these keys mean something else."""


def suggestion(word: str, known: Collection[str]) -> str:
    """A hint that names the known word nearest to this one, or all of them when they are few; or nothing."""
    if meant := closest(word, tuple(known)):
        return f"did you mean {meant}?"
    return "one of " + ", ".join(sorted(known)) if 0 < len(known) <= 15 else ""  # noqa: PLR2004 - what fits on a line


def read_functions(data: Any, faults: list[Fault]) -> dict[str, Function]:
    if not isinstance(data, Mapping):
        faults.append(Fault(("functions",), "must be a mapping of names to functions"))
        return {}
    functions: dict[str, Function] = {}
    for name, body in data.items():
        path: Path = ("functions", str(name))
        _check_id(str(name), path, faults)
        if not isinstance(body, Mapping):
            faults.append(Fault(path, "must be an object with states"))
            continue
        near_misses(body, _FUNCTION_KEYS, path, faults)
        key = "initialState" if body.get("initialState") else "initialStateId"
        initial, states = read_flow(body.get("states"), body.get(key), path, key, faults)
        fields = {**body, "initialState": initial, "states": states}
        function = build(Function, fields, Origin(path), faults)
        if function is not None:
            functions[str(name)] = function
    return functions


def read_flow(data: Any, named: Any, path: Path, key: str, faults: list[Fault]) -> tuple[str, dict[str, State]]:
    """The state to begin in and the states, those of NCX only as far as they are reached.

    `named` is what the document says under `key`. Where something that is reached has a fault, all faults are told.
    """
    found: list[Fault] = []
    states = read_states(data, (*path, "states"), found)
    initial = initial_state(named, states, (*path, key), found)
    part = reached(initial, states)
    if any(part.concerns(fault) for fault in found):
        faults += found
    return initial, part.states


def initial_state(named: Any, states: Mapping[str, State], path: Path, faults: list[Fault]) -> str:
    """The state to begin in: the one named, else the Begin state, else start-state, else the first."""
    if named:
        state = resolve_state(states, str(named))
        if state is None and states:
            faults.append(Fault(path, f"there is no state {named}", suggestion(str(named), states)))
        return state or ""
    begins = [state_id for state_id, state in states.items() if state.category.casefold() == "begin"]
    if len(begins) > 1:
        faults.append(Fault(path, f"{len(begins)} states have the category Begin", "name one as initialStateId"))
    if begins:
        return begins[0]
    return "start-state" if "start-state" in states else next(iter(states), "")


def read_states(data: Any, path: Path, faults: list[Fault]) -> dict[str, State]:
    if not isinstance(data, Mapping | Sequence) or isinstance(data, str) or not data:
        faults.append(Fault(path, "must have at least one state"))
        return {}
    states: dict[str, State] = {}
    for key, body in data.items() if isinstance(data, Mapping) else enumerate(data):
        place = (*path, key if isinstance(key, int) else str(key))
        if not isinstance(body, Mapping):
            faults.append(Fault(place, "must be an object with actions"))
            continue
        state_id = str(key) if isinstance(data, Mapping) else _own_id(body, key)
        _check_id(state_id, place, faults)
        if state_id in states:
            faults.append(Fault(place, f"there are two states {state_id}", "give each its own id"))
        near_misses(body, _STATE_KEYS, place, faults)
        fields = {name: value for name, value in body.items() if value is not None}
        fields |= {"actions": _actions(body.get("actions") or (), (*place, "actions"), faults), "origin": place}
        state = build(State, fields, Origin(place), faults)
        if state is not None:
            states[state_id] = state
    return states


def _own_id(body: Mapping[str, Any], position: int) -> str:
    named = (str(body[key]) for key in (*_ID_KEYS, "name") if body.get(key))
    return next(named, f"state-{position + 1}")


def _actions(data: Any, path: Path, faults: list[Fault]) -> tuple[AnyAction, ...]:
    if not isinstance(data, Sequence) or isinstance(data, str):
        faults.append(Fault(path, "must be a list of actions"))
        return ()
    actions: list[AnyAction] = []
    counts: Counter[str] = Counter()
    for index, raw in enumerate(data):
        action = _action(raw, (*path, index), counts, faults)
        if action is None:
            continue
        if any(action.id == earlier.id for earlier in actions):
            faults.append(Fault((*path, index), f"there are two actions {action.id}", "give each its own id"))
        _check_id(action.id, (*path, index), faults)
        actions.append(action)
    return tuple(actions)


def _action(raw: Any, path: Path, counts: Counter[str], faults: list[Fault]) -> AnyAction | None:
    if not isinstance(raw, Mapping):
        faults.append(Fault(path, "must be an object with a type"))
        return None
    properties: Any = raw.get("properties")
    nested = isinstance(properties, Mapping)
    kind, alias = _kind(raw.get("type"), path, faults, nested=nested)
    if kind is None:
        return None
    counts[kind] += 1
    origin = Origin((*path, "properties") if nested else path, {o: t for t, o in alias.names.items()} if alias else {})
    fields = {key: value for key, value in raw.items() if key not in ("type", "properties") and value is not None}
    if alias or nested:  # the NCX envelope has an editor's name, which is not the variable of a setVariable
        fields.pop("name", None)
    if nested:
        outside = _ENVELOPE if alias else ()
        fields |= {key: value for key, value in properties.items() if value is not None and key not in outside}
    before = len(faults)
    fields = _translated(alias, fields, origin, faults) if alias else fields
    fields["type"] = kind
    fields["id"] = str(fields.get("id") or fields.pop("_id", None) or f"{kind}-{counts[kind]}")
    model = ACTIONS[kind]
    _unknown_keys(model, fields, origin, faults, forgiving=alias is not None)
    fields["condition"] = _condition(fields.get("condition"), origin.of("condition"), faults)
    found: list[Fault] = []
    action = build(model, fields | {"origin": origin}, origin, found)
    told = {fault.path for fault in faults[before:]}  # what could not be read is missing now, and that is no news
    faults += (fault for fault in found if fault.path not in told)
    return action if len(faults) == before else None


def _kind(kind: Any, path: Path, faults: list[Fault], *, nested: bool) -> tuple[str | None, Alias | None]:
    """Our type, and the alias it was written as. `nested`: in the envelope of NCX, where some are called as ours."""
    if isinstance(kind, str) and kind in ACTIONS and not (nested and kind in ALIASES):
        return kind, None
    if isinstance(kind, str) and kind.casefold() in ALIASES:
        alias = ALIASES[kind.casefold()]
        return alias.type, alias
    place = (*path, "type")
    if not isinstance(kind, str):
        faults.append(Fault(place, "is required", suggestion("", ACTIONS)))
    elif kind.casefold() in CANNOT_RUN:
        faults.append(Fault(place, f"{kind} cannot run here", CANNOT_RUN[kind.casefold()]))
    else:
        known = [*ACTIONS, *ALIASES]
        faults.append(
            Fault(place, f"there is no action {kind}", suggestion(kind, known) or "one of " + ", ".join(ACTIONS))
        )
    return None, None


def _translated(alias: Alias, fields: Mapping[str, Any], origin: Origin, faults: list[Fault]) -> dict[str, Any]:
    """The properties of an NCX action under our names, their values read."""
    ours: dict[str, Any] = {}
    theirs = {alias.names[key] for key in fields if key in alias.names}
    for key, value in fields.items():
        if key in theirs - alias.names.keys():
            continue  # the same under our name: in NCX that is something else, or was left behind
        if key in alias.refused and value:
            faults.append(Fault((*origin.path, key), "cannot be honored here", alias.refused[key]))
            continue
        name = alias.names.get(key, key)
        try:
            ours[name] = alias.read[name](value) if name in alias.read else value
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            faults.append(Fault((*origin.path, key), message, hint))
    return ours


def _unknown_keys(
    model: type[BaseModel], fields: dict[str, Any], origin: Origin, faults: list[Fault], *, forgiving: bool
) -> None:
    known = {field.alias or name for name, field in model.model_fields.items()} - {"origin"}
    for key in [key for key in fields if key not in known]:
        del fields[key]
        if not forgiving:
            faults.append(Fault((*origin.path, str(key)), "is not a property of this action", suggestion(key, known)))


def _condition(raw: Any, path: Path, faults: list[Fault]) -> str | Triples | None:
    if raw is None or raw == "" or isinstance(raw, str):
        return raw or None
    if isinstance(raw, Mapping):
        triples = build(Triples, ncx_condition(raw), Origin(path), faults)
        return triples if triples and triples.expressions and triples.condition_type != "NONE" else None
    faults.append(Fault(path, "must be a CEL text, or conditionType and expressions"))
    return None


def _check_id(identifier: str, path: Path, faults: list[Fault]) -> None:
    if not identifier.strip() or any(character in identifier for character in _RESERVED):
        faults.append(Fault(path, "an id is some text without / and :"))


def near_misses(data: Mapping[Any, Any], known: Sequence[str], path: Path, faults: list[Fault]) -> None:
    """Unknown keys are kept, but one that is nearly a known and absent key is a slip of the pen."""
    absent = {key.casefold(): key for key in known if key not in data}
    for key in data:
        near = get_close_matches(str(key).casefold(), absent, n=1, cutoff=0.85) if key not in known else ()
        if near:
            faults.append(Fault((*path, str(key)), "is not a key of this object", f"did you mean {absent[near[0]]}?"))


_M = TypeVar("_M", bound=BaseModel)


def build(model: type[_M], fields: Mapping[str, Any], origin: Origin, faults: list[Fault]) -> _M | None:
    """An instance of the model, or None with its faults added."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        found = ((fault, origin.of(*fault.path) if fault.path else origin.path) for fault in faults_of(error))
        faults.extend(Fault(path, fault.message, fault.hint) for fault, path in found)
        return None
