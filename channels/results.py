"""What became of a message: the answer to a send, and what the provider says later.

1. Four words for a send, by what may be done next, never a boolean.
2. Every word a provider uses maps to one of ours; an unknown word maps to UNKNOWN and the raw one is kept.
3. Receipts have a rank. News of a lower rank than what is known changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class Certainty(StrEnum):
    """What is known after a send returned."""

    ACCEPTED = "accepted"
    """The provider has it. Never send it again."""
    REFUSED = "refused"
    """The provider said no; the reason decides what is next."""
    NOT_SENT = "not_sent"
    """It surely never left, or the provider said it did not take it (429). Sending again is safe."""
    UNKNOWN = "unknown"
    """It may have left: read timeout, 5xx, unreadable 2xx. Never send it again blindly."""


class Reason(StrEnum):
    """Why a message was refused, not sent, or failed later. The same words for all providers."""

    NONE = "none"
    INVALID_ADDRESS = "invalid_address"
    """No such number or mailbox."""
    LANDLINE = "landline"
    """The number exists but takes no texts."""
    UNREACHABLE = "unreachable"
    """The handset is off or out of reach, or the mailbox did not answer in time."""
    OPTED_OUT = "opted_out"
    """The person asked this sender to stop."""
    BLOCKED = "blocked"
    """The recipient, carrier or mail server blocks this sender."""
    FILTERED = "filtered"
    """Taken for spam, or against a policy."""
    SUPPRESSED = "suppressed"
    """The provider's own suppression list holds the address."""
    CONFIGURATION = "configuration"
    """Credentials, sender or permissions: every message of this sender would fail."""
    REGION = "region"
    """The account or the sender may not reach this country or network; others are reached."""
    CONTENT = "content"
    """This message can be sent to nobody: empty, too long, malformed."""
    RATE_LIMITED = "rate_limited"
    """Too fast; not processed."""
    CONNECTION = "connection"
    """No connection to the provider was made."""
    TIMEOUT = "timeout"
    """The answer did not come in time."""
    PROVIDER_ERROR = "provider_error"
    """The provider answered 5xx, or something unreadable."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    CANCELED = "canceled"
    EXPIRED = "expired"
    """Its validity ended before it was delivered."""
    OTHER = "other"
    """A word of the provider that we do not know; the raw one is kept in `code`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """The answer to one send.

    `provider_ref`: the provider's id, where it gave one. `code`: the provider's own error code or HTTP status, raw;
    where the adapter itself refused, what it stumbled over.
    `retry_after`: seconds the provider asked us to wait. `segments`: SMS parts, 0 where not known.
    """

    certainty: Certainty
    provider_ref: str = ""
    reason: Reason = Reason.NONE
    code: str = ""
    retry_after: float | None = None
    segments: int = 0


class ReceiptKind(StrEnum):
    """What a provider says about a message after it took it."""

    UNKNOWN = "unknown"
    QUEUED = "queued"
    SENT = "sent"
    """Handed to the carrier, to the receiving mail server's queue, or ringing."""
    DEFERRED = "deferred"
    """The provider itself tries again; nothing for us to do."""
    ANSWERED = "answered"
    """A call was picked up; by whom is not known yet."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """It will not arrive; the reason says why."""
    COMPLETED = "completed"
    """A call was answered and is over; `answered_by` says by whom."""
    OPENED = "opened"
    CLICKED = "clicked"
    OPTED_OUT = "opted_out"
    """The person unsubscribed or complained through this message."""


RANK: Final[Mapping[ReceiptKind, int]] = {
    ReceiptKind.UNKNOWN: 0,
    ReceiptKind.QUEUED: 1,
    ReceiptKind.SENT: 2,
    ReceiptKind.DEFERRED: 2,
    ReceiptKind.ANSWERED: 3,
    ReceiptKind.DELIVERED: 4,
    ReceiptKind.FAILED: 4,
    ReceiptKind.COMPLETED: 4,
    ReceiptKind.OPENED: 5,
    ReceiptKind.CLICKED: 6,
    ReceiptKind.OPTED_OUT: 7,
}
"""A receipt is applied when its rank is higher than what is known. The first of equal rank stands."""

FINAL_RANK: Final = RANK[ReceiptKind.DELIVERED]
"""From this rank on the fate of the message is known."""


class AnsweredBy(StrEnum):
    """Who picked up, as machine detection heard it."""

    NOBODY_ASKED = ""
    HUMAN = "human"
    MACHINE = "machine"
    MACHINE_MESSAGE_LEFT = "machine_message_left"
    """A machine whose greeting was heard to its end, and the voicemail message was played."""
    FAX = "fax"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One piece of later news about one message.

    `attempt_id` is ours, read back from the wire, empty where the provider lost it; then `provider_ref` is the link.
    `event_key` names this piece of news for ever: the same key twice is the same news. `code` is the raw word or error
    code. `at`: when the provider says it happened, aware, UTC. `address`: whose opt-out it is, where the provider says
    so. `raw`: what the provider wrote, personal data and all; empty where we asked.
    """

    event_key: str
    kind: ReceiptKind
    attempt_id: str = ""
    provider_ref: str = ""
    reason: Reason = Reason.NONE
    code: str = ""
    answered_by: AnsweredBy = AnsweredBy.NOBODY_ASKED
    at: datetime | None = None
    segments: int = 0
    address: str = field(default="", repr=False)
    raw: str = field(default="", repr=False, compare=False)


class Keyword(StrEnum):
    """What a reply asks for beyond its text."""

    NONE = ""
    STOP = "stop"
    START = "start"
    HELP = "help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A message that a person sent us. `sender` is the person, `to` is our own address.

    `service`: the pool of senders that address belongs to, such as a messaging service; messages may have come from it.
    `raw`: what the provider wrote.
    """

    event_key: str
    sender: str = field(repr=False)
    to: str = field(repr=False)
    body: str = field(repr=False)
    keyword: Keyword = Keyword.NONE
    provider_ref: str = ""
    service: str = ""
    raw: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A record of the provider that may be the message asked about, and what it says if it is.

    `exact`: it holds what we sent. Otherwise the provider may have changed our words, or it is another message.
    """

    receipt: Receipt
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What asking the provider about a message found. `seen` is None where it cannot be asked or is unsure.

    `provider_ref` and `receipt` are of the record that is the message; `candidates` are all that may be.
    """

    seen: bool | None
    provider_ref: str = ""
    receipt: Receipt | None = None
    candidates: tuple[Candidate, ...] = ()

    @classmethod
    def among(cls, candidates: Iterable[Candidate]) -> "Sighting":
        """The only exact one is the message. Absence is proven by none at all, never by another text."""
        candidates = tuple(candidates)
        exact = [one.receipt for one in candidates if one.exact]
        if len(exact) == 1:
            return cls(seen=True, provider_ref=exact[0].provider_ref, receipt=exact[0], candidates=candidates)
        return cls(seen=None if candidates else False, candidates=candidates)

    def without(self, owned: Collection[str]) -> "Sighting":
        """The same, when the records with these ids are known to be other messages. What was not seen stays so."""
        left = tuple(one for one in self.candidates if one.receipt.provider_ref not in owned)
        return self if left == self.candidates else Sighting.among(left)
