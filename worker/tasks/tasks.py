"""The tasks. Each is a doorway: ids in, one call to the runtime, nothing else."""

from typing import Any

from channels.messages import ChannelKind
from worker.runtime import advance as advancing
from worker.runtime import dispatch as dispatching
from worker.runtime import intake, launch, reconcile, tick
from worker.runtime.hints import Work
from worker.tasks.app import app
from worker.tasks.process import process_runtime

Report = dict[str, int]
"""Shown by Flower as the result of a task: counts, nothing else."""


@app.task(name=Work.ENROLL)
def enroll(tenant_id: str, run_id: str, *_: Any) -> Report:
    """Enroll the rest of a run's audience."""
    return {"enrolled": launch.enroll(process_runtime(), tenant_id, run_id)}


@app.task(name=Work.ADVANCE)
def advance(tenant_id: str, run_id: str, *_: Any) -> Report:
    """Step the enrollments of a run that are due."""
    return {"stepped": advancing.advance(process_runtime(), tenant_id, run_id)}


@app.task(name=Work.CANCEL)
def cancel(tenant_id: str, run_id: str, *_: Any) -> Report:
    """Finish what a cancelled run left open."""
    return {"cancelled": launch.cancel_rest(process_runtime(), tenant_id, run_id)}


def _dispatch(kind: ChannelKind, tenant_id: str, run_id: str) -> Report:
    rt = process_runtime()
    tally = rt.run(dispatching.dispatch(rt, tenant_id, run_id, kind))
    return {certainty.value: count for certainty, count in tally.items()}


@app.task(name=Work.SMS)
def send_sms(tenant_id: str, run_id: str, *_: Any) -> Report:
    """Send the texts of a run that are due."""
    return _dispatch(ChannelKind.SMS, tenant_id, run_id)


@app.task(name=Work.EMAIL)
def send_email(tenant_id: str, run_id: str, *_: Any) -> Report:
    """Send the mails of a run that are due."""
    return _dispatch(ChannelKind.EMAIL, tenant_id, run_id)


@app.task(name=Work.VOICE)
def place_calls(tenant_id: str, run_id: str, *_: Any) -> Report:
    """Place the calls of a run that are due."""
    return _dispatch(ChannelKind.VOICE, tenant_id, run_id)


@app.task(name=Work.INBOX)
def apply_inbox(*_: Any) -> Report:
    """Apply the callbacks that lie in the inbox."""
    return {"applied": intake.apply_inbox(process_runtime())}


@app.task(name=Work.RECONCILE)
def resolve(*_: Any) -> Report:
    """Find out what became of attempts nobody told us about."""
    rt = process_runtime()
    return {"settled": rt.run(reconcile.reconcile(rt))}


@app.task(name="control.tick")
def beat_tick() -> Report:
    """What beat asks for. Any worker process does the same by itself."""
    return {"hints": tick.tick(process_runtime())}
