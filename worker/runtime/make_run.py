"""What a launch makes: a run of what was gathered, running, kept as a draft, or waiting for its schedule."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from worker.domain.campaign import Campaign
from worker.domain.run import Canary, Run, RunStatus
from worker.domain.schedule import GRACE, Schedule
from worker.engine.calendar import whole_millis, zone_of
from worker.engine.schedule import is_past, upcoming
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch
from worker.runtime.mailers import accounts_of
from worker.runtime.preflight import Launch, Snapshot, canary_share

_UTC = ZoneInfo("UTC")


def make_run(rt: Runtime, request: Launch, snapshot: Snapshot) -> Run:
    """The run of a launch. Raises CannotLaunch where its moment has passed, or its schedule has nothing more."""
    run = running(rt, request, snapshot)
    schedule = _schedule(rt, request, run.campaign)
    if run.open_ended and (request.canary or request.limit):
        raise CannotLaunch(
            ["--canary and --limit are for an audience that starts together; here people come one by one"]
        )
    if request.draft and (request.at is not None or (schedule is not None and not schedule.has_dates)):
        raise CannotLaunch(["a draft starts when somebody starts it; leave out --draft, or the time"])
    if request.at is not None and run.open_ended:
        raise CannotLaunch(["a run whose people come one by one starts at once; leave out --at"])
    if request.draft:
        return replace(run, status=RunStatus.DRAFT, started_at=None)
    if request.at is not None:
        return _waiting(run, _single(request.at, run.created_at))
    if schedule is None or schedule.has_dates:
        return run
    first = upcoming(schedule, zone_for(schedule, run), run.created_at)
    if first is None:
        raise CannotLaunch(["its schedule has nothing more after now; change it, or take it out to start at once"])
    return replace(_waiting(run, first.at), series=run.run_id, occurrence=first.at)


def running(rt: Runtime, request: Launch, snapshot: Snapshot) -> Run:
    """The run as it is once it has started, now. With dates of people it is open, and looks at them at once."""
    now = rt.now()
    listening = snapshot.chosen is None
    share = canary_share(rt, request, snapshot, now)
    schedule = _schedule(rt, request, snapshot.campaign.data)
    has_dates = schedule is not None and schedule.has_dates
    accounts = accounts_of(Campaign.parse(snapshot.campaign.data), snapshot.email_accounts)
    return Run(
        tenant_id=request.tenant_id,
        run_id=new_run_id(rt),
        campaign_id=snapshot.campaign.id,
        status=RunStatus.RUNNING,
        campaign=snapshot.campaign.data,
        workflows=snapshot.workflows,
        dispositions=snapshot.dispositions,
        options={
            "speed": request.speed,
            "rehearsal": rt.settings.rehearsal,
            "defaultTimezone": rt.settings.default_timezone,
            "limit": request.limit,
            "said": _said(request),
            **({"emailAccounts": accounts} if accounts else {}),
            **({"start": request.event} if request.event else {}),
        },
        contact_list_id=snapshot.only_list,
        selection=snapshot.chosen.wire if snapshot.chosen else {},
        guarding={"canary": {"share": share}} if share else {},
        canary=Canary.ENROLLING if share else Canary.NONE,
        open_ended=listening or has_dates,
        urgent=listening,
        enrolled=False,
        created_at=now,
        started_at=now,
        next_at=now if has_dates else None,
    )


def _schedule(rt: Runtime, request: Launch, campaign: Mapping[str, Any]) -> Schedule | None:
    """What the run starts by; somebody it is tried out on is reached at once."""
    if request.audience.people:
        return None
    return Campaign.parse(campaign, rt.settings.default_region).starts_by


def is_ours(rt: Runtime, run: Run) -> bool:
    """As `Runtime.serves`, which reads a definition that is not final before the start."""
    return run.options.get("rehearsal") in (None, rt.settings.rehearsal)


def require_ours(rt: Runtime, run: Run) -> None:
    """Raises CannotLaunch where a run that waits was launched in a sandbox and this is none, or the other way round."""
    if not is_ours(rt, run):
        raise CannotLaunch(["it was launched against other providers than those set up here; launch it anew"])


def new_run_id(rt: Runtime) -> str:
    return f"run_{rt.store.new_id()}".lower()


def zone_for(schedule: Schedule, run: Run) -> ZoneInfo:
    """The zone of a schedule: its own, else the one the installation had at the launch."""
    return zone_named(schedule.timezone or str(run.options.get("defaultTimezone", "")))


def zone_named(name: str) -> ZoneInfo:
    """The zone of this name; UTC where there is none."""
    return zone_of(name) or _UTC


def _said(request: Launch) -> dict[str, Any]:
    """What the launch said, besides the campaign; short where it said nothing."""
    said = {
        "audience": request.said.to_wire(),
        "canary": request.canary,
        "everyone": request.everyone,
        "again": request.again,
        "replace": request.replace,
        "despiteFailures": request.despite_failures,
    }
    return {key: value for key, value in said.items() if value}


def _waiting(run: Run, at: datetime) -> Run:
    return replace(run, status=RunStatus.SCHEDULED, started_at=None, next_at=at)


def _single(at: datetime, now: datetime) -> datetime:
    """The moment of `--at`."""
    moment = whole_millis(at.astimezone(UTC))
    if is_past(moment, now, GRACE):
        raise CannotLaunch([f"{moment:%Y-%m-%d %H:%M} UTC has passed; leave --at out to start at once"])
    return moment
