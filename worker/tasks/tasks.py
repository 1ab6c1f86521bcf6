"""The tasks. Each is a doorway: ids in, one call to the runtime, nothing else. An old hint gets no further than it.

1. What the children of a worker need is imported here, before the fork: they share it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import worker.runtime.channels  # noqa: F401 - see 1
from channels.messages import ChannelKind
from worker.runtime import advance as advancing
from worker.runtime import alerts, events, guarding, intake, launch, reconcile, scheduling, tick
from worker.runtime import dispatch as dispatching
from worker.runtime.hints import Hint, Work
from worker.tasks.app import app
from worker.tasks.process import is_left_to_turns, is_old, process_runtime

Report = dict[str, int]
"""Shown by Flower as the result of a task: counts, nothing else."""


def doorway(work: Work) -> Callable[[Callable[[str, str], Report]], Any]:
    """Make a function of tenant and run the task that follows hints at this work."""

    def make(look: Callable[[str, str], Report]) -> Any:
        @app.task(name=work)
        @wraps(look)
        def follow(tenant_id: str, run_id: str, _count: int = 0, at: int = 0, *_: Any) -> Report:
            if is_left_to_turns(Hint(work, tenant_id, run_id)) or is_old(work, run_id, at):
                return {}
            return look(tenant_id, run_id)

        return follow

    return make


@doorway(Work.ENROLL)
def enroll(tenant_id: str, run_id: str) -> Report:
    """Enroll the rest of a run's audience."""
    return {"enrolled": launch.enroll(process_runtime(), tenant_id, run_id).people}


@doorway(Work.ADVANCE)
def advance(tenant_id: str, run_id: str) -> Report:
    """Step the enrollments of a run that are due."""
    return {"stepped": advancing.advance(process_runtime(), tenant_id, run_id)}


@doorway(Work.CANCEL)
def cancel(tenant_id: str, run_id: str) -> Report:
    """Finish what a cancelled run left open."""
    return {"cancelled": launch.cancel_rest(process_runtime(), tenant_id, run_id)}


@doorway(Work.SCHEDULE)
def schedule(tenant_id: str, run_id: str) -> Report:
    """Start a run whose moment has come, or look at the dates of its people."""
    return {"started": scheduling.follow(process_runtime(), tenant_id, run_id)}


def _dispatch(kind: ChannelKind, tenant_id: str, run_id: str) -> Report:
    rt = process_runtime()
    tally = rt.run(dispatching.dispatch(rt, tenant_id, run_id, kind))
    return {certainty.value: count for certainty, count in tally.items()}


@doorway(Work.SMS)
def send_sms(tenant_id: str, run_id: str) -> Report:
    """Send the texts of a run that are due."""
    return _dispatch(ChannelKind.SMS, tenant_id, run_id)


@doorway(Work.EMAIL)
def send_email(tenant_id: str, run_id: str) -> Report:
    """Send the mails of a run that are due."""
    return _dispatch(ChannelKind.EMAIL, tenant_id, run_id)


@doorway(Work.VOICE)
def place_calls(tenant_id: str, run_id: str) -> Report:
    """Place the calls of a run that are due."""
    return _dispatch(ChannelKind.VOICE, tenant_id, run_id)


@doorway(Work.INBOX)
def apply_inbox(_tenant_id: str, _run_id: str) -> Report:
    """Apply the callbacks that lie in the inbox."""
    return {"applied": intake.apply_inbox(process_runtime())}


@doorway(Work.EVENTS)
def apply_events(_tenant_id: str, _run_id: str) -> Report:
    """Apply the events that have been accepted, and forget the old ones."""
    return {"applied": events.look(process_runtime())}


@doorway(Work.RECONCILE)
def resolve(_tenant_id: str, _run_id: str) -> Report:
    """Find out what became of attempts nobody told us about."""
    rt = process_runtime()
    return {"settled": rt.run(reconcile.reconcile(rt))}


@doorway(Work.GUARD)
def guard(_tenant_id: str, _run_id: str) -> Report:
    """Pause the runs that have crossed their bounds."""
    return {"changed": guarding.look(process_runtime())}


@doorway(Work.ALERT)
def alert(_tenant_id: str, _run_id: str) -> Report:
    """Tell supervisors what has happened to runs."""
    rt = process_runtime()
    return {"told": rt.run(alerts.deliver(rt))}


@app.task(name="control.tick")
def beat_tick() -> Report:
    """What beat asks for. Any worker process does the same by itself."""
    return {"hints": tick.tick(process_runtime())}
