"""What of a flow from NCX can be reached at all.

1. Its editor leaves states and actions behind that nothing leads to, and NCX has states for the moment an agent or a
   caller leaves (`finalWorkitemStateId`), which never comes here. They are passed over, with whatever is wrong in them.
2. Only states that say they come from NCX: in one of ours, what is never reached is a slip of the pen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from worker.domain.faults import Fault, Path
from worker.domain.workflow_actions import (
    AnyAction,
    Return,
    Split,
    Terminate,
    TransitionAction,
    WaitForEvent,
    WaitForOutcome,
    WaitForReply,
)
from worker.domain.workflow_states import State, resolve_state

_NCX_STATE: Final = "campaignstate"


@dataclass(frozen=True, slots=True)
class Reached:
    """The states that remain, and what was passed over: whole states, and actions behind one in a list of actions."""

    states: dict[str, State]
    unreached: tuple[Path, ...]
    cut: tuple[tuple[Path, int], ...]

    def concerns(self, fault: Fault) -> bool:
        """Whether a fault stands in something that remains."""
        path = fault.path
        return not any(path[: len(place)] == place for place in self.unreached) and not any(
            path[: len(place)] == place and isinstance(index := path[len(place)], int) and index > last
            for place, last in self.cut
            if len(path) > len(place)
        )


def reached(initial: str, states: Mapping[str, State]) -> Reached:
    """A flow without the parts of NCX states that nothing leads to."""
    remaining = {state_id: _shortened(state) if _is_ncx(state) else state for state_id, state in states.items()}
    found = _found(initial, remaining)
    unreached = {key: state.origin for key, state in states.items() if _is_ncx(state) and key not in found}
    remaining = {key: state for key, state in remaining.items() if key not in unreached}
    cut = tuple(_last(state) for state in remaining.values() if _is_ncx(state) and _ends_by_leaving(state))
    return Reached(remaining, tuple(unreached.values()), cut)


def _is_ncx(state: State) -> bool:
    return (state.model_extra or {}).get("objectType") == _NCX_STATE


def _shortened(state: State) -> State:
    """The state without the actions behind one that always leaves."""
    leaving = next((n for n, action in enumerate(state.actions) if _always_leaves(action)), len(state.actions))
    return state.model_copy(update={"actions": state.actions[: leaving + 1]})


def _ends_by_leaving(state: State) -> bool:
    return bool(state.actions) and _always_leaves(state.actions[-1])


def _last(state: State) -> tuple[Path, int]:
    """Where the actions of a state are written, and the number of the last one that remains."""
    place = (*state.origin, "actions")
    return place, int(state.actions[-1].origin.path[len(place)])


def _always_leaves(action: AnyAction) -> bool:
    return action.condition is None and isinstance(action, TransitionAction | Split | Return | Terminate)


def _found(initial: str, states: Mapping[str, State]) -> set[str]:
    found: set[str] = set()
    ahead = [initial]
    while ahead:
        state_id = resolve_state(states, ahead.pop())
        if state_id is not None and state_id not in found:
            found.add(state_id)
            ahead += _targets(states[state_id].actions)
    return found


def _targets(actions: Sequence[AnyAction]) -> Iterator[str]:
    for action in actions:
        match action:
            case TransitionAction(to=target):
                yield target
            case WaitForReply() | WaitForOutcome() | WaitForEvent():
                yield action.on_timeout
            case Split(branches=branches):
                yield from (branch.to for branch in branches)
            case _:
                pass
