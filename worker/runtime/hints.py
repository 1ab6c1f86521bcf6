"""Hints: "there is work of this kind for this run". They carry ids only and may be lost, doubled or late."""

from dataclasses import dataclass
from enum import StrEnum


class Work(StrEnum):
    """Kinds of work; the value is the name of the task that does it."""

    ENROLL = "control.enroll"
    ADVANCE = "control.advance"
    CANCEL = "control.cancel"
    SCHEDULE = "control.schedule"
    SMS = "sms.dispatch"
    EMAIL = "email.dispatch"
    VOICE = "voice.dispatch"
    INBOX = "inbox.apply"
    EVENTS = "events.apply"
    RECONCILE = "reconcile.resolve"
    GUARD = "control.guard"
    ALERT = "control.alert"


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint. `run_id` is empty for work that belongs to no single run; `count` is a guess, for people.

    `share`: 1, 2, … where several processes are to share the work, or a task hands on the rest of it: a hint that is
    not held back when the same one has just been sent. `urgent`: it goes to a queue that no bulk stands in.
    """

    work: Work
    tenant_id: str
    run_id: str = ""
    count: int = 0
    share: int = 0
    urgent: bool = False
