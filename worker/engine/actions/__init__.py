"""What each action does when its turn comes: one function per kind, all reached from `perform`.

1. An action either moves on (`advance`, `enter`, `invoke`, `leave`, `end`) or suspends; it never does neither.
2. A text that cannot be made for this contact ends its enrollment, with the template's place and the missing name.
"""

from typing import assert_never

from worker.engine import plan
from worker.engine.actions import data, flow, messages, waits
from worker.engine.render import RenderFailed
from worker.engine.walk import Walk


def perform(walk: Walk, action: plan.AnyStep) -> None:
    """Take one action."""
    try:
        _dispatch(walk, action)
    except RenderFailed as error:
        message = walk.key(action.id) if isinstance(action, plan.Send) else None
        walk.fail(str(error), "RENDER_FAILED", message)


def _dispatch(walk: Walk, action: plan.AnyStep) -> None:  # noqa: C901, PLR0912 - one case per kind, nothing else
    match action:
        case plan.Send():
            messages.send(walk, action)
        case plan.Pause():
            waits.pause(walk, action)
        case plan.AwaitReply():
            waits.await_reply(walk, action)
        case plan.AwaitOutcome():
            waits.await_outcome(walk, action)
        case plan.AwaitEvent():
            waits.await_event(walk, action)
        case plan.GoTo():
            flow.go_to(walk, action)
        case plan.Choose():
            flow.choose(walk, action)
        case plan.Assign():
            data.assign(walk, action)
        case plan.FileUnder():
            data.file_under(walk, action)
        case plan.Invoke():
            flow.invoke(walk, action)
        case plan.Leave():
            walk.leave()
        case plan.End():
            walk.end()
        case _:
            assert_never(action)
