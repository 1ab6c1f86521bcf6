"""Commands on runs: status, report, log, start, pause, resume, cancel, close."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.live import looks, watch_run
from worker.cli.output import AsJson, console, show
from worker.cli.tables import outcome_table, status_page
from worker.domain.run import RunStatus
from worker.runtime import launch as launching
from worker.runtime.bootstrap import Runtime
from worker.runtime.reports import make_report, resolve_run

Change = Callable[[Runtime, str, str], object]

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or `last`.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for `campaigns log`.")]


def status(
    run: RunId,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it live until the run ends; with --json wait and print the end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Where a run is: how many people are done, and its messages by channel and state."""
    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        if watch and not as_json:
            watch_run(rt, run_id, console())
            return
        found = list(looks(rt, run_id))[-1] if watch else make_report(rt, run_id)
    if as_json:
        starts = found.run.next_at if found.run.status is RunStatus.SCHEDULED else None
        show(found.as_json() | ({"startsAt": starts.isoformat()} if starts else {}), as_json=True, text="")
    else:
        console().print(status_page(found))


def report(run: RunId, *, as_json: AsJson = False) -> None:
    """What a run came to: people by disposition, messages by channel; the counts add up to the audience."""
    with open_runtime() as rt:
        found = make_report(rt, resolve_run(rt, run))
    if as_json:
        show(found.as_json(), as_json=True, text="")
    else:
        console().print(status_page(found), "", outcome_table(found), sep="\n")


def pause(run: RunId, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Stop a run for now. When this returns 0, nothing more leaves."""
    _stop("paused", run, reason, as_json=as_json)


def cancel(run: RunId, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """End a run for good. When this returns 0, nothing more leaves; everybody still in it ends as cancelled."""
    _stop("cancelled", run, reason, as_json=as_json)


def start(run: RunId, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Start a draft, or a scheduled run before its time. All is checked again; whoever belongs to it now is reached.

    A run in waves (timezone: contact) begins for everybody now, whatever the time where they live.
    """
    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        warns = launching.start(rt, rt.settings.tenant_id, run_id, reason)
        status = rt.store.get_run(rt.settings.tenant_id, run_id).status
    text = "".join(f"warning: {warning}\n" for warning in warns) + f"{run_id} is {status}"
    show({"runId": run_id, "status": status, "warnings": list(warns)}, as_json=as_json, text=text)


def close(run: RunId, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let nobody else into a run that takes events or dates; it completes when its people have finished."""
    _change(run, partial(launching.close, reason=reason), "takes nobody else; its people finish", as_json=as_json)


def log(run: RunId, *, as_json: AsJson = False) -> None:
    """The life of a run: who changed what when, and why."""
    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        changes = rt.store.run_changes(rt.settings.tenant_id, run_id)
    lines = [
        {"at": change.at.isoformat(timespec="seconds"), "by": change.by or "system", "before": change.before}
        | {"after": change.after, "reason": change.reason}
        for change in changes
    ]
    text = "\n".join(
        f"{line['at']}  {line['after']:<10} {line['by']}{': ' * bool(line['reason'])}{line['reason']}" for line in lines
    )
    show({"runId": run_id, "changes": lines}, as_json=as_json, text=text)


def resume(
    run: RunId,
    *,
    release: Annotated[
        bool, typer.Option("--release", help="Let the others follow its canary, which is watched no more.")
    ] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Go on with a paused run. A canary goes on being watched, its others wait unless --release lets them follow.

    For example: campaigns resume RUN --release --reason "the sender is verified now"
    """
    _change(run, partial(launching.resume, reason=reason, release=release), "is running", as_json=as_json)


def _change(run: str, change: Change, what: str, *, as_json: bool) -> None:
    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        change(rt, rt.settings.tenant_id, run_id)
        status = rt.store.get_run(rt.settings.tenant_id, run_id).status
    show({"runId": run_id, "status": status}, as_json=as_json, text=f"{run_id} {what}")


def _stop(status: str, run: str, reason: str, *, as_json: bool) -> None:
    with open_runtime() as rt:
        run_id = resolve_run(rt, run)
        stop = {"paused": launching.pause, "cancelled": launching.cancel}[status]
        landed = stop(rt, rt.settings.tenant_id, run_id, reason)
    if not landed:
        why = "a provider has not answered a call made before that; look again in a minute"
        raise Stop(f"{run_id} is {status}, but {why}", Exit.NOT_NOW)
    show({"runId": run_id, "status": status}, as_json=as_json, text=f"{run_id} is {status}; nothing more leaves")
