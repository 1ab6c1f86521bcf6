"""`campaigns launch`: over whom, when, how carefully."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.output import AsJson, show
from worker.domain.audience import Audience
from worker.domain.durations import parse_duration
from worker.domain.faults import Invalid
from worker.engine.calendar import parse_moment
from worker.runtime import launch as launching
from worker.runtime.bootstrap import Runtime
from worker.runtime.launch import Launched
from worker.runtime.make_run import zone_named
from worker.runtime.preflight import Launch, example_event
from worker.runtime.reports import LAST, resolve_run
from worker.runtime.saving import read_campaign
from worker.schema import strict_json
from worker.store.document_rows import Document

Lists = Annotated[
    list[str] | None, typer.Option("--list", help="A contact list, instead of the campaign's audience; repeatable.")
]
Segment = Annotated[str, typer.Option(help="Only who matches: a query like plan:gold, or a saved segment.")]
ExcludeLists = Annotated[list[str] | None, typer.Option("--exclude-list", help="Nobody who is on this list.")]
ExcludeSegments = Annotated[
    list[str] | None, typer.Option("--exclude-segment", help="Nobody who matches this query or saved segment.")
]
ExcludeRuns = Annotated[
    list[str] | None, typer.Option("--exclude-run", help="Nobody who is or was in this run, or in the `last` one.")
]
NotContacted = Annotated[str, typer.Option("--not-contacted-within", help="Nobody reached lately, like 7 days.")]
Largest = Annotated[
    int, typer.Option(min=0, max=1_000_000_000, help="Refuse if more people than that belong; 0: as set elsewhere.")
]
Everyone = Annotated[bool, typer.Option("--everyone", help="All contacts are meant, without a list or a segment.")]
CampaignOrPath = Annotated[
    str,
    typer.Argument(
        metavar="CAMPAIGN",
        help="A saved campaign (id or name), or a file or folder that defines one.",
        show_default=False,
    ),
]


def launch(
    campaign: CampaignOrPath,
    *,
    contact_lists: Lists = None,
    segment: Segment = "",
    exclude_lists: ExcludeLists = None,
    exclude_segments: ExcludeSegments = None,
    exclude_runs: ExcludeRuns = None,
    not_contacted_within: NotContacted = "",
    largest: Largest = 0,
    everyone: Everyone = False,
    to: Annotated[
        list[str] | None,
        typer.Option(help="Only this person (contact id, number or mail address), to try it out; repeatable."),
    ] = None,
    event: Annotated[
        str, typer.Option(metavar="FILE|JSON", help="With --to: the event it begins with, `start` in templates.")
    ] = "",
    limit: Annotated[int, typer.Option(min=0, max=1_000_000_000, help="At most so many people; 0: all.")] = 0,
    canary: Annotated[
        str, typer.Option(help="A part goes first, like 1% or 500; the rest follows if it goes well, else it pauses.")
    ] = "",
    draft: Annotated[bool, typer.Option("--draft", help="Check and keep it; `campaigns start` starts it.")] = False,
    at: Annotated[
        str,
        typer.Option(help="Start by itself then, like 2026-12-01T09:00 (DEFAULT_TIMEZONE) or 2026-12-01T09:00+01:00."),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the events of the run that listens; its people finish there.")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(min=1, max=1_000_000, help="Rehearse: this many seconds of waiting pass in one. Sandbox only."),
    ] = 1.0,
    again: Annotated[
        bool, typer.Option("--again", help="Even while a run of this campaign over this audience is going on.")
    ] = False,
    despite_failures: Annotated[
        bool, typer.Option("--despite-failures", help="Even if many lack what templates put out, and would fail.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Launch a campaign. Everything is checked first, and said; a refused launch changes nothing.

    --list, --segment and --to say who it is for instead of the campaign's audience; exclusions add up with its own.

    For example:

    campaigns launch examples/renewal --list renewal

    campaigns launch examples/renewal --to +12125550142

    campaigns launch examples/abandoned-cart --to +12125550142 --event cart.json

    campaigns launch "Renewal Q4" --segment "plan:gold" --exclude-list vip --canary 1%
    """
    said = audience_of(
        contact_lists=contact_lists,
        segment=segment,
        exclude_lists=exclude_lists,
        exclude_segments=exclude_segments,
        exclude_runs=exclude_runs,
        not_contacted_within=not_contacted_within,
        largest=largest,
        people=to,
    )
    with open_runtime() as rt:
        campaign_id, documents = campaign_of(rt, campaign)
        request = Launch(
            tenant_id=rt.settings.tenant_id,
            campaign=campaign_id,
            audience=with_runs(rt, said),
            speed=speed,
            documents=documents,
            again=again,
            replace=replace,
            limit=limit,
            canary=canary,
            draft=draft,
            at=_moment(at, rt.settings.default_timezone),
            everyone=everyone,
            despite_failures=despite_failures,
            event=_event(rt, event),
        )
        launched = launching.launch(rt, request)
        default = rt.settings.default_timezone
    run = launched.run
    data = {"runId": run.run_id, "campaignId": run.campaign_id, "status": run.status}
    if run.status == "scheduled" and run.next_at:
        data["startsAt"] = run.next_at.isoformat()
    show(data | {"warnings": list(launched.warns)}, as_json=as_json, text=_text(launched, default))


