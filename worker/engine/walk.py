"""One step under way: the enrollment as it is being changed, and the few moves an action can make.

1. Alive only inside `step`; the enrollment it began with is never touched.
2. Every change of place goes through here, so that visits are counted in one spot.
3. The disposition: one set by the workflow stands over what messages come to, and a resolved one, once set, stands for
   good. Until then the last settled message has the word, but an unresolved outcome never replaces a resolved one.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from channels.messages import ChannelKind
from worker.domain.dispositions import DispositionRule
from worker.domain.effects import Effect, RecordOutcome, Transition
from worker.domain.enrollment import (
    FINAL,
    Enrollment,
    EnrollmentStatus,
    Frame,
    MessageKey,
    MessageNote,
    Progress,
    Wait,
    WaitKind,
)
from worker.engine.calendar import after
from worker.engine.definition import Definition
from worker.engine.plan import AnyStep, Flow
from worker.engine.render import Facts

_WORKITEM: Final = {
    ChannelKind.SMS: "OutboundSMS",
    ChannelKind.EMAIL: "OutboundEmail",
    ChannelKind.VOICE: "OutboundCall",
}


_REMEMBERED: Final = ("start", "event", "reply", "outcome")
"""Variables of the engine's own that are roots by themselves."""


class Walk:
    """The mutable side of one step."""

    __slots__ = (
        "_facts",
        "actions_taken",
        "definition",
        "disposition",
        "disposition_set",
        "effects",
        "enrollment",
        "frames",
        "messages",
        "now",
        "reason",
        "status",
        "variables",
        "visits",
        "wait",
    )

    def __init__(self, definition: Definition, enrollment: Enrollment, now: datetime) -> None:
        self.definition = definition
        self.enrollment = enrollment
        self.now = now
        self.status = enrollment.status
        self.frames: list[Frame] = list(enrollment.frames)
        self.wait: Wait | None = enrollment.wait
        self.visits: dict[str, int] = dict(enrollment.visits)
        self.variables: dict[str, Any] = dict(enrollment.variables)
        self.messages: dict[MessageKey, MessageNote] = dict(enrollment.messages)
        self.actions_taken = enrollment.actions_taken
        self.disposition = enrollment.disposition
        self.disposition_set = enrollment.disposition_set
        self.reason = enrollment.reason
        self.effects: list[Effect] = []
        self._facts: Facts | None = None

    @property
    def running(self) -> bool:
        """Whether there is an action to take now."""
        return bool(self.frames) and self.wait is None and self.status not in FINAL

    @property
    def flow(self) -> Flow:
        return self.definition.flows[self.frames[-1].function]

    def lost(self) -> str:
        """The state it stands in, if this version of the workflow has no such state; else empty."""
        flows = self.definition.flows
        unknown = (f.state for f in self.frames if f.function not in flows or f.state not in flows[f.function].states)
        return next(unknown, "")

    def current(self) -> AnyStep | None:
        """The action to take, or None where the state has run out."""
        frame = self.frames[-1]
        steps = self.definition.flows[frame.function].states[frame.state]
        return steps[frame.index] if frame.index < len(steps) else None

    def key(self, action: str) -> MessageKey:
        """The name of the message that this action owes the contact on this visit."""
        state = self.flow.qualified(self.frames[-1].state)
        return MessageKey(state, action, self.visits[state])

    def facts(self) -> Facts:
        """What templates and conditions see now."""
        if self._facts is None:
            recipient, definition = self.enrollment.recipient, self.definition
            roots = {
                "contact": recipient.fields,
                "campaign": definition.campaign,
                "vars": self.variables,
                "workitem": self._workitem(),
            }
            roots |= {name: self.variables[name] for name in _REMEMBERED if name in self.variables}
            self._facts = Facts(roots=roots, now=self.now, zone=definition.zone_for(recipient.timezone))
        return self._facts

    def _workitem(self) -> dict[str, Any]:
        """The contact and the last message, in the words of NCX."""
        recipient = self.enrollment.recipient
        notes = list(self.messages.values())
        channel = notes[-1].channel if notes else min(self.definition.channels, default=ChannelKind.SMS)
        return {
            "data": {**recipient.fields, **self.variables},  # what came with the person, unless it was set since
            "contact": recipient.fields,
            "type": _WORKITEM[channel],
            "to": recipient.email if channel is ChannelKind.EMAIL else recipient.phone,
            "from": self.definition.senders.get(channel, ""),
        }

    def remember(self, name: str, value: Any) -> None:
        self.variables[name] = value
        self._facts = None

    def focus(self, key: MessageKey | None) -> None:
        """Make `outcome` speak of this message."""
        note = self.messages.get(key) if key else None
        self.remember(
            "outcome",
            {
                "message": str(key or ""),
                "channel": str(note.channel) if note else "",
                "disposition": note.disposition if note else "",
                "category": note.category if note else "",
            },
        )

    def note(self, key: MessageKey, note: MessageNote) -> None:
        """Keep what is known of a message; `outcome` follows where it speaks of this one."""
        self.messages[key] = note
        if self.variables.get("outcome", {}).get("message") == str(key):
            self.focus(key)

    # Moves

    def advance(self) -> None:
        """To the next action of the state."""
        frame = self.frames[-1]
        self.frames[-1] = Frame(function=frame.function, state=frame.state, index=frame.index + 1)

    def enter(self, flow: Flow, state: str) -> None:
        """Into the first action of a state, in place of the current frame."""
        qualified = flow.qualified(state)
        self.visits[qualified] = self.visits.get(qualified, 0) + 1
        self.frames[-1:] = [Frame(function=flow.name, state=state)]

    def invoke(self, flow: Flow) -> None:
        """Into another flow; it returns to the action after this one. No flow is entered twice at a time."""
        if any(frame.function == flow.name for frame in self.frames):
            self.fail(f"{self.place()}: the function is already running; a function cannot call itself")
            return
        self.advance()
        self.frames.append(self.frames[-1])
        self.enter(flow, flow.initial)

    def leave(self) -> None:
        """Out of the innermost flow, or to the end."""
        self.frames.pop()
        if not self.frames:
            self.end()

    def end(self) -> None:
        """The workflow is over; the enrollment is, once no message is open."""
        self.frames.clear()
        self.wait = None
        pending = any(note.progress is not Progress.SETTLED for note in self.messages.values())
        self.status = EnrollmentStatus.SETTLING if pending else EnrollmentStatus.FINISHED

    def fail(self, reason: str, code: str = "WORKFLOW_FAILED", message: MessageKey | None = None) -> None:
        rule = self.definition.book.file(code)
        self.record(rule, message, reason)
        self.follow(rule.code)
        self._stop(EnrollmentStatus.FAILED, reason)

    def opt_out(self, code: str) -> None:
        """The person wants no more of this: the workflow is over for them, whatever it still had in mind."""
        rule = self.definition.book.file(code)
        self.record(rule)
        self.set_disposition(rule)
        self.end()

    def cancel(self, reason: str) -> None:
        self._stop(EnrollmentStatus.CANCELLED, reason)

    def _stop(self, status: EnrollmentStatus, reason: str) -> None:
        self.frames.clear()
        self.wait = None
        self.status, self.reason = status, reason

    def suspend(
        self,
        kind: WaitKind,
        distance: timedelta | None = None,
        *,
        message: MessageKey | None = None,
        channel: ChannelKind | None = None,
    ) -> None:
        """Open a wait that ends after `distance`, or only by news."""
        due_at = None if distance is None else after(self.now, distance, self.definition.speed)
        self.status = EnrollmentStatus.WAITING
        self.wait = Wait(kind=kind, armed_at=self.now, due_at=due_at, message=message, channel=channel)

    def place(self) -> str:
        """Where it stands in the document, for people."""
        step = self.current() if self.frames else None
        return ".".join(map(str, step.place)) if step else ""

    # Outcomes

    def record(self, rule: DispositionRule, message: MessageKey | None = None, detail: str = "") -> None:
        self.effects.append(
            RecordOutcome(disposition=rule.code, category=rule.category, message=message, detail=detail)
        )

    def follow(self, code: str) -> None:
        """The enrollment's disposition after a message came to `code`, by rule 3."""
        if not self.disposition_set and (self._resolved(code) or not self._resolved(self.disposition)):
            self.disposition = code

    def set_disposition(self, rule: DispositionRule) -> None:
        """The workflow's own word, by rule 3."""
        if not self.disposition_set or not self._resolved(self.disposition):
            self.disposition, self.disposition_set = rule.code, True

    def _resolved(self, code: str) -> bool:
        try:
            return bool(code) and self.definition.book.rule(code).resolved
        except KeyError:  # filed by an older version of the campaign
            return False

    def transition(self) -> Transition:
        """What the step comes to."""
        before = self.enrollment
        enrollment = Enrollment(
            enrollment_id=before.enrollment_id,
            recipient=before.recipient,
            status=self.status,
            frames=tuple(self.frames),
            wait=self.wait,
            visits=self.visits,
            variables=self.variables,
            messages=self.messages,
            actions_taken=self.actions_taken,
            disposition=self.disposition,
            disposition_set=self.disposition_set,
            reason=self.reason,
        )
        due_at = self.wait.due_at if self.wait else self.now if self.status is EnrollmentStatus.READY else None
        return Transition(enrollment=enrollment, effects=tuple(self.effects), due_at=due_at)
