"""wait, waitForReply, waitForOutcome, waitForEvent: what opens a wait, and what ends one.

1. A wait whose moment has passed does not suspend.
2. A reply that came after the last message on its channel, but before anything waited for it, ends the next wait for a
   reply at once: people answer faster than hand-overs are confirmed. The last event that came is taken the same way.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from worker.domain.enrollment import MessageKey, Progress, WaitKind
from worker.domain.events import Replied
from worker.engine.calendar import next_local, parse_moment
from worker.engine.plan import AwaitEvent, AwaitOutcome, AwaitReply, Pause
from worker.engine.render import RenderFailed
from worker.engine.walk import Walk

_UNREAD: Final = "event.unread"
"""The variable of the last event that no wait has taken. No document can name it: it has a dot."""


def pause(walk: Walk, action: Pause) -> None:
    """Wait for a while, until a moment, or for a time of day."""
    distance = _until(walk, action) - walk.now
    if distance > timedelta(0):
        walk.suspend(WaitKind.TIMER, distance)
    else:
        walk.advance()


def _until(walk: Walk, action: Pause) -> datetime:
    """The moment without a rehearsal's speed: that shortens the distance to it."""
    zone = walk.definition.zone_for(walk.enrollment.recipient.timezone)
    if action.until is not None:
        text = action.until.render(walk.facts())
        try:
            return parse_moment(text, zone)
        except ValueError as error:
            raise RenderFailed(f"{'.'.join(map(str, action.until.place))}: {error}") from None
    earliest = walk.now + (action.length or timedelta(0))
    if action.at is None:
        return earliest
    return next_local(earliest, action.at, zone, or_equal=action.length is not None)


def await_reply(walk: Walk, action: AwaitReply) -> None:
    """Wait until the person writes."""
    reply = walk.variables.get("reply")
    if reply and reply["fresh"] and reply["channel"] == action.channel:
        _answered(walk, action)
    else:
        walk.suspend(WaitKind.REPLY, action.timeout, channel=action.channel)


def reply_arrived(walk: Walk, news: Replied) -> None:
    """The person wrote: it is remembered, and ends a wait for it."""
    walk.remember("reply", {"body": news.body, "channel": str(news.channel), "fresh": True})
    if walk.wait and walk.wait.kind is WaitKind.REPLY and walk.wait.channel is news.channel:
        walk.wait = None
        action = walk.current()
        _answered(walk, action if isinstance(action, AwaitReply) else None)


def _answered(walk: Walk, action: AwaitReply | None) -> None:
    reply = walk.variables["reply"]
    walk.remember("reply", {**reply, "fresh": False})
    if action and action.into:
        walk.remember(action.into, reply["body"])
    on_channel = [key for key, note in walk.messages.items() if note.channel == reply["channel"]]
    walk.record(walk.definition.book.file("SMS_REPLIED"), on_channel[-1] if on_channel else None)
    walk.advance()


def await_outcome(walk: Walk, action: AwaitOutcome) -> None:
    """Wait until it is known what a message came to. A message that was never asked for is not waited for."""
    key = _message(walk, action.of)
    walk.focus(key)
    if key is None or walk.messages[key].progress is Progress.SETTLED:
        walk.advance()
    else:
        walk.suspend(WaitKind.OUTCOME, action.timeout, message=key)


def await_event(walk: Walk, action: AwaitEvent) -> None:
    """Wait until an event comes; one that nothing has waited for yet will do."""
    unread = walk.variables.get(_UNREAD)
    if unread and _is_meant(walk, action, unread):
        _take_event(walk, unread)
    else:
        walk.suspend(WaitKind.EVENT, action.timeout)


def event_came(walk: Walk, event: Mapping[str, Any]) -> None:
    """An event about the contact: it ends a wait for it, or is remembered for the next one."""
    action = walk.current() if walk.wait and walk.wait.kind is WaitKind.EVENT else None
    if isinstance(action, AwaitEvent) and _is_meant(walk, action, event):
        walk.wait = None
        _take_event(walk, event)
    else:
        walk.remember(_UNREAD, event)


def _is_meant(walk: Walk, action: AwaitEvent, event: Mapping[str, Any]) -> bool:
    if event["type"] != action.event:
        return False
    facts = walk.facts()
    return action.where is None or action.where.holds(replace(facts, roots={**facts.roots, "event": event}))


def _take_event(walk: Walk, event: Mapping[str, Any]) -> None:
    walk.remember("event", event)
    walk.remember(_UNREAD, None)
    walk.advance()


def _message(walk: Walk, action_id: str) -> MessageKey | None:
    """The last message of that action, first in this state, then anywhere; without an id, the last one of all."""
    asked = [key for key in walk.messages if not action_id or key.action == action_id]
    here = walk.flow.qualified(walk.frames[-1].state)
    near = [key for key in asked if key.state == here] if action_id else []
    return next(reversed(near or asked), None)


def timer_fired(walk: Walk) -> None:
    """The open wait ends, if its time has come."""
    if walk.wait is None or walk.wait.due_at is None or walk.now < walk.wait.due_at:
        return
    walk.wait = None
    action = walk.current()
    if isinstance(action, AwaitReply | AwaitOutcome | AwaitEvent) and action.on_timeout:
        walk.enter(walk.flow, action.on_timeout)
    else:
        walk.advance()
