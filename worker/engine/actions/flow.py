"""transition, split, callFunction: to another place."""

import hashlib

from worker.engine.plan import Choose, GoTo, Invoke
from worker.engine.walk import Walk


def go_to(walk: Walk, action: GoTo) -> None:
    """Leave for another state."""
    walk.enter(walk.flow, action.state)


def choose(walk: Walk, action: Choose) -> None:
    """Leave for the state this enrollment's share falls on; the same label, the same share."""
    label = action.label or f"{walk.flow.qualified(walk.frames[-1].state)}/{action.id}"
    share = _share(f"{walk.enrollment.enrollment_id}/{label}")
    states = (state for bound, state in action.branches if share < bound)
    walk.enter(walk.flow, next(states, action.branches[-1][1]))


def _share(text: str) -> float:
    """A number from 0 up to 1, evenly spread over texts and always the same for one."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def invoke(walk: Walk, action: Invoke) -> None:
    """Run another flow, then go on here."""
    walk.invoke(walk.definition.flows[action.flow])
