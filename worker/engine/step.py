"""Advance one enrollment by one event. The whole engine, seen from outside, is this one function.

1. Pure: equal arguments give equal answers. Illegal and stale events change nothing but notes.
2. Actions run top to bottom. A false condition skips, a transition leaves, a state that runs out returns or ends.
3. A step sends at most one message: sending waits.
4. A final state is never left. What is cancelled or failed keeps its open messages; their fate is their own.
"""

from datetime import datetime
from typing import assert_never

from worker.domain.effects import Transition
from worker.domain.enrollment import FINAL, Enrollment, EnrollmentStatus
from worker.domain.events import Cancelled, Event, HandedOver, Happened, OptedOut, Replied, Settled, Started, TimerFired
from worker.engine import outcomes
from worker.engine.actions import perform
from worker.engine.actions.messages import handed_over, settled
from worker.engine.actions.waits import event_came, reply_arrived, timer_fired
from worker.engine.calendar import whole_millis
from worker.engine.definition import Definition
from worker.engine.walk import Walk


def step(definition: Definition, enrollment: Enrollment, event: Event, now: datetime) -> Transition:
    """Advance one enrollment by one event. `now` is aware, UTC."""
    if enrollment.status in FINAL:
        return Transition(enrollment=enrollment)
    walk = Walk(definition, enrollment, whole_millis(now))
    lost = walk.lost()
    if lost and not isinstance(event, Cancelled):
        walk.fail(f"state {lost} is not in version {definition.version} of the workflow")
    else:
        _take_in(walk, event)
        _run(walk)
    return walk.transition()


def _take_in(walk: Walk, event: Event) -> None:
    """What the news changes before any action runs."""
    match event:
        case Started(event=what):
            begun_by = walk.definition.start if what is None else what
            if begun_by is not None:
                walk.remember("start", begun_by)
            _start(walk)
        case TimerFired():
            _start(walk)  # what has not begun is due for its beginning
            timer_fired(walk)
        case HandedOver(message=message):
            handed_over(walk, message)
        case Settled():
            settled(walk, event)
        case Replied():
            reply_arrived(walk, event)
        case Happened(event=happened):
            event_came(walk, happened)
        case OptedOut(channel=channel):
            walk.opt_out(outcomes.of_opt_out(channel))
        case Cancelled(reason=reason):
            walk.cancel(reason)
        case _:
            assert_never(event)


def _start(walk: Walk) -> None:
    if walk.status is EnrollmentStatus.READY:
        first = walk.definition.flows[""]
        walk.enter(first, first.initial)


def _run(walk: Walk) -> None:
    """Take actions until there is something to wait for, or nothing left to do."""
    while walk.running:
        action = walk.current()
        if action is None:
            walk.leave()
            continue
        walk.actions_taken += 1
        if walk.actions_taken > walk.definition.max_actions:
            walk.fail(f"{walk.place()}: more than {walk.definition.max_actions} actions; the workflow runs in a circle")
        elif action.condition and not action.condition.holds(walk.facts()):
            walk.advance()
        else:
            perform(walk, action)