def _event(rt: Runtime, said: str) -> Mapping[str, Any] | None:
    """The event of `--event`, which is JSON or a file of it. Raises Stop."""
    if not said:
        return None
    try:
        text = said if said.lstrip().startswith("{") else Path(said).read_text(encoding="utf-8")
        return example_event(rt, strict_json.read(text))
    except Invalid as error:
        raise Stop(f"--event: {'; '.join(map(str, error.faults))}", Exit.BAD_INPUT) from None
    except ValueError as error:
        raise Stop(f"--event: it is no JSON that can be read: {error}", Exit.BAD_INPUT) from None


def _moment(said: str, timezone: str) -> datetime | None:
    """The instant of `--at`, None without one. Raises Stop."""
    try:
        return parse_moment(said, zone_named(timezone)) if said else None
    except ValueError as error:
        raise Stop(f"--at {said}: {error}", Exit.BAD_INPUT) from None


def _when(at: datetime, timezone: str) -> str:
    """An instant as it was understood: where this installation is, and in UTC."""
    local = at.astimezone(zone_named(timezone))
    return f"{local:%Y-%m-%d %H:%M} {local.tzinfo} ({at:%Y-%m-%dT%H:%M:%SZ})"


def _text(launched: Launched, timezone: str) -> str:
    run = launched.run
    starts = f"it starts at {_when(run.next_at, timezone)}" if run.next_at else ""
    words = {"draft": f"start it: campaigns start {run.run_id}", "scheduled": starts}
    verb = {"draft": "kept as a draft", "scheduled": "scheduled"}.get(run.status, "launched")
    warned = "".join(f"warning: {warning}\n" for warning in launched.warns)
    return f"{warned}{verb} {run.run_id}\n" + words.get(run.status, f"watch it: campaigns status {run.run_id} --watch")


def campaign_of(rt: Runtime, said: str) -> tuple[str, tuple[Document, ...]]:
    """The campaign an argument names, and the definitions that come with it where it is a file or folder."""
    path = Path(said)
    return read_campaign(rt, path) if path.exists() else (said, ())


def with_runs(rt: Runtime, said: Audience) -> Audience:
    """With the id of the latest run for `last`, which later would be another one. Raises NotFound."""
    runs = (resolve_run(rt, run) if run == LAST else run for run in said.exclude_runs)
    return dataclasses.replace(said, exclude_runs=tuple(runs))


def audience_of(
    *,
    contact_lists: list[str] | None,
    segment: str,
    exclude_lists: list[str] | None,
    exclude_segments: list[str] | None,
    exclude_runs: list[str] | None,
    not_contacted_within: str,
    largest: int,
    people: list[str] | None = None,
) -> Audience:
    """Whom the options name."""
    try:
        within = parse_duration(not_contacted_within) if not_contacted_within else None
    except ValueError as error:
        raise Stop(f"--not-contacted-within {error}", Exit.BAD_INPUT) from None
    return Audience(
        people=tuple(people or ()),
        lists=tuple(contact_lists or ()),
        segment=segment,
        exclude_lists=tuple(exclude_lists or ()),
        exclude_segments=tuple(exclude_segments or ()),
        exclude_runs=tuple(exclude_runs or ()),
        contacted_within=within,
        largest=largest,
    )
