"""The provider's ledger, read for the judge: who was sent what, when, and what we were told of it.

A text names its campaign, its step and its version; with the person's address that is one message. Nothing of this
comes from our own tables.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from channels.sandbox.ledger import Line, LineKind

_TEXT: Final = re.compile(r"chaos (\w+)/(\w+)/(v\d+)")
_OPT_OUTS: Final = ("STOP", "REMOVE")


class Message(NamedTuple):
    """What one person is owed in one step of one campaign. `channel` and `address` say how they are reached."""

    campaign: str
    step: str
    channel: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One message the provider took."""

    message: Message
    at: float
    sender: str
    attempt: str
    version: str


@dataclass(slots=True)
class Evidence:
    """What a ledger proves. `strange`: accepted lines with a text that no campaign of ours has."""

    accepted: dict[Message, list[Accepted]] = field(default_factory=lambda: defaultdict(list))
    strange: int = 0
    said_stop: set[str] = field(default_factory=set)
    """Everybody who asked us to stop, whether or not we were told."""
    stop_answered: dict[str, float] = field(default_factory=dict)
    """Person -> when we first answered the callback that says so with 2xx."""
    told: set[str] = field(default_factory=set)
    """Attempts of which we answered news with 2xx: their fate was in our hands."""
    faulty: set[str] = field(default_factory=set)
    """Attempts whose request was answered wrongly, late or not at all, after it had been taken."""
    answered_ms: list[float] = field(default_factory=list)
    """Of callbacks that were answered with 2xx."""
    unanswered: int = 0
    """Callbacks without an answer, or with a 5xx."""

    @property
    def lines(self) -> list[Accepted]:
        """Everything accepted, in order of time."""
        return sorted((one for several in self.accepted.values() for one in several), key=lambda one: one.at)


def read_evidence(lines: Iterable[Line]) -> Evidence:
    """Go through a ledger once."""
    found = Evidence()
    by_ref: dict[str, list[str]] = defaultdict(list)
    stops: dict[str, str] = {}
    for line in lines:
        match line["kind"]:
            case LineKind.ACCEPTED:
                by_ref[line["ref"]].append(line["attempt"])
                _accept(found, line)
            case LineKind.REPLY if line["body"] in _OPT_OUTS:
                stops[line["ref"]] = line["from"]
                found.said_stop.add(line["from"])
            case LineKind.FAULT if not line["fault"].startswith("callback") and line["ref"]:
                found.faulty.update(by_ref[line["ref"]])
            case LineKind.CALLBACK:
                _hear(found, line, stops)
    return found


def moment(line: Line) -> float:
    """When a line was written, as Unix seconds."""
    return datetime.fromisoformat(line["at"]).timestamp()


def _accept(found: Evidence, line: Line) -> None:
    body = line["body"]
    text = _TEXT.search(body if isinstance(body, str) else " ".join(body))
    if text is None:
        found.strange += 1
        return
    campaign, step, version = text.groups()
    message = Message(campaign, step, line["channel"], line["to"])
    one = Accepted(message=message, at=moment(line), sender=line["from"], attempt=line["attempt"], version=version)
    found.accepted[message].append(one)


def _hear(found: Evidence, line: Line, stops: dict[str, str]) -> None:
    if not 200 <= line["http"] < 300:
        found.unanswered += line["http"] == 0 or line["http"] >= 500
        return
    found.answered_ms.append(line["ms"])
    found.told.update(line.get("attempts") or [line["attempt"]])
    if person := stops.get(line["ref"]):
        found.stop_answered.setdefault(person, moment(line))
