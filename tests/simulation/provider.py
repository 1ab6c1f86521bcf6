"""A provider of texts, calls and mails that keeps a ledger, and lies in every way real ones do.

1. It takes a message at one instant, on the agenda of the world: whoever asked for it may be dead by then.
2. What it answers is another matter: nothing, an error although it has taken it, a yes that comes too late.
3. Its list shows a message up to `LONGEST_LAG` after it was taken.
4. Each message has a life, told by callbacks that come early, late, twice, in any order, or never.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from channels.messages import Call, ChannelKind, Email, Message, Sms
from channels.results import (
    FINAL_RANK,
    RANK,
    AnsweredBy,
    Candidate,
    Certainty,
    Keyword,
    Reason,
    Receipt,
    Reply,
    SendResult,
    Sighting,
)
from channels.vendors.twilio import LOOKBACK
from tests.simulation.faults import Faults
from tests.simulation.lives import LIVES, REFUSALS, WEIGHTS
from tests.simulation.plans import OUR_NUMBER
from tests.simulation.world import SECOND, START, World

LONGEST_LAG: Final = 150.0
"""Seconds until a list shows what was taken: longer than one look after the usual silence, shorter than two."""
_PATIENCE_SECONDS: Final = 15
_TRIES: Final = 4
"""How often a callback that is not answered is sent."""

_TAKEN: Final = ("lost", "reset", "error")
"""Odd answers about a message that was taken."""
_NOT_TAKEN: Final = ("vanished", "error", "limited", "unreachable", "refused")


@dataclass(slots=True)
class Record:
    """One line of the ledger, and what the provider will say about it."""

    number: int
    at: int
    written_at: int
    kind: ChannelKind
    attempt_id: str
    to: str
    words: str
    visible_at: int
    life: list[tuple[int, Receipt]] = field(default_factory=list)

    @property
    def ref(self) -> str:
        return f"ref{self.number}"

    def says(self, now: int) -> Receipt:
        """How it stands."""
        return [receipt for at, receipt in self.life if at <= now or receipt is self.life[0][1]][-1]

    def end(self, now: int) -> Receipt | None:
        """How it ended, if it has."""
        receipt = self.says(now)
        return receipt if RANK[receipt.kind] >= FINAL_RANK else None


@dataclass(slots=True)
class Delivery:
    """A callback on its way to us. `answered`: we said that we have it."""

    kind: ChannelKind
    news: Receipt | Reply
    tries: int = 0
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request comes to: `after` so many microseconds, or None where nothing ever comes."""

    after: int | None
    results: tuple[SendResult, ...] = ()


