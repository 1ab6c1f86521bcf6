"""`campaigns audience`: who a campaign would reach, before anybody is reached."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.markup import escape
from rich.padding import Padding

from worker.cli.context import open_runtime
from worker.cli.launches import (
    CampaignOrPath,
    Everyone,
    ExcludeLists,
    ExcludeRuns,
    ExcludeSegments,
    Largest,
    Lists,
    NotContacted,
    Segment,
    audience_of,
    campaign_of,
    with_runs,
)
from worker.cli.output import AsJson, console, show
from worker.cli.tables import plain_table
from worker.domain.audience_counts import Excluded, Exclusion
from worker.engine.preview import Draft
from worker.runtime.preflight import Launch
from worker.runtime.preview import SAMPLE, Preview, Sampled, preview

_ROWS: Final = 10
"""Countries and time zones that are shown by name."""


def audience(
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
    with_preview: Annotated[
        bool, typer.Option("--preview", help="Also ten people, with every message they may get.")
    ] = False,
    show_addresses: Annotated[
        bool, typer.Option("--show-addresses", help="Numbers and mail addresses as they are, not masked.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count who a campaign would reach: by country, time zone and channel, and who is left out why. Nothing is sent.

    For example:

    campaigns audience examples/renewal --list renewal --preview

    campaigns audience "Renewal Q4" --segment "plan:gold AND NOT tags:vip" --not-contacted-within "7 days"
    """
    said = audience_of(
        contact_lists=contact_lists,
        segment=segment,
        exclude_lists=exclude_lists,
        exclude_segments=exclude_segments,
        exclude_runs=exclude_runs,
        not_contacted_within=not_contacted_within,
        largest=largest,
    )
    with open_runtime() as rt:
        campaign_id, documents = campaign_of(rt, campaign)
        request = Launch(
            tenant_id=rt.settings.tenant_id,
            campaign=campaign_id,
            audience=with_runs(rt, said),
            documents=documents,
            everyone=everyone,
        )
        found = preview(rt, request, people=SAMPLE if with_preview else 0, show_addresses=show_addresses)
    if as_json:
        show(found.as_json(), as_json=True, text="")
        return
    out = console()
    for part in _page(found):
        out.print(part)


def _page(found: Preview) -> Iterator[RenderableType]:
    counts = found.counts
    left_out = sum(people for _, people in counts.excluded)
    yield (
        f"[bold]{counts.total:,}[/] people of {counts.candidates:,}:"
        f" {counts.outside:,} do not match the segment, {left_out:,} are left out"
    )
    yield f"{counts.suppressed:,} of them said stop on every channel or are blocked, {counts.without:,} have no address"
    yield ""
    yield from _tables(found)
    yield from (f"[red]would be refused:[/] {escape(sentence)}" for sentence in found.blocks)
    yield from (f"[yellow]warning:[/] {escape(sentence)}" for sentence in found.warns)
    for one in found.sample:
        yield ""
        yield from _person(one)


def _tables(found: Preview) -> Iterator[RenderableType]:
    counts = found.counts
    if counts.excluded:
        left_out = plain_table("left out", "reason", "people")
        for excluded, people in counts.excluded:
            left_out.add_row(_reason(excluded, found.lists), f"{people:,}")
        yield left_out
        yield ""
    channels = plain_table("by channel", "channel", "reachable", "stopped", "no address")
    for channel, reach in counts.channels.items():
        channels.add_row(channel, f"{reach.reachable:,}", f"{reach.suppressed:,}", f"{reach.without:,}")
    yield channels
    yield ""
    for title, first, by in (("by country", "country", counts.countries), ("by time zone", "zone", counts.timezones)):
        table = plain_table(title, first, "people")
        for name, people in _most(by):
            table.add_row(name, f"{people:,}")
        yield table
        yield ""


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The largest counts, and the rest in one line."""
    falling = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [(name or "(unknown)", people) for name, people in falling[:_ROWS]]
    rest = falling[_ROWS:]
    return [*shown, (f"{len(rest)} others", sum(people for _, people in rest))] if rest else shown


def _reason(excluded: Excluded, lists: Mapping[str, str]) -> str:
    match excluded.reason:
        case Exclusion.LIST:
            return f"on the list {escape(lists.get(excluded.of, excluded.of))}"
        case Exclusion.SEGMENT:
            return "match the excluded segment"
        case Exclusion.RUN:
            return f"in {excluded.of}"
        case Exclusion.CONTACTED:
            return "contacted lately"


def _person(one: Sampled) -> Iterator[RenderableType]:
    addresses = ", ".join(part for part in (one.phone, one.email, one.timezone) if part)
    yield f"[bold]{one.contact_id}[/] {escape(addresses) or 'no address'}"
    for draft in one.drafts:
        yield f"  {escape(draft.state)}: {draft.channel} to {escape(draft.to) or 'nobody'}"
        yield from (Padding(escape(text), (0, 0, 0, 4), expand=False) for text in _texts(draft))
        if draft.problem:
            yield f"    [red]{escape(draft.problem)}[/]"


def _texts(draft: Draft) -> Iterator[str]:
    """What a person would read or hear."""
    for key in ("subject", "body", "text", "html"):
        if text := draft.content.get(key):
            yield str(text)
    for key in ("speech", "voicemail"):
        if part := draft.content.get(key):
            yield str(part.get("text") or part.get("playUrl"))
