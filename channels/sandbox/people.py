"""Scripted people: what a number or a mailbox does when it is contacted. The table is data: people.yaml.

1. An address always meets the same person.
2. Who is named by no row is `everybody`, or, where rows have a `share`, drawn by a hash of the address.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from channels.sandbox.faults import chance_of

TABLE: Final = Path(__file__).with_name("people.yaml")


class CallEnd(StrEnum):
    """How a call goes."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"


class SmsStep(StrEnum):
    """The statuses a text can take after its first."""

    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"


class MailEvent(StrEnum):
    """The events of a mail; `blocked` is told as a bounce of type blocked."""

    PROCESSED = "processed"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCE = "bounce"
    BLOCKED = "blocked"
    DROPPED = "dropped"
    OPEN = "open"
    CLICK = "click"
    SPAMREPORT = "spamreport"
    UNSUBSCRIBE = "unsubscribe"


class BadPeople(ValueError):
    """The table of people cannot be used; the text names the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsScript:
    """What a text goes through. `refuse`: the code the create request is refused with, 0 for none."""

    steps: tuple[SmsStep, ...] = (SmsStep.SENDING, SmsStep.SENT, SmsStep.DELIVERED)
    code: int | None = None
    replies: tuple[str, ...] = ()
    reply_seconds: float = 5.0
    refuse: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(SmsStep(step) for step in self.steps))
        object.__setattr__(self, "replies", tuple(str(reply) for reply in self.replies))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScript:
    """How a call goes. `sip`: the response code told of a failed call."""

    end: CallEnd = CallEnd.HUMAN
    sip: int = 503
    ring_seconds: float = 4.0
    refuse: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "end", CallEnd(self.end))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailScript:
    """The events of a mail, in order."""

    events: tuple[MailEvent, ...] = (MailEvent.PROCESSED, MailEvent.DELIVERED)

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(MailEvent(event) for event in self.events))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One row of the table. `share`: of those whom no row names, 0 to 1."""

    name: str
    digits: str = ""
    words: tuple[str, ...] = ()
    share: float = 0.0
    sms: SmsScript = field(default_factory=SmsScript)
    call: CallScript = field(default_factory=CallScript)
    email: EmailScript = field(default_factory=EmailScript)


class People:
    """Finds the person behind an address."""

    def __init__(self, everybody: Person, rows: tuple[Person, ...], seed: int = 0) -> None:
        self._everybody = everybody
        self._digits = {person.digits: person for person in rows if person.digits}
        self._words = {word: person for person in rows for word in person.words}
        self._lengths = sorted({len(digits) for digits in self._digits}, reverse=True)
        self._shares = [person for person in rows if person.share]
        self._seed = seed

    def behind_number(self, number: str) -> Person:
        """The person with this phone number."""
        for length in self._lengths:
            if person := self._digits.get(number[-length:]):
                return person
        return self._drawn(number)

    def behind_mailbox(self, email: str) -> Person:
        """The person with this email address."""
        local = email.rpartition("@")[0].lower()
        plain, _, tag = local.partition("+")
        for word in (tag, plain, plain.partition(".")[0]):
            if person := self._words.get(word):
                return person
        return self._drawn(email.lower())

    def _drawn(self, address: str) -> Person:
        if not self._shares:
            return self._everybody
        chance = chance_of(f"{self._seed}/person/{address}")
        for person in self._shares:
            chance -= person.share
            if chance < 0:
                return person
        return self._everybody


def load_people(path: Path | None = None, seed: int = 0) -> People:
    """Read a table of people, by default the one of the package. Raises BadPeople."""
    everybody, rows = _read(path) if path else _ours()
    return People(everybody, rows, seed)


@cache
def _ours() -> tuple[Person, tuple[Person, ...]]:
    return _read(TABLE)


def _read(path: Path) -> tuple[Person, tuple[Person, ...]]:
    try:
        document = YAML(typ="safe", pure=True).load(path)
    except (OSError, YAMLError) as error:
        raise BadPeople(f"{path}: cannot be read: {error}") from error
    try:
        everybody = _person({"name": "everybody", **document.get("everybody", {})})
        rows = tuple(_person(row) for row in document.get("people", []))
    except (AttributeError, TypeError) as error:
        raise BadPeople(f"{path}: expected `everybody` and `people`, a list of rows: {error}") from error
    except BadPeople as error:
        raise BadPeople(f"{path}: {error}") from error
    if sum(person.share for person in rows) > 1:
        raise BadPeople(f"{path}: the shares add up to more than 1")
    return everybody, rows


def _person(row: Mapping[str, Any]) -> Person:
    scripts: dict[str, Any] = {"sms": SmsScript, "call": CallScript, "email": EmailScript}
    try:
        values = {key: scripts[key](**value) if key in scripts else value for key, value in row.items()}
        return Person(**{**values, "words": tuple(row.get("words", ())), "digits": str(row.get("digits", ""))})
    except (TypeError, ValueError) as error:
        raise BadPeople(f"{row.get('name', 'a row without name')}: {error}") from error
