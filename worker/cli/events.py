"""Commands on queue events: list them, look into one, replay what came to nothing.

1. A list says nothing of what the events are about; `show` does, for who asks for one by its key.
2. What could not be read is kept under a key of ours, and is found by the one its sender gave it as well.
"""

from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.output import AsJson, show
from worker.domain.queue_event import MALFORMED, as_sent, sent_key
from worker.runtime.events import replay as replay_events
from worker.store.event_rows import EventFacts


def list_known(
    *,
    dead: Annotated[bool, typer.Option("--dead", help="Only those that came to nothing.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest events: their type and key, what became of them and why."""
    with open_runtime() as rt:
        found = rt.store.list_events(rt.settings.tenant_id, dead=dead, limit=limit)
    lines = [_line(one) for one in found] or ["there are none"]
    show({"events": [_facts(one) for one in found]}, as_json=as_json, text="\n".join(lines))


def show_one(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key its sender gave it.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one event with what it said. What was applied is not kept, only its key is."""
    with open_runtime() as rt:
        found = rt.store.get_event(rt.settings.tenant_id, key)
    if found is None:
        raise Stop(f"there is no event {key!r}; `campaigns events list` shows the newest", Exit.BAD_INPUT)
    payload = as_sent(found.payload)
    said = orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode() if payload else "not kept any more"
    show({**_facts(found), "payload": payload}, as_json=as_json, text=f"{_line(found)}\n{said}")


def replay(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key of a dead event.", show_default=False)] = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="All dead events.")] = False,
    as_json: AsJson = False,
) -> None:
    """Apply dead events anew, once what was missing is there. What could not be read has to be sent again."""
    if bool(key) == every:
        raise Stop("name the KEY of one dead event, or say --all", Exit.BAD_INPUT)
    with open_runtime() as rt:
        count = replay_events(rt, key)
        found = rt.store.get_event(rt.settings.tenant_id, key) if key and not count else None
        unread = rt.store.count_unread_events(rt.settings.tenant_id) if every else 0
    if key.startswith(MALFORMED) or (found and found.key.startswith(MALFORMED)):
        raise Stop("it could not be read; correct it where it was sent, and send it again", Exit.NOT_NOW)
    if key and not count:
        raise Stop(f"there is no dead event {key!r}; `campaigns events list --dead` shows them", Exit.NOT_NOW)
    stay = f"; {unread:,} could not be read and stay: correct them where they were sent" if unread else ""
    show({"replayed": count, "unread": unread}, as_json=as_json, text=f"{count:,} will be applied anew{stay}")


def _facts(one: EventFacts) -> dict[str, Any]:
    return {
        "key": one.key,
        "sentKey": sent_key(one.key),
        "type": one.type,
        "status": one.status,
        "note": one.note,
        "occurredAt": _moment(one.occurred_at),
        "receivedAt": _moment(one.received_at),
        "tries": one.tries,
    }


def _line(one: EventFacts) -> str:
    return f"{_moment(one.received_at)}  {one.status:8}{one.type or '?'}  {one.key}  {one.note}".rstrip()


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
