"""The command on schedules: when a campaign would start, before anybody launches it.

A preview decides nothing, so this machine's clock is good enough for it, and a file needs no database.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.output import AsJson, show
from worker.domain.addresses import find_timezone
from worker.domain.campaign import Campaign
from worker.domain.schedule import ContactDate, Schedule
from worker.engine.calendar import parse_moment, zone_of
from worker.engine.schedule import EARLIEST, LATEST, Firing, firings, wave
from worker.engine.schedule_dates import Due, due_of
from worker.runtime.definitions import load_definitions
from worker.runtime.errors import NotFound
from worker.runtime.settings import load_settings
from worker.store.document_rows import DocumentType


def preview(
    campaign: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN",
            help="A saved campaign (id or name), or a file or folder that defines one.",
            show_default=False,
        ),
    ],
    *,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many firings.")] = 10,
    zone: Annotated[list[str] | None, typer.Option(help="Show local times here, too; may be repeated.")] = None,
    begin: Annotated[str, typer.Option("--from", help="From then on, like 2026-12-01T09:00; default: now.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the next firings of a campaign's schedule, with the local times; of `timezone: contact` the whole wave.

    For example: campaigns schedule preview examples/appointment --zone Asia/Tokyo
    """
    default = load_settings().default_timezone
    schedule = _schedule_of(campaign)
    own = zone_of(schedule.timezone or default)
    assert own is not None  # noqa: S101 - both have been checked
    zones = [_zone(name) for name in dict.fromkeys(zone or ([] if schedule.per_contact else [own.key, "UTC"]))]
    after = _moment(begin, own)
    if isinstance(schedule.timing, ContactDate):
        found = _of_dates(schedule, schedule.timing, zones or [own], after)
    else:
        found = _of_firings(schedule, own, zones, after, count)
    show({"campaign": campaign, **found}, as_json=as_json, text="\n".join(_page(found)))


def _schedule_of(campaign: str) -> Schedule:
    """The schedule of a saved campaign, or of the one in a file or folder. Raises Stop."""
    path = Path(campaign)
    if path.exists():
        region = load_settings().default_region
        found = list(load_definitions([path], default_region=region).campaigns.values())
        if len(found) != 1:
            raise Stop(f"{path} defines {len(found)} campaigns; name a file or folder that defines one", Exit.BAD_INPUT)
        data = found[0]
    else:
        with open_runtime() as rt:
            region = rt.settings.default_region
            saved = rt.store.find_document(rt.settings.tenant_id, DocumentType.CAMPAIGN, campaign)
        if saved is None:
            raise NotFound(f"there is no saved campaign, and no file or folder, {campaign!r}; check the name")
        data = dict(saved.data)
    schedule = Campaign.parse(data, region).starts_by
    if schedule is None:
        raise Stop(f"{campaign} has no schedule; it starts when somebody launches it", Exit.BAD_INPUT)
    return schedule


def _of_firings(
    schedule: Schedule, own: ZoneInfo, zones: list[ZoneInfo], after: datetime, count: int
) -> dict[str, Any]:
    found = [_firing(schedule, one, zones) for one in islice(firings(schedule, own, after), count)]
    return {"timezone": "contact" if schedule.per_contact else own.key, "firings": found}


def _firing(schedule: Schedule, one: Firing, zones: list[ZoneInfo]) -> dict[str, Any]:
    facts: dict[str, Any] = {"local": one.wall.isoformat(timespec="minutes"), "at": one.at.isoformat()}
    moments = {zone.key: one.at for zone in zones}
    if schedule.per_contact:
        facts["until"] = one.until.isoformat()
        moments = {zone.key: wave(one.wall, zone) for zone in dict.fromkeys((EARLIEST, *zones, LATEST))}
        return facts | {"zones": {name: at.isoformat() for name, at in moments.items()}}
    return facts | {"zones": {zone.key: one.at.astimezone(zone).isoformat() for zone in zones}}


def _of_dates(schedule: Schedule, timing: ContactDate, zones: list[ZoneInfo], after: datetime) -> dict[str, Any]:
    """What it means for one date, some days ahead: everybody has another."""
    ahead = max(timedelta(0), -timing.offset) + timedelta(days=1)
    value = (after + ahead).replace(hour=15, minute=0, second=0, microsecond=0, tzinfo=None)
    moments: dict[str, str] = {}
    for zone in zones:
        due = due_of(schedule, timing, value.isoformat(timespec="minutes"), zone)
        moments[zone.key] = due.at.astimezone(zone).isoformat() if isinstance(due, Due) else due.value
    example = {timing.field: value.isoformat(timespec="minutes"), "zones": moments}
    return {"timezone": "contact", "firings": [], "field": timing.field, "example": example}


def _page(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    if "example" in found:
        field, example = found["field"], found["example"]
        lines = [f"each person by {field}; {field} {example[field]} would be due"]
        return lines + [f"  {name}: {_shown(at)}" for name, at in example["zones"].items()]
    if not found["firings"]:
        return ["nothing more: its last time has passed"]
    lines = []
    for one in found["firings"]:
        wall = f"{datetime.fromisoformat(one['local']):%a %Y-%m-%d %H:%M}"
        where = "where each person lives" if found["timezone"] == "contact" else found["timezone"]
        lines.append(f"{wall} {where}")
        lines += [f"  {name}: {_shown(at)}" for name, at in one["zones"].items() if name != found["timezone"]]
    return lines


def _shown(at: str) -> str:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at  # why there is none
    return f"{moment:%a %Y-%m-%d %H:%M} {'UTC' if moment.utcoffset() == timedelta(0) else f'{moment:%z}'}"


def _zone(name: str) -> ZoneInfo:
    found = zone_of(name)
    if found is None:
        meant = find_timezone(name)
        hint = f"did you mean {meant}?" if meant else "write it like Europe/Berlin"
        raise Stop(f"--zone {name}: is no time zone; {hint}", Exit.BAD_INPUT)
    return found


def _moment(begin: str, zone: ZoneInfo) -> datetime:
    if not begin:
        return datetime.now(UTC)  # noqa: TID251 - a preview decides nothing
    try:
        return parse_moment(begin, zone)
    except ValueError as error:
        raise Stop(f"--from {begin}: {error}", Exit.BAD_INPUT) from None
