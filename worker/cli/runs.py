"""Commands on runs: launch, status, report, pause, resume, cancel."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.definitions import AsJson
from worker.cli.errors import Exit, Stop

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or `last`.", show_default=False)]


def launch(
    campaign: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN",
            help="A saved campaign (id or name), or a file or folder that defines one.",
            show_default=False,
        ),
    ],
    *,
    contact_list: Annotated[str, typer.Option("--list", help="The contact list; needless if there is only one.")] = "",
    speed: Annotated[
        float,
        typer.Option(min=1, max=1_000_000, help="Rehearse: this many seconds of waiting pass in one. Sandbox only."),
    ] = 1.0,
    again: Annotated[
        bool, typer.Option("--again", help="Even while a run of this campaign over this list is going on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Launch a campaign over a contact list. Everything is checked first; a refused launch changes nothing.

    For example:

    campaigns launch examples/renewal --list renewal

    campaigns launch "Renewal Q4" --list renewal --speed 3600
    """
    from worker.cli.context import open_runtime
    from worker.cli.output import show
    from worker.runtime import launch as launching
    from worker.runtime.preflight import Launch
    from worker.runtime.saving import read_campaign

    with open_runtime() as rt:
        path = Path(campaign)
        campaign_id, documents = read_campaign(rt, path) if path.exists() else (campaign, ())
        request = Launch(
            tenant_id=rt.settings.tenant_id,
            campaign=campaign_id,
            contact_list=contact_list,
            speed=speed,
            documents=documents,
            again=again,
        )
        run = launching.launch(rt, request)
    text = f"launched {run.run_id}\nwatch it: campaigns status {run.run_id} --watch"
    show({"runId": run.run_id, "campaignId": run.campaign_id}, as_json=as_json, text=text)


def status(
    run: RunId,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it live until the run ends; with --json wait and print the end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Where a run is: how many people are done, and its messages by channel and state."""
    from worker.cli.context import open_runtime
    from worker.cli.live import looks, watch_run
    from worker.cli.output import console, show
    from worker.cli.tables import status_page
    from worker.runtime.reports import make_report, resolve_run

    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        if watch and not as_json:
            watch_run(rt, run_id, console())
            return
        found = list(looks(rt, run_id))[-1] if watch else make_report(rt, run_id)
    if as_json:
        show(found.as_json(), as_json=True, text="")
    else:
        console().print(status_page(found))


def report(run: RunId, *, as_json: AsJson = False) -> None:
    """What a run came to: people by disposition, messages by channel; the counts add up to the audience."""
    from worker.cli.context import open_runtime
    from worker.cli.output import console, show
    from worker.cli.tables import outcome_table, status_page
    from worker.runtime.reports import make_report, resolve_run

    with open_runtime() as rt:
        found = make_report(rt, resolve_run(rt, run))
    if as_json:
        show(found.as_json(), as_json=True, text="")
    else:
        console().print(status_page(found), "", outcome_table(found), sep="\n")


def pause(run: RunId, *, as_json: AsJson = False) -> None:
    """Stop a run for now. When this returns 0, nothing more leaves."""
    _stop("paused", run, as_json=as_json)


def cancel(run: RunId, *, as_json: AsJson = False) -> None:
    """End a run for good. When this returns 0, nothing more leaves; everybody still in it ends as cancelled."""
    _stop("cancelled", run, as_json=as_json)


def resume(run: RunId, *, as_json: AsJson = False) -> None:
    """Go on with a paused run."""
    from worker.cli.context import open_runtime
    from worker.cli.output import show
    from worker.runtime import launch as launching
    from worker.runtime.reports import resolve_run

    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        launching.resume(rt, rt.settings.tenant_id, run_id)
    show({"runId": run_id, "status": "running"}, as_json=as_json, text=f"{run_id} is running")


def _stop(status: str, run: str, *, as_json: bool) -> None:
    from worker.cli.context import open_runtime
    from worker.cli.output import show
    from worker.runtime import launch as launching
    from worker.runtime.reports import resolve_run

    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        stop = {"paused": launching.pause, "cancelled": launching.cancel}[status]
        landed = stop(rt, rt.settings.tenant_id, run_id)
    if not landed:
        why = "a provider has not answered a call made before that; look again in a minute"
        raise Stop(f"{run_id} is {status}, but {why}", Exit.NOT_NOW)
    show({"runId": run_id, "status": status}, as_json=as_json, text=f"{run_id} is {status}; nothing more leaves")
