"""The workflow document: what happens to one contact, state by state.

1. `parse_workflow` is the only way in. It says everything that is wrong at once, each fault with its place.
2. Our form and the NCX form are both read; what comes out is ours, and reads back as the same.
3. Unknown keys are kept, except in an action, where one would be a promise unkept.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Self

from pydantic import Field

from worker.domain.base import Document
from worker.domain.faults import Fault, Invalid
from worker.domain.workflow_actions import CallFunction, Origin
from worker.domain.workflow_read import build, near_misses, read_flow, read_functions
from worker.domain.workflow_states import Function, State, resolve_state

__all__ = ["Function", "State", "Workflow", "called_workflows", "parse_workflow", "resolve_state"]

MAX_ACTIONS: Final = 10_000

_KEYS: Final = ("workflowId", "name", "version", "initialStateId", "maxActions", "states", "functions")


class Workflow(Document):
    """A whole workflow. `states` keeps the order of the document; `maxActions` is the guard against endless loops."""

    TYPE: ClassVar[str] = "workflow"

    workflow_id: str = ""
    version: int = Field(default=1, ge=1)
    initial_state_id: str
    max_actions: int = Field(default=MAX_ACTIONS, ge=1, le=1_000_000)
    states: dict[str, State]
    functions: dict[str, Function] = Field(default_factory=dict)

    @classmethod
    def parse(cls, data: Any, default_region: str = "US") -> Self:  # noqa: ARG003 - a workflow holds no numbers to read
        """Read a workflow as JSON or YAML gave it. Raises Invalid with every fault."""
        if not isinstance(data, Mapping):
            raise Invalid(cls.TYPE, [Fault((), "must be an object with states")])
        faults: list[Fault] = []
        near_misses(data, _KEYS, (), faults)
        initial, states = read_flow(data.get("states"), data.get("initialStateId"), (), "initialStateId", faults)
        fields = {
            **{str(key): value for key, value in data.items()},
            "states": states,
            "functions": read_functions(data.get("functions") or {}, faults),
            "initialStateId": initial,
        }
        workflow = build(cls, fields, Origin(), faults)
        if workflow is not None:
            faults += workflow.rules()
        if faults or workflow is None:
            raise Invalid(f"{cls.TYPE} {data.get('name') or data.get('workflowId') or ''}".rstrip(), faults)
        return workflow

    def scopes(self) -> Iterator[tuple[str, str, Mapping[str, State]]]:
        """The workflow itself (named ""), then each function: name, initial state, states."""
        yield "", self.initial_state_id, self.states
        for name, function in self.functions.items():
            yield name, function.initial_state, function.states


def called_workflows(workflow: Workflow) -> frozenset[str]:
    """The names its actions call: functions of its own, or other workflows."""
    return frozenset(
        action.function
        for _, _, states in workflow.scopes()
        for state in states.values()
        for action in state.actions
        if isinstance(action, CallFunction)
    )


def parse_workflow(data: Any) -> Workflow:
    """Read a workflow document as JSON or YAML gave it. Raises `Invalid` with all its faults."""
    return Workflow.parse(data)
