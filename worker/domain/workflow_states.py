"""The states of a workflow, and the functions made of them.

1. Unknown keys of a state are kept. In an action an unknown key is a fault: it would be a promise unkept.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from worker.domain.faults import Path
from worker.domain.workflow_actions import AnyAction

_NCX_IDS: Final = ("_id", "campaignStateId", "key")


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="allow")


class State(_Document):
    """One state: its actions run top to bottom. `origin` is where it was written."""

    name: str = ""
    category: str = ""
    actions: tuple[Annotated[AnyAction, Field(discriminator="type")], ...] = ()
    origin: Path = Field(default=(), exclude=True, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """What a transition may call it besides its id: its name, and the ids that NCX gives it."""
        others = self.model_extra or {}
        return frozenset(str(name) for name in (self.name, *map(others.get, _NCX_IDS)) if name)


class Function(_Document):
    """A sub-workflow: called, it runs from its initial state and returns to the caller."""

    initial_state: str
    states: dict[str, State]


def resolve_state(states: Mapping[str, State], target: str) -> str | None:
    """The id of the state that `target` names: by id, or by another name that only one state has."""
    if target in states:
        return target
    named = [state_id for state_id, state in states.items() if target in state.names]
    return named[0] if len(named) == 1 else None