class Provider:
    """The other side."""

    def __init__(self, world: World, faults: Callable[[], Faults], taken: Callable[[Record], None]) -> None:
        self.ledger: list[Record] = []
        self.told: list[Delivery] = []
        """Every callback there was, answered or not."""
        self.deliver: Callable[[Delivery], None] = lambda _: None
        self._world, self._faults, self._taken = world, faults, taken
        self._numbers = 0
        self.plain = False
        """Every message arrives, at once, and nobody writes back: a run that is to come to its end does so soon."""

    # Requests

    def request(self, kind: ChannelKind, messages: Sequence[Message]) -> Answer:
        """The request is on the wire: what happens from here on needs nobody who waits for the answer."""
        world, faults = self._world, self._faults()
        slow = world.chance(faults.slow_answer)
        after = world.between(3, 13) if slow else world.between(0.02, 0.8)
        if not world.chance(faults.odd_answer):
            return Answer(after, tuple(self._accept(kind, m, after) for m in messages))
        if world.chance(0.5):
            for message in messages:
                self._accept(kind, message, after)
            return self._odd(world.rng.choice(_TAKEN), kind, messages, after)
        return self._odd(world.rng.choice(_NOT_TAKEN), kind, messages, after)

    def _accept(self, kind: ChannelKind, message: Message, within: int) -> SendResult:
        self._numbers += 1
        world, number, written_at = self._world, self._numbers, self._world.now
        lag = world.between(*world.rng.choice(((0, 20), (100, LONGEST_LAG))))
        at = written_at + world.rng.randrange(within)

        def take() -> None:
            record = Record(
                number=number,
                at=world.now,
                written_at=written_at,
                kind=kind,
                attempt_id=message.attempt_id,
                to=message.to,
                words=_words(message),
                visible_at=world.now + lag,
            )
            self.ledger.append(record)
            world.tell("provider", f"takes {kind} {message.attempt_id}")
            self._live(record)
            self._taken(record)

        world.at(at, take)
        return SendResult(certainty=Certainty.ACCEPTED, provider_ref=f"ref{number}")

    def _odd(self, how: str, kind: ChannelKind, messages: Sequence[Message], after: int) -> Answer:
        self._world.tell("provider", f"{how}: {', '.join(m.attempt_id for m in messages)}")
        match how:
            case "lost" | "vanished":
                return Answer(None)
            case "reset" | "error":
                one = SendResult(certainty=Certainty.UNKNOWN, reason=Reason.PROVIDER_ERROR)
            case "limited":
                wait = self._world.rng.choice((None, 2.0, 600.0))
                one = SendResult(certainty=Certainty.NOT_SENT, reason=Reason.RATE_LIMITED, retry_after=wait)
            case "unreachable":
                one = SendResult(certainty=Certainty.NOT_SENT, reason=Reason.CONNECTION)
            case _:
                one = SendResult(certainty=Certainty.REFUSED, reason=self._world.rng.choice(REFUSALS[kind]))
        return Answer(after, (one,) * len(messages))

    def find(self, kind: ChannelKind, message: Message, since: datetime) -> Sighting:
        """Its list, as an adapter reads it: what is visible by now, to this person, in or after that minute."""
        if kind is ChannelKind.EMAIL or self._world.chance(self._faults().list_fails):
            return Sighting(seen=None)
        now, words = self._world.now, _words(message)
        return Sighting.among(
            Candidate(
                receipt=_told(one.says(now), attempt_id=message.attempt_id),
                exact=kind is ChannelKind.VOICE or one.words == words,
            )
            for one in self.ledger
            if one.kind is kind
            and one.to == message.to
            and one.visible_at <= now
            and _moment(one.at) >= since - LOOKBACK
        )

    # Callbacks

    def _live(self, record: Record) -> None:
        world, at = self._world, record.at
        life = LIVES[record.kind][0] if self.plain else world.rng.choices(LIVES[record.kind], WEIGHTS[record.kind])[0]
        for kind, why in life.steps:
            receipt = Receipt(
                event_key=f"{record.ref}:{kind}",
                kind=kind,
                attempt_id=record.attempt_id,
                provider_ref=record.ref,
                reason=why if isinstance(why, Reason) else Reason.NONE,
                code=str(kind),
                answered_by=why if isinstance(why, AnsweredBy) else AnsweredBy.NOBODY_ASKED,
                at=_moment(at),
            )
            record.life.append((at, receipt))
            at += world.between(0.2, 30) if self.plain or world.chance(0.8) else world.between(30, 3000)
        for at, receipt in record.life:
            # Progress is mostly not told: it is the least that can matter, and costs as much as the rest.
            if receipt is record.life[-1][1] or (not self.plain and world.chance(0.25)):
                self._call_back(record.kind, receipt, at)
        if record.kind is ChannelKind.SMS and not self.plain and world.chance(0.5):
            at = record.life[-1][0] + world.between(0, 1200)
            world.at(at, lambda: self.person_writes(record.to, world.rng.choice(("YES", "YES", "call me", "STOP"))))

    def person_writes(self, address: str, words: str) -> None:
        """A text for us."""
        self._numbers += 1
        keyword = Keyword.STOP if words == "STOP" else Keyword.NONE
        key = f"reply{self._numbers}"
        reply = Reply(event_key=key, sender=address, to=OUR_NUMBER, body=words, keyword=keyword, provider_ref=key)
        self._world.tell("person", f"writes {words} ({key})")
        self._send_off(Delivery(ChannelKind.SMS, reply), self._world.now)

    def _call_back(self, kind: ChannelKind, receipt: Receipt, at: int) -> None:
        world, faults = self._world, self._faults()
        if world.chance(faults.callback_missing):
            return
        if world.chance(faults.id_missing):
            receipt = _told(receipt, attempt_id="")
        for _ in range(2 if world.chance(faults.callback_doubled) else 1):
            delay = world.between(0, 4000) if world.chance(faults.callback_late) else world.between(0, 0.5)
            self._send_off(Delivery(kind, receipt), at + delay)

    def _send_off(self, delivery: Delivery, at: int) -> None:
        if not delivery.tries:
            self.told.append(delivery)

        def arrive() -> None:
            if delivery.answered or delivery.tries == _TRIES:
                return
            delivery.tries += 1
            self.deliver(delivery)
            self._send_off(delivery, self._world.now + _PATIENCE_SECONDS * SECOND)

        self._world.at(at, arrive)


def _told(receipt: Receipt, *, attempt_id: str) -> Receipt:
    return replace(receipt, attempt_id=attempt_id)


def _moment(at: int) -> datetime:
    return START + timedelta(microseconds=at)


def _words(message: Message) -> str:
    match message:
        case Sms():
            return message.body
        case Email():
            return message.text
        case Call():
            return message.speech.text
