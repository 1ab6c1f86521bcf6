"""Commands on held messages: list them with what is known about each, settle one.

A held message may or may not have left. Nothing sends it again by itself, so a person looks and decides.
"""

from datetime import datetime
from typing import Annotated, Any

import typer

from channels.masking import mask
from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.output import AsJson, show
from worker.domain.attempt import WORKER_DIED, Finding, HeldAttempt, PersonSays, Shown
from worker.runtime.holds import decide, held
from worker.runtime.reports import resolve_run

_SHOWN = {
    Shown.NOTHING: "it showed nothing",
    Shown.CANNOT_SAY: "it cannot say",
    Shown.RECORDS: "it showed records of which one may be it",
}
_HINT = "look each one up at the provider, then: campaigns holds settle ATTEMPT sent|resend|drop"


def list_held(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run's id, or `last`; all runs without it.", show_default=False)
    ] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List what is held, with all that may help to decide: why nobody knows, and what the provider showed."""
    with open_runtime() as rt:
        found = held(rt, resolve_run(rt, run) if run else "")
    text = "\n".join([*(_page(one) for one in found), _HINT]) if found else "nothing is held"
    show({"held": [_facts(one) for one in found]}, as_json=as_json, text=text)


def settle(
    attempt: Annotated[
        str, typer.Argument(metavar="ATTEMPT", help="As `campaigns holds list` names it.", show_default=False)
    ],
    says: Annotated[PersonSays, typer.Argument(help="What is true of it, or shall be done.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Decide about a held message: it was sent, it is to be sent again, or it is to be dropped."""
    with open_runtime() as rt:
        changed = decide(rt, attempt, says)
    if not changed:
        raise Stop(f"{attempt} is not held any more; its fate is known", Exit.NOT_NOW)
    show({"attemptId": attempt, "settled": says}, as_json=as_json, text=f"{attempt}: {says}")


def _facts(one: HeldAttempt) -> dict[str, Any]:
    """All that is known, for programs. The recipient is masked; the contact's id names the person."""
    return {
        "attemptId": one.attempt_id,
        "number": one.number,
        "runId": one.run_id,
        "campaignId": one.campaign_id,
        "contactId": one.contact_id,
        "channel": one.channel,
        "to": mask(one.to),
        "message": str(one.key),
        "sentAt": _moment(one.dispatched_at),
        "reason": one.reason,
        "code": one.code,
        "provider": one.provider,
        "asked": one.finding.asked if one.finding else 0,
        "askedAt": _moment(one.finding.at) if one.finding else None,
        "shown": one.finding.shown if one.finding else None,
        "records": list(one.finding.refs) if one.finding else [],
        "nextLookAt": _moment(one.next_look) if one.next_look else None,
        "receiptRank": one.rank,
    }


def _page(one: HeldAttempt) -> str:
    """The same for people."""
    why = "its worker died" if one.code == WORKER_DIED else f"{one.reason} {one.code}".strip()
    again = f", next {_moment(one.next_look)}" if one.next_look else ""
    heard = f"\n  heard of it so far: a receipt of rank {one.rank}" if one.rank else ""
    return (
        f"{one.attempt_id}  {one.channel} to {mask(one.to)}, contact {one.contact_id}\n"
        f"  {one.key} of {one.campaign_id} in {one.run_id}\n"
        f"  try {one.number}, sent {_moment(one.dispatched_at)}; why nobody knows: {why}\n"
        f"  {one.provider} {_asked(one.finding)}{again}{heard}"
    )


def _asked(finding: Finding | None) -> str:
    if finding is None:
        return "was not asked yet"
    times = "once" if finding.asked == 1 else f"{finding.asked} times, last"
    records = f": {', '.join(finding.refs)}" if finding.refs else ""
    return f"was asked {times} {_moment(finding.at)}, {_SHOWN[finding.shown]}{records}"


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
