"""Commands on held messages: holds, settle."""

from typing import Annotated

import typer

from worker.cli.definitions import AsJson
from worker.cli.errors import Exit, Stop
from worker.cli.runs import RunId
from worker.domain.attempt import PersonSays


def holds(run: RunId, *, as_json: AsJson = False) -> None:
    """List the messages of a run that may or may not have left. Nothing sends them again by itself."""
    from channels.masking import mask
    from worker.cli.context import open_runtime
    from worker.cli.output import show
    from worker.runtime.holds import held
    from worker.runtime.reports import resolve_run

    with open_runtime() as rt:
        found = [
            {
                "attemptId": facts.attempt_id,
                "channel": facts.channel,
                "to": mask(facts.to),
                "message": str(facts.key),
                "sentAt": facts.dispatched_at.isoformat(timespec="seconds"),
            }
            for facts in held(rt, resolve_run(rt, run))
        ]
    lines = ["  ".join(str(value) for value in one.values()) for one in found]
    hint = "look each one up at the provider, then: campaigns settle ATTEMPT sent|resend|drop"
    show({"held": found}, as_json=as_json, text="\n".join([*lines, hint]) if lines else "nothing is held")


def settle(
    attempt: Annotated[
        str, typer.Argument(metavar="ATTEMPT", help="As `campaigns holds` lists it.", show_default=False)
    ],
    says: Annotated[PersonSays, typer.Argument(help="What is true of it, or shall be done.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Decide about a held message: it was sent, it is to be sent again, or it is to be dropped."""
    from worker.cli.context import open_runtime
    from worker.cli.output import show
    from worker.runtime.holds import decide

    with open_runtime() as rt:
        changed = decide(rt, attempt, says)
    if not changed:
        raise Stop(f"{attempt} is not held any more; its fate is known", Exit.NOT_NOW)
    show({"attemptId": attempt, "settled": says}, as_json=as_json, text=f"{attempt}: {says}")
