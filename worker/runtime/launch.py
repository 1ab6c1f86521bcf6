"""Starts runs, and pauses, resumes and cancels them.

1. A launch checks everything first and says all that is wrong; a refused launch changes nothing.
2. A run keeps a snapshot of its definitions: later edits do not reach people under way.
3. A campaign with triggers and no audience of its own *listens*: its run is open, people come by events.
4. Stop means stop: when `pause` or `cancel` returns True, nothing more can leave.
"""

from dataclasses import dataclass

from worker.domain.campaign import Campaign
from worker.domain.run import Run, RunStatus, Who
from worker.runtime import drafts, scheduling
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch
from worker.runtime.hints import Hint, Work
from worker.runtime.launch_checks import require_launchable
from worker.runtime.make_run import make_run
from worker.runtime.preflight import Launch, gather
from worker.runtime.selecting import selection_of_run
from worker.schema.scopes import Right
from worker.schema.types import TYPES
from worker.store.enroll import Enrolled
from worker.store.errors import AlreadyListening, AlreadyRunning, AlreadyStarted, NotStarted, NotYours

ENROLL_SECONDS = 2.0
"""How long one task keeps enrolling before it hands the rest on."""
ENROLL_CHUNK = 5000
CANCEL_CHUNK = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A run that was made, and what its checks found worth knowing."""

    run: Run
    warns: tuple[str, ...] = ()


def launch(rt: Runtime, request: Launch) -> Launched:
    """Create the run and hint at its enrollment. Raises NotFound, CannotLaunch, NameTaken."""
    rt.store.gather_statistics(of_people=True)
    snapshot = gather(rt, request)
    warns = require_launchable(rt, request, snapshot)
    run = make_run(rt, request, snapshot)
    warns = (*warns, *scheduling.missed(rt, run))
    told = f"a canary of {request.canary.strip()} goes first" if run.canary else ""
    again, taking = request.again, request.replace
    try:
        rt.store.create_run(
            run, saving=request.documents, by=rt.actor.user_id, reason=told, again=again, replace=taking
        )
    except (AlreadyRunning, AlreadyListening) as error:  # the same launch, at the same moment
        raise CannotLaunch([str(error)]) from None
    if run.status is RunStatus.RUNNING:
        _begin(rt, run)
    return Launched(run=run, warns=warns)


def _begin(rt: Runtime, run: Run) -> None:
    """Hint at the first people of a run; one that listens has none yet."""
    if not run.open_ended:
        rt.hint(Hint(Work.ENROLL, run.tenant_id, run.run_id))
    elif run.next_at is not None:
        rt.hint(Hint(Work.SCHEDULE, run.tenant_id, run.run_id))


def enroll(rt: Runtime, tenant_id: str, run_id: str) -> Enrolled:
    """Enroll chunks of the audience for a while and hint at the rest, so that stepping goes on in between."""
    run = rt.store.get_run(tenant_id, run_id)
    selection, due_of, hears = selection_of_run(run), scheduling.due_of(rt, run), rt.listening(tenant_id, run_id)
    ends = rt.clock.elapsed() + ENROLL_SECONDS
    people = 0
    while size := rt.giving_way.share(Work.ENROLL, ENROLL_CHUNK):
        chunk = rt.store.enroll_chunk(
            tenant_id, run_id, size=size, now=rt.now(), selection=selection, due_of=due_of, hears=hears
        )
        people += chunk.people
        rt.hint_at_steps(tenant_id, run_id, chunk.people)
        if not chunk.more:
            return Enrolled(people, more=False)
        if rt.clock.elapsed() > ends:
            rt.hint(Hint(Work.ENROLL, tenant_id, run_id, chunk.people, share=1))
            break
    return Enrolled(people, more=True)


def pause(rt: Runtime, tenant_id: str, run_id: str, reason: str = "") -> bool:
    """Let nothing more leave. True when nothing is in flight any more, False when a call is still unanswered."""
    change(rt, tenant_id, run_id, RunStatus.PAUSED, reason)
    return _landed(rt, tenant_id, run_id)


def resume(rt: Runtime, tenant_id: str, run_id: str, reason: str = "", *, release: bool = False) -> None:
    """Go on where it was paused; a canary goes on being watched, unless the others are to be let follow (`release`).

    Raises NotStarted for what was not, NothingToRelease, CanaryIsOver.
    """
    status = rt.store.get_run(tenant_id, run_id).status
    if status in (RunStatus.DRAFT, RunStatus.SCHEDULED):
        raise NotStarted(run_id, status)
    change(rt, tenant_id, run_id, RunStatus.RUNNING, reason, release=release)
    rt.hint(Hint(Work.ADVANCE, tenant_id, run_id))
    if release:
        rt.hint(Hint(Work.ENROLL, tenant_id, run_id))


def cancel(rt: Runtime, tenant_id: str, run_id: str, reason: str = "") -> bool:
    """End the run for good; everybody still in it ends as cancelled. Returns as `pause` does."""
    change(rt, tenant_id, run_id, RunStatus.CANCELLED, reason)
    landed = _landed(rt, tenant_id, run_id)
    cancel_rest(rt, tenant_id, run_id)
    return landed


def start(rt: Runtime, tenant_id: str, run_id: str, reason: str = "") -> tuple[str, ...]:
    """Start a draft, or a scheduled run before its time: all is checked again, and its audience is who is there now.

    Returns what is worth a warning. Raises Forbidden, NotFound, CannotLaunch with every reason, NotNow.
    """
    run = rt.store.get_run(tenant_id, run_id)
    if _who(rt, tenant_id, run_id) is not Who.OPERATOR:
        raise NotYours(run_id, RunStatus.RUNNING, {Who.OPERATOR})
    match run.status:
        case RunStatus.SCHEDULED:
            return scheduling.start_now(rt, run, reason)
        case RunStatus.DRAFT:
            warns = drafts.start(rt, run, reason)
            _begin(rt, rt.store.get_run(tenant_id, run_id))
            return warns
        case _:
            raise AlreadyStarted(run_id, run.status)


def close(rt: Runtime, tenant_id: str, run_id: str, reason: str = "") -> None:
    """Let nobody else into an open run. Raises Forbidden, NotFound."""
    rt.actor.require(TYPES["campaign"].scope(Right.ADMIN))
    rt.store.close_run(tenant_id, run_id, rt.now(), by=rt.actor.user_id, reason=reason)
    rt.hint(Hint(Work.ADVANCE, tenant_id, run_id))


def change(rt: Runtime, tenant_id: str, run_id: str, to: RunStatus, reason: str = "", *, release: bool = False) -> None:
    """Change the status of a run in the name of whoever acts. Raises Forbidden, NotFound, NotNow."""
    who, by = _who(rt, tenant_id, run_id), rt.actor.user_id
    rt.store.change_run_status(tenant_id, run_id, to, rt.now(), by=by, who=who, reason=reason, release=release)


def _who(rt: Runtime, tenant_id: str, run_id: str) -> Who:
    """What the actor is to this run."""
    admin = TYPES["campaign"].scope(Right.ADMIN)
    if not rt.actor.may(admin):
        campaign = Campaign.parse(rt.store.get_run(tenant_id, run_id).campaign, rt.settings.default_region)
        if rt.actor.user_id in campaign.supervisors:
            return Who.SUPERVISOR
        rt.actor.require(admin)
    return Who.OPERATOR


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
