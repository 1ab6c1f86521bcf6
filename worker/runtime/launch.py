"""Starts runs, and pauses, resumes and cancels them.

1. A launch checks everything first and says all that is wrong; a refused launch changes nothing.
2. A run keeps a snapshot of its definitions: later edits do not reach people under way.
3. Stop means stop: when `pause` or `cancel` returns True, nothing more can leave.
"""

from worker.domain.run import Run, RunStatus
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch
from worker.runtime.hints import Hint, Work
from worker.runtime.preflight import Launch, gather, require_launchable
from worker.store.errors import AlreadyRunning

ENROLL_CHUNK = 2000
CANCEL_CHUNK = 2000


def launch(rt: Runtime, request: Launch) -> Run:
    """Create the run and hint at its enrollment. Raises NotFound, CannotLaunch, NameTaken."""
    snapshot = gather(rt, request)
    require_launchable(rt, request, snapshot)
    run = Run(
        tenant_id=request.tenant_id,
        run_id=f"run_{rt.store.new_id()}".lower(),
        campaign_id=snapshot.campaign.id,
        status=RunStatus.RUNNING,
        campaign=snapshot.campaign.data,
        workflows=snapshot.workflows,
        dispositions=snapshot.dispositions,
        options={
            "speed": request.speed,
            "rehearsal": rt.settings.rehearsal,
            "defaultTimezone": rt.settings.default_timezone,
        },
        contact_list_id=snapshot.contact_list.id,
        enrolled=False,
        created_at=rt.now(),
    )
    try:
        rt.store.create_run(run, saving=request.documents, by=rt.actor.user_id, again=request.again)
    except AlreadyRunning as error:  # the same launch, at the same moment
        raise CannotLaunch([str(error)]) from None
    rt.hint(Hint(Work.ENROLL, run.tenant_id, run.run_id))
    return run


def enroll(rt: Runtime, tenant_id: str, run_id: str) -> int:
    """Enroll a chunk of the audience and hint at the next, so that stepping goes on in between. Returns how many."""
    enrolled = rt.store.enroll_chunk(tenant_id, run_id, size=ENROLL_CHUNK, now=rt.now())
    if enrolled:
        rt.hint(Hint(Work.ENROLL, tenant_id, run_id, enrolled, share=1))
    rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, enrolled))
    return enrolled


def pause(rt: Runtime, tenant_id: str, run_id: str) -> bool:
    """Let nothing more leave. True when nothing is in flight any more, False when a call is still unanswered."""
    rt.store.change_run_status(tenant_id, run_id, RunStatus.PAUSED, rt.now())
    return _landed(rt, tenant_id, run_id)


def resume(rt: Runtime, tenant_id: str, run_id: str) -> None:
    """Go on where it was paused."""
    rt.store.change_run_status(tenant_id, run_id, RunStatus.RUNNING, rt.now())
    rt.hint(Hint(Work.ADVANCE, tenant_id, run_id))


def cancel(rt: Runtime, tenant_id: str, run_id: str) -> bool:
    """End the run for good; everybody still in it ends as cancelled. Returns as `pause` does."""
    rt.store.change_run_status(tenant_id, run_id, RunStatus.CANCELLED, rt.now())
    landed = _landed(rt, tenant_id, run_id)
    cancel_rest(rt, tenant_id, run_id)
    return landed


def cancel_rest(rt: Runtime, tenant_id: str, run_id: str) -> int:
    """End the enrollments of a cancelled run in bounded steps. Safe to repeat."""
    cancelled = 0
    while chunk := rt.store.cancel_chunk(tenant_id, run_id, size=CANCEL_CHUNK, now=rt.now()):
        cancelled += chunk
    return cancelled


def _landed(rt: Runtime, tenant_id: str, run_id: str) -> bool:
    """Wait until what had left before the stop has been answered; an HTTP call is bounded, so this is too."""
    ends = rt.clock.elapsed() + rt.settings.http_timeout_seconds + 5
    while rt.store.in_flight(tenant_id, run_id):
        if rt.clock.elapsed() > ends:
            return False
        rt.clock.sleep(0.1)
    return True
