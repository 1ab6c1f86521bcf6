"""sendSms, sendEmail, placeCall: one message, then the wait for its hand-over or its outcome.

1. A message that has been asked for once is never asked for again; whoever comes by its name again waits for it.
2. News only raises what is known: a late hand-over does not undo an outcome.
"""

from dataclasses import replace
from typing import Any

from channels.messages import ChannelKind
from worker.domain.effects import Dispatch
from worker.domain.enrollment import EnrollmentStatus, MessageKey, MessageNote, Progress, WaitKind
from worker.domain.events import Settled
from worker.engine.plan import Content, Send
from worker.engine.render import Facts, Template
from worker.engine.walk import Walk


def send(walk: Walk, action: Send) -> None:
    """Ask for the message and wait for it."""
    key = walk.key(action.id)
    known = walk.messages.get(key)
    if known is None:
        walk.effects.append(_message(walk, action, key))
        walk.messages[key] = MessageNote(channel=action.channel)
        walk.focus(key)
        _question_asked(walk, action.channel)
    elif known.progress is Progress.SETTLED or (
        known.progress is Progress.HANDED_OVER and action.until is WaitKind.HANDOVER
    ):
        walk.advance()
        return
    walk.suspend(action.until, message=key)


def _message(walk: Walk, action: Send, key: MessageKey) -> Dispatch:
    facts, recipient = walk.facts(), walk.enrollment.recipient
    own = recipient.email if action.channel is ChannelKind.EMAIL else recipient.phone
    return Dispatch(
        key=key,
        channel=action.channel,
        to=own if action.to is None else action.to.render(facts),
        sender=action.sender,
        content=rendered(action.content, facts),
    )


def rendered(content: Content, facts: Facts) -> dict[str, Any]:
    """Every text of a content for these facts. Raises RenderFailed."""
    return {key: _part(part, facts) for key, part in content.items()}


def _part(part: "Template | Content | str | int", facts: Facts) -> Any:
    if isinstance(part, Template):
        return part.render(facts)
    return part if isinstance(part, str | int) else rendered(part, facts)


def _question_asked(walk: Walk, channel: ChannelKind) -> None:
    """What the person wrote before this message is no answer to it."""
    reply = walk.variables.get("reply")
    if reply and reply["channel"] == channel:
        walk.remember("reply", {**reply, "fresh": False})


def handed_over(walk: Walk, message: MessageKey) -> None:
    """The provider has the message."""
    note = walk.messages.get(message)
    if note is None:
        return
    if note.progress is Progress.PENDING:
        walk.note(message, replace(note, progress=Progress.HANDED_OVER))
    if walk.wait and walk.wait.kind is WaitKind.HANDOVER and walk.wait.message == message:
        walk.wait = None
        walk.advance()


def settled(walk: Walk, news: Settled) -> None:
    """It is known what the message came to, or more is known than before."""
    note = walk.messages.get(news.message)
    if note is None:
        return
    walk.note(
        news.message,
        replace(note, progress=Progress.SETTLED, disposition=news.disposition, category=news.category),
    )
    walk.follow(news.disposition)
    if walk.wait and walk.wait.message == news.message:
        walk.wait = None
        walk.advance()
    elif walk.status is EnrollmentStatus.SETTLING:
        walk.end()
