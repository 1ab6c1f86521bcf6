"""One contact in one run: where it stands in the workflow, what it waits for, what it has been sent.

1. An enrollment is plain data. `to_json` and `from_json` round-trip everything that must survive between two events.
2. The recipient (addresses and template fields) is joined from the contact at each step, never stored with the state.
3. A message is named by (state, action, visit). The same name never sends twice, whoever asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from channels.messages import ChannelKind


class EnrollmentStatus(StrEnum):
    """Where an enrollment is in its life."""

    READY = "ready"
    """Enrolled, not yet stepped."""
    WAITING = "waiting"
    """For a time, a hand-over, an outcome or a reply."""
    SETTLING = "settling"
    """The workflow has ended; the outcome of a message is still open."""
    FINISHED = "finished"
    FAILED = "failed"
    """The workflow could not go on; the reason says where and why."""
    CANCELLED = "cancelled"


FINAL: Final = frozenset({EnrollmentStatus.FINISHED, EnrollmentStatus.FAILED, EnrollmentStatus.CANCELLED})


class MessageKey(NamedTuple):
    """Names one message of an enrollment. `state` is qualified by its function, `visit` counts entries from 1."""

    state: str
    action: str
    visit: int

    def __str__(self) -> str:
        return f"{self.state}/{self.action}/{self.visit}"


class WaitKind(StrEnum):
    """What an enrollment can wait for."""

    TIMER = "timer"
    HANDOVER = "handover"
    """Until the provider has the message, or it is settled that it never will."""
    OUTCOME = "outcome"
    """Until the final outcome of a message is known."""
    REPLY = "reply"
    EVENT = "event"
    """A queue event about the contact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """An open wait. `due_at` is when it ends by itself; None where only news can end it."""

    kind: WaitKind
    armed_at: datetime
    due_at: datetime | None = None
    message: MessageKey | None = None
    channel: ChannelKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A place in a workflow: `function` is empty for the campaign's own workflow; `index` is the current action."""

    function: str
    state: str
    index: int = 0


class Progress(StrEnum):
    """How far a message has come, as the workflow sees it."""

    PENDING = "pending"
    """Queued, under way, or its fate unknown."""
    HANDED_OVER = "handed_over"
    SETTLED = "settled"
    """Its final outcome is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageNote:
    """What the workflow remembers of one of its messages."""

    channel: ChannelKind
    progress: Progress = Progress.PENDING
    disposition: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The contact as the workflow sees it. `phone` is E.164 or empty; `fields` is what templates call `contact`."""

    contact_id: str
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    timezone: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """The whole state of one contact in one run.

    `frames` is the call stack, the innermost last, empty before the start and after the end. `visits` counts entries
    per qualified state.
    """

    enrollment_id: str
    recipient: Recipient
    status: EnrollmentStatus = EnrollmentStatus.READY
    frames: tuple[Frame, ...] = ()
    wait: Wait | None = None
    visits: Mapping[str, int] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    messages: Mapping[MessageKey, MessageNote] = field(default_factory=dict)
    actions_taken: int = 0
    disposition: str = ""
    disposition_set: bool = False
    """True once an action of the workflow has set the disposition; outcomes of messages no longer change it."""
    reason: str = ""
    """Why it failed or was cancelled; for people."""

    def to_json(self) -> dict[str, Any]:
        """Everything but the identity, the status and the recipient, which have columns of their own."""
        return {
            "frames": [[f.function, f.state, f.index] for f in self.frames],
            "wait": _wait_to_json(self.wait),
            "visits": dict(self.visits),
            "variables": dict(self.variables),
            "messages": [[*k, n.channel, n.progress, n.disposition, n.category] for k, n in self.messages.items()],
            "actionsTaken": self.actions_taken,
            "disposition": self.disposition,
            "dispositionSet": self.disposition_set,
            "reason": self.reason,
        }

    @classmethod
    def from_json(
        cls, enrollment_id: str, status: EnrollmentStatus, recipient: Recipient, state: Mapping[str, Any]
    ) -> "Enrollment":
        """The inverse of `to_json`; an empty `state` is an enrollment that has not started."""
        if not state:
            return cls(enrollment_id=enrollment_id, recipient=recipient, status=status)
        return cls(
            enrollment_id=enrollment_id,
            recipient=recipient,
            status=status,
            frames=tuple(Frame(function=f, state=s, index=i) for f, s, i in state["frames"]),
            wait=_wait_from_json(state["wait"]),
            visits=state["visits"],
            variables=state["variables"],
            messages={
                MessageKey(s, a, v): MessageNote(
                    channel=ChannelKind(channel),
                    progress=Progress(progress),
                    disposition=disposition,
                    category=category,
                )
                for s, a, v, channel, progress, disposition, category in state["messages"]
            },
            actions_taken=state["actionsTaken"],
            disposition=state["disposition"],
            disposition_set=state["dispositionSet"],
            reason=state["reason"],
        )


def _wait_to_json(wait: Wait | None) -> dict[str, Any] | None:
    if wait is None:
        return None
    return {
        "kind": wait.kind,
        "armedAt": _millis(wait.armed_at),
        "dueAt": _millis(wait.due_at),
        "message": list(wait.message) if wait.message else None,
        "channel": wait.channel,
    }


def _wait_from_json(data: Mapping[str, Any] | None) -> Wait | None:
    if data is None:
        return None
    armed_at = _moment(data["armedAt"])
    assert armed_at is not None  # noqa: S101 - written by _wait_to_json
    return Wait(
        kind=WaitKind(data["kind"]),
        armed_at=armed_at,
        due_at=_moment(data["dueAt"]),
        message=MessageKey(*data["message"]) if data["message"] else None,
        channel=ChannelKind(data["channel"]) if data["channel"] else None,
    )


def _millis(moment: datetime | None) -> int | None:
    """Milliseconds since 1970, as NCX writes times."""
    return None if moment is None else round(moment.timestamp() * 1000)


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
