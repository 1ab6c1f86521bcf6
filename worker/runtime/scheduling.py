"""Scheduled runs: what the tick finds due is started, moved on or failed. Beat is only a tick.

1. Whoever finds a run due reads the saved definitions again, checks them as a launch does, and starts it in one
   transaction that also makes the next run of the series. Two that do so at once start it once.
2. What was missed starts late, once, within the grace. Beyond it, it is skipped: the run waits for the next moment and
   its changes say so; what has no other moment fails.
3. What the checks refuse fails with the reasons; the series goes on, next time it may be well.
4. A schedule that was changed since is followed from the next firing on. Without one the series ends.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from worker.domain.campaign import Campaign
from worker.domain.faults import Invalid
from worker.domain.run import Run, RunStatus
from worker.domain.schedule import GRACE, Schedule
from worker.engine.calendar import zone_of
from worker.engine.schedule import EARLIEST, CatchUp, Firing, catch_up, firing_at, firings, is_past, wave
from worker.runtime import date_looks
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch, NotFound
from worker.runtime.hints import Hint, Work
from worker.runtime.launch_checks import require_launchable
from worker.runtime.make_run import is_ours, new_run_id, require_ours, running, zone_for
from worker.runtime.preflight import gather, said_again
from worker.runtime.selecting import selection_of_run
from worker.schema.segments import BadQuery
from worker.store.document_rows import DocumentType
from worker.store.enroll import DueOf
from worker.store.errors import AlreadyStarted

log = structlog.get_logger()

_MOMENT: Final = timedelta(milliseconds=1)
AT_ONCE: Final = "atOnce"
"""The option of a run that somebody has started before its time: nobody waits for a moment of their own."""
_REFUSALS: Final = (CannotLaunch, NotFound, Invalid, BadQuery)


def follow(rt: Runtime, tenant_id: str, run_id: str) -> int:
    """Do what the schedule of a run has to do now. Returns how many runs or people it started."""
    run = rt.store.get_run(tenant_id, run_id)
    if run.next_at is None or run.next_at > rt.now() or not is_ours(rt, run):
        return 0
    match run.status:
        case RunStatus.SCHEDULED:
            return int(_follow_scheduled(rt, run, run.next_at))
        case RunStatus.RUNNING if run.open_ended:
            return date_looks.look(rt, run)
        case _:
            return 0


def start_now(rt: Runtime, run: Run, reason: str = "") -> tuple[str, ...]:
    """Start a scheduled run before its time, in the name of whoever acts. Returns what is worth a warning.

    It is for everybody now, also where it would have gone through the time zones in waves. Raises CannotLaunch with
    every reason, AlreadyStarted.
    """
    require_ours(rt, run)
    fresh, warns = _fresh(rt, run)
    fresh = replace(fresh, occurrence=run.occurrence, options={**fresh.options, AT_ONCE: True})
    following = _next_of(rt, run, _after(rt, run)) if run.series else None
    told = "; ".join(filter(None, ("before its time", reason)))
    if not _fired(rt, fresh, run.next_at, following=following, by=rt.actor.user_id, reason=told):
        raise AlreadyStarted(run.run_id, rt.store.get_run(run.tenant_id, run.run_id).status)
    schedule = Campaign.model_validate(fresh.campaign).starts_by
    everywhere = schedule is not None and schedule.per_contact
    return (*warns, *(["everybody is due now, whatever the time where they live"] if everywhere else []))


def due_of(rt: Runtime, run: Run) -> DueOf | None:
    """When whoever lives in a time zone is due, where the run is a wave through the zones; None: everybody is due now.

    A zone whose moment has passed by more than the grace has none.
    """
    schedule = Campaign.model_validate(run.campaign).starts_by
    if schedule is None or not schedule.per_contact or schedule.has_dates or run.occurrence is None:
        return None
    if run.options.get(AT_ONCE):
        return None
    default, now = zone_for(schedule, run), rt.now()
    wall, grace = firing_at(schedule, default, run.occurrence).wall, schedule.grace

    def due(timezone: str) -> datetime | None:
        moment = wave(wall, zone_of(timezone) or default)
        return None if is_past(moment, now, grace) else moment

    return due


def missed(rt: Runtime, run: Run) -> tuple[str, ...]:
    """How many people a wave that is under way does not reach any more, in a sentence; of others nothing is counted."""
    due = due_of(rt, run)
    if due is None or due(EARLIEST.key):
        return ()
    zones = rt.store.count_audience(run.tenant_id, selection_of_run(run)).timezones
    late = sum(people for zone, people in zones.items() if due(zone) is None)
    if not late:
        return ()
    in_all = f"{late:,} of the {sum(zones.values()):,} people"
    return (f"{in_all} are not reached: where they live its moment has passed by more than the grace",)


def _follow_scheduled(rt: Runtime, run: Run, seen: datetime) -> bool:
    """Whether it was started by this."""
    if not run.series:
        late = CatchUp(fire=Firing(seen, seen, seen), then=None, late=rt.now() - seen)
        return _start(rt, run, seen, late) if late.late <= GRACE else _give_up(rt, run, seen, _missed(GRACE))
    try:
        schedule = _schedule_of(rt, run)
    except _REFUSALS as error:
        return _give_up(rt, run, seen, str(error))
    due = next(firings(schedule, zone_for(schedule, run), seen - _MOMENT), None)
    if due is None:
        return _give_up(rt, run, seen, "its schedule was changed and has nothing more")
    if due.at > rt.now():
        return _move(rt, run, seen, due.at, "its schedule was changed")
    todo = catch_up(schedule, zone_for(schedule, run), due, rt.now())
    if todo.fire is not None:
        return _start(rt, run, seen, todo)
    if todo.then is None:
        return _give_up(rt, run, seen, _missed(schedule.grace))
    return _move(rt, run, seen, todo.then.at, f"{_skipped(todo)}: {_missed(schedule.grace)}", missed=True)


def _schedule_of(rt: Runtime, run: Run) -> Schedule:
    """The schedule as it is saved now. Raises NotFound, Invalid, and CannotLaunch where there is none any more."""
    found = rt.store.find_document(run.tenant_id, DocumentType.CAMPAIGN, run.campaign_id)
    if found is None:
        raise NotFound("its campaign was deleted")
    schedule = Campaign.parse(found.data, rt.settings.default_region).starts_by
    if schedule is None or schedule.has_dates:
        raise CannotLaunch(["its campaign has no times at which it starts any more"])
    return schedule


def _start(rt: Runtime, run: Run, seen: datetime, todo: CatchUp) -> bool:
    assert todo.fire is not None  # noqa: S101 - for the type checker
    following = _next_of(rt, run, todo.then)
    try:
        fresh, warns = _fresh(rt, run)
    except _REFUSALS as error:
        return _give_up(rt, run, seen, str(error), following)
    fresh = replace(fresh, occurrence=todo.fire.at if run.series else None)
    late = missed(rt, fresh)
    told = [", ".join(_told(todo)) or ("" if late else "on time"), *(f"warning: {one}" for one in (*late, *warns))]
    return _fired(rt, fresh, seen, following=following, by="", reason="; ".join(filter(None, told)))


def _fresh(rt: Runtime, run: Run) -> tuple[Run, tuple[str, ...]]:
    """A scheduled run as it starts, of what is saved now and checked anew, and what is worth a warning.

    Raises CannotLaunch with every reason.
    """
    request = replace(said_again(run), again=True)
    snapshot = gather(rt, request)
    warns = require_launchable(rt, request, snapshot)
    fresh = running(rt, request, snapshot)
    if fresh.open_ended:
        raise CannotLaunch(["its people come one by one now, by events or by their dates; launch it anew"])
    return replace(fresh, run_id=run.run_id, series=run.series), warns


def _fired(rt: Runtime, run: Run, seen: datetime | None, *, following: Run | None, by: str, reason: str) -> bool:
    fired = rt.store.fire_run(run, seen, rt.now(), following=following, by=by, reason=reason)
    if fired:
        rt.hint(Hint(Work.ENROLL, run.tenant_id, run.run_id))
    return fired


def _give_up(rt: Runtime, run: Run, seen: datetime, reason: str, following: Run | None = None) -> bool:
    if rt.store.give_up_run(run.tenant_id, run.run_id, seen, rt.now(), following=following, reason=reason):
        log.warning("a scheduled run could not start", run=run.run_id, reason=reason)
    return False


def _move(rt: Runtime, run: Run, seen: datetime, to: datetime, reason: str, *, missed: bool = False) -> bool:
    told = f"{reason}; now at {to:%Y-%m-%d %H:%M} UTC"
    if rt.store.move_run(run.tenant_id, run.run_id, seen, rt.now(), to=to, reason=told, missed=missed):
        log.warning("a scheduled run was moved", run=run.run_id, reason=told)
    return False


def _after(rt: Runtime, run: Run) -> Firing | None:
    """The firing after the one a run waits for, by the schedule as it is saved now; None where there is none."""
    try:
        schedule = _schedule_of(rt, run)
    except _REFUSALS:
        return None
    return next(firings(schedule, zone_for(schedule, run), run.next_at or rt.now()), None)


def _next_of(rt: Runtime, run: Run, then: Firing | None) -> Run | None:
    """The next run of the series: its definitions are read again when its moment comes."""
    if then is None or not run.series:
        return None
    return replace(run, run_id=new_run_id(rt), created_at=rt.now(), next_at=then.at, occurrence=then.at)


def _told(todo: CatchUp) -> Iterator[str]:
    if todo.skipped:
        yield f"{_skipped(todo)}: a later one has come"
    if todo.late > timedelta(minutes=1):
        yield f"{_spoken(todo.late)} late"


def _skipped(todo: CatchUp) -> str:
    return f"{todo.skipped} {'firing' if todo.skipped == 1 else 'firings'} skipped"


def _missed(grace: timedelta) -> str:
    return f"missed by more than the grace of {_spoken(grace)}"


def _spoken(length: timedelta) -> str:
    """`90 minutes`, `2 hours`, to the minute."""
    minutes = round(length.total_seconds() / 60)
    if minutes % 60:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    return f"{minutes // 60} hour{'' if minutes == 60 else 's'}"  # noqa: PLR2004 - minutes of an hour
