"""Steps enrollments through their workflow: claim, step, commit. It decides nothing; the engine does.

1. One commit holds the new state, the messages it owes and the news it has consumed, or none of them.
2. News before the clock: what has arrived is applied before a timer fires. After an outage a reply that came in time
   still counts, although its deadline has passed meanwhile.
3. An enrollment whose step raises or cannot be written is left alone and counted; the rest of its batch goes on.
4. An urgent run is not looked at until nothing is left: whoever comes meanwhile has a hint of their own, and its
   messages are to leave before the next look.
5. Other runs give way while events come late.
"""

from dataclasses import replace

import structlog
from sqlalchemy.exc import DataError

from worker.domain.effects import Dispatch, Effect, Transition
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.events import Cancelled, Event, OptedOut, Started, TimerFired
from worker.engine.definition import Definition
from worker.engine.step import step
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.intake import apply_inbox
from worker.store.rows import EnrollmentClaim, StepCommit

log = structlog.get_logger()

BUDGET_SECONDS = 3.0
"""How long one task keeps claiming before it hands the rest on: news must not wait behind a large audience."""


def advance(rt: Runtime, tenant_id: str, run_id: str) -> int:
    """Step what is due in a run until nothing is, or the time is up. Returns how many were stepped."""
    definition = rt.definition(
        tenant_id, run_id
    )  # before any claim: claims that cannot be stepped count against people
    stepped, size = 0, rt.settings.step_size
    urgent = rt.is_urgent(run_id)
    share = size
    ends = rt.clock.elapsed() + (0 if urgent else BUDGET_SECONDS)
    while True:
        apply_inbox(rt)
        if not urgent and not (share := rt.giving_way.share(Work.ADVANCE, size)):
            return stepped
        claims = rt.store.claim_enrollments(
            tenant_id, run_id, owner=rt.owner, limit=share, lease=rt.settings.lease, now=rt.now()
        )
        if not claims:
            rt.store.finish_run_if_done(tenant_id, run_id, rt.now())
            return stepped
        commits = _step_all(rt, definition, claims)
        _commit(rt, commits)
        stepped += len(commits)
        for channel in sorted({e.channel for c in commits for e in c.transition.effects if isinstance(e, Dispatch)}):
            rt.hint(Hint(Work(f"{channel}.dispatch"), tenant_id, run_id, rt.settings.slice_size))
        if urgent and len(claims) < size:
            return stepped
        if rt.clock.elapsed() > ends:
            rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, size, share=1))
            return stepped


def step_now(rt: Runtime, claim: EnrollmentClaim) -> StepCommit | None:
    """Step somebody inside another commit. None if that raises: it will be tried and counted as an ordinary step is."""
    try:
        definition = rt.definition(claim.tenant_id, claim.run_id)
    except Exception:
        log.exception("run cannot be read", run=claim.run_id)
        return None
    commits = _step_all(rt, definition, [claim])
    return commits[0] if commits else None


def _commit(rt: Runtime, commits: list[StepCommit]) -> None:
    """Write the steps; where one of them cannot be written, the others all the same."""
    try:
        rt.store.commit_steps(commits, rt.now())
    except (DataError, TypeError, ValueError):
        for commit in commits:
            try:
                rt.store.commit_steps([commit], rt.now())
            except (DataError, TypeError, ValueError):
                log.exception("step cannot be written", enrollment=commit.claim.enrollment.enrollment_id)


def _step_all(rt: Runtime, definition: Definition, claims: list[EnrollmentClaim]) -> list[StepCommit]:
    commits = []
    for claim in claims:
        try:
            transition = _play(definition, claim, rt)
        except Exception:
            # The claim counter in the row quarantines it after a few tries; the others must not wait for it.
            log.exception("step raised", enrollment=claim.enrollment.enrollment_id)
            continue
        commits.append(StepCommit(claim=claim, transition=transition))
    return commits


def _play(definition: Definition, claim: EnrollmentClaim, rt: Runtime) -> Transition:
    """All the news of one enrollment in order, then the clock if it has struck."""
    now = rt.now()
    transition = Transition(enrollment=claim.enrollment, due_at=now)
    effects: tuple[Effect, ...] = ()
    for event in _in_order(claim):
        transition = step(definition, transition.enrollment, event, now)
        effects += transition.effects
    if transition.due_at and transition.due_at <= now:
        transition = step(definition, transition.enrollment, TimerFired(), now)
        effects += transition.effects
    return transition if effects == transition.effects else replace(transition, effects=effects)


def _in_order(claim: EnrollmentClaim) -> list[Event]:
    """Its news, after its start. Whoever is out before it has begun does not begin."""
    events: list[Event] = [event for _, event in claim.events]
    if claim.enrollment.status is not EnrollmentStatus.READY:
        return events
    if any(isinstance(event, Cancelled | OptedOut) for event in events):
        return [event for event in events if not isinstance(event, Started)]
    return events if any(isinstance(event, Started) for event in events) else [Started(), *events]
