"""What the store takes and gives besides the domain's own facts. Frozen; times are aware and UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from channels.messages import ChannelKind
from worker.domain.attempt import AttemptFacts, Settlement
from worker.domain.effects import Transition
from worker.domain.enrollment import Enrollment
from worker.domain.events import Event
from worker.store.document_rows import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """One person of an import, addresses normalized. `contact_id` is what they got, empty before.

    `fields` is what templates see. `blocked`: never contact, on any channel. `stamp` is the store's
    own.
    """

    contact_id: str = ""
    external_id: str = ""
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    timezone: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    blocked: bool = False
    deleted: bool = False
    stamp: Stamp = field(default=Stamp(), compare=False)


Kept = tuple[str, str, str, str, str, bool, str, str]
"""What is kept of a person, column by column as `contacts.KEPT` names them; the fields as JSON. A plain tuple: files
have millions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """What became of the rows of an import; they add up to the rows given.

    `duplicates`: the same person again in this batch, or an address that belongs to another contact.
    """

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0

    def __add__(self, other: "ImportCounts") -> "ImportCounts":
        return ImportCounts(
            new=self.new + other.new,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            duplicates=self.duplicates + other.duplicates,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportStep:
    """The rows of a file after row `after` up to `row`. `digest` names the file and how it is read.

    `before`: what became of the contacts in the rows up to `after`.
    """

    digest: str
    after: int
    row: int
    before: ImportCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Never contact this address on this channel (None: any). `at`: since when; None: now."""

    channel: ChannelKind | None
    address: str = field(repr=False)
    reason: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentClaim:
    """An enrollment leased to one worker. `epoch` fences the commit; `wake` tells whether news came meanwhile.

    `events`: (signal id, event), oldest first. `due_at`: when it was due.
    """

    tenant_id: str
    run_id: str
    enrollment: Enrollment
    epoch: int
    wake: int
    due_at: datetime
    events: tuple[tuple[int, Event], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCommit:
    """What a step came to. It consumes the events of its claim."""

    claim: EnrollmentClaim
    transition: Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A speed limit (GCRA): `per_second` on average, `burst` at once (0: what goes in a second).

    One bucket for each sender of a provider, or one for the account. `sender`: what all of it leaves from, where that
    is not what it was queued with.
    """

    per_second: float
    burst: int = 0
    per_account: bool = False
    sender: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What one claim of messages came to. `attempts` are committed as dispatching: send exactly these, now.

    `settled` messages were stopped by a gate for good, `later` put off. `refused`: the database refused a second live
    attempt. `more`: there may be more that is due. `retry_at`: when the rate allows the next, if it stopped this claim.
    `stepped`: people whose steps were taken here; `queued`: channels on which these owe something else.
    """

    attempts: tuple[AttemptFacts, ...] = ()
    settled: int = 0
    later: int = 0
    refused: int = 0
    more: bool = False
    retry_at: datetime | None = None
    stepped: int = 0
    queued: frozenset[ChannelKind] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of settlements. `applied` and `refused` are attempt ids.

    `lost`: the attempt had changed; read its facts and decide again. `refused`: the database refused it, since another
    attempt of the message is live; a person should look.
    """

    applied: tuple[str, ...] = ()
    lost: tuple[Settlement, ...] = ()
    refused: tuple[str, ...] = ()
    owed: frozenset[ChannelKind] = frozenset()
    """Channels on which the steps that were taken at once have queued a message."""
    put_by: int = 0
    """Signals that wait for a step."""

    def __add__(self, other: "Settled") -> "Settled":
        return Settled(
            applied=self.applied + other.applied,
            lost=self.lost + other.lost,
            refused=self.refused + other.refused,
            owed=self.owed | other.owed,
            put_by=self.put_by + other.put_by,
        )


class WorkKind(StrEnum):
    """Kinds of work that can be due: for a run, or (inbox, reconcile) for none. Channels have their own names.

    STEP: people are due. ADVANCE: nobody else sees to it, since it is news that calls them, or for some time already.
    """

    ENROLL = "enroll"
    STEP = "step"
    ADVANCE = "advance"
    CANCEL = "cancel"
    SCHEDULE = "schedule"
    SMS = "sms"
    EMAIL = "email"
    VOICE = "voice"
    INBOX = "inbox"
    EVENTS = "events"
    RECONCILE = "reconcile"
    GUARD = "guard"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueWork:
    """Work of one kind is due in one run. `count` is capped, so that asking stays cheap."""

    kind: WorkKind
    tenant_id: str
    run_id: str
    count: int
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaiting:
    """An enrollment that is under way and has had a message from the sender that a reply went to."""

    enrollment_id: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One consistent picture of a run. Every enrollment is in exactly one count of `enrollments`."""

    audience: int
    enrollments: Mapping[str, int]
    """By status."""
    dispositions: Mapping[str, int]
    """Enrollments by the disposition they ended with or have so far; empty for none."""
    messages: Mapping[tuple[str, str, str, str], int]
    """By (channel, status, disposition, category)."""
    attempts: Mapping[tuple[str, str], int]
    """By (channel, status)."""
    outcomes: Mapping[tuple[str, str], int]
    """By (disposition, category)."""

    @property
    def unknown(self) -> int:
        """Messages that may or may not have left, held ones included."""
        return sum(n for (_, status, _, _), n in self.messages.items() if status in ("unknown", "held"))

    @property
    def held(self) -> int:
        """Messages that wait for a person's decision."""
        return sum(n for (_, status, _, _), n in self.messages.items() if status == "held")

    @property
    def suppressed(self) -> int:
        """Messages that a gate stopped because the person must not be contacted."""
        return sum(n for (_, _, _, category), n in self.messages.items() if category in ("SUPPRESSED", "OPTED_OUT"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far a run is; cheap enough to ask twice a second."""

    audience: int
    """Enrolled so far."""
    open: int
    """Enrollments that are not final."""
    queued: int
    """Messages waiting to be sent; counted up to `PROGRESS_CAP`."""
    in_flight: int
    """Attempts committed as dispatching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One line of what happened to one contact in one run. `kind`: message, attempt, outcome or enrollment."""

    kind: str
    at: datetime
    what: str
    detail: str = ""
    message_id: str = ""
    attempt_id: str = ""
