"""The HTTP door of queue events: one of them, or up to a thousand in one request.

1. 202 is said when they are committed; what they lead to comes after it.
2. One process serves one tenant; a token of another is sent away.
3. All or none: if one cannot be read, none is accepted, and every fault of each is told with its place.
"""

from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response

from worker.api.documents import Key
from worker.api.json_body import json_objects
from worker.domain import faults
from worker.domain.faults import Fault
from worker.runtime import events
from worker.runtime.bootstrap import Runtime
from worker.schema.errors import BadRequest, Forbidden, Invalid
from worker.schema.scopes import Actor
from worker.store.event_rows import EventEntry

MOST_AT_ONCE: Final = 1000

Values = Annotated[tuple[list[Any], bool], Depends(json_objects)]


def send_events(request: Request, sent: Values, key: Key) -> Response:
    values, alone = sent
    if key and not alone:
        raise BadRequest("several events take no Idempotency-Key; each has a key of its own")
    if len(values) > MOST_AT_ONCE:
        raise Invalid(f"at most {MOST_AT_ONCE:,} events at once, not {len(values):,}; send them in parts")
    rt: Runtime = request.app.state.rt
    actor: Actor = request.state.actor
    if actor.tenant_id != rt.settings.tenant_id:
        raise Forbidden("this installation serves another tenant; send the events to your own")
    entries = _read(rt, values, key, alone=alone)
    rows = events.accept(rt, entries)
    request.app.state.applying.add(rows)
    new = {row.key for row in rows}
    told = []
    for entry in entries:
        told.append({"key": entry.key, "status": "accepted" if entry.key in new else "duplicate"})
        new.discard(entry.key)  # the same key again in one request is a second copy
    return JSONResponse({"count": len(rows), "events": told}, 202)


def _read(rt: Runtime, values: list[Any], key: str, *, alone: bool) -> list[EventEntry]:
    entries: list[EventEntry] = []
    found: list[Fault] = []
    for place, value in enumerate(values):
        try:
            entries.append(events.read(rt, value, key))
        except faults.Invalid as error:
            found += error.faults if alone else [fault.under(place) for fault in error.faults]
    if found:
        raise Invalid(
            "some events cannot be read, none was accepted" if not alone else "the event cannot be read", found
        )
    return entries
