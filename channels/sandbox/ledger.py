"""The ledger: what the sandbox took, said and heard, one JSON object a line, only ever appended.

1. A line is in the file before the answer it belongs to leaves.
2. One line per recipient: a mail request of 1000 personalizations writes 1000 lines.
3. It proves what providers accepted; whoever sent is judged by it, so nothing here is ever rewritten.

The fields of a line are described in README.md beside this file.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import orjson

FILE_NAME: Final = "ledger.jsonl"

_TAIL_BYTES: Final = 8 * 1024 * 1024
"""Longer than any one write."""

Line = Mapping[str, Any]


class LineKind(StrEnum):
    """What a line tells."""

    ACCEPTED = "accepted"
    """The sandbox took a message, call or mail for one recipient."""
    STATUS = "status"
    """It moved on: a message status, a call status or a mail event; `final` where its fate is known."""
    REPLY = "reply"
    """A person texted us."""
    CALLBACK = "callback"
    """A request of the sandbox to us was answered with `http`, or not (0)."""
    FAULT = "fault"
    """The sandbox misbehaved on purpose."""
    REFUSED = "refused"
    """A create request was turned down; nobody was contacted."""


class Ledger:
    """Appends lines to `path`. Unbuffered: one write a call, `fsync` on demand. Not for use by several threads."""

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path = path
        self._fsync = fsync
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        self._file = path.open("ab", buffering=0)

    def write(self, lines: Iterable[dict[str, Any]]) -> None:
        """Append lines, each stamped with the present time (`at`, ISO 8601, UTC). On return the kernel has them."""
        at = datetime.now(UTC)
        text = b"".join(orjson.dumps({"at": at, **line}, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        while text:  # an unbuffered write may take less than all
            text = text[self._file.write(text) :]
        if self._fsync:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut_torn_line(path: Path) -> None:
    """Drop the line that a killed run left unfinished: what it told of was never answered."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        tail = file.read()
        file.truncate(file.tell() - len(tail) + tail.rfind(b"\n") + 1)


def read_ledger(path: Path) -> Iterator[Line]:
    """Lines of a ledger file, oldest first. A last line without its end (still being written) is left out."""
    with path.open("rb") as file:
        for raw in file:
            if raw.endswith(b"\n"):
                yield orjson.loads(raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The same text accepted more than once for one person. `refs`: the provider ids, in order of acceptance.

    `reached`: how many of them reached the person, or may have. More than 1 is what nobody wants; 1 is a retry that
    was called for, after a busy line or a handset that was off.
    """

    channel: str
    to: str = field(repr=False)
    body_hash: str = field(repr=False)
    refs: tuple[str, ...]
    reached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSummary:
    """A ledger in numbers. Keys of the mappings are channels (`sms`, `voice`, `email`) unless said otherwise."""

    accepted: Mapping[str, int]
    accepted_per_attempt_max: int
    """1 where every attempt was accepted at most once; above it, somebody was contacted twice."""
    attempts_accepted_again: Mapping[str, int]
    """Attempt id -> times accepted, for those above 1."""
    accepted_without_attempt: int
    repeats: Sequence[Repeat]
    final_statuses: Mapping[str, Mapping[str, int]]
    """Channel -> final status -> recipients. The last final status of a recipient counts."""
    pending: Mapping[str, int]
    """Accepted recipients without a final status."""
    replies: int
    refused: Mapping[str, int]
    """Provider code or field -> refused requests."""
    faults: Mapping[str, int]
    """Fault -> how often."""
    callbacks: Mapping[str, int]
    """HTTP status of our answer, `0` for no answer -> callbacks."""


NOT_REACHED: Final = frozenset(
    {"undelivered", "failed", "canceled", "busy", "no-answer", "bounce", "blocked", "dropped"}
)
"""Final statuses that say the message did not get to the person."""


def summarize(lines: Iterable[Line]) -> LedgerSummary:
    """Count a ledger. One pass; memory grows with accepted recipients only."""
    accepted: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    bodies: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    fates: dict[tuple[str, str, str], str] = {}
    others: dict[LineKind, Counter[str]] = {kind: Counter() for kind in LineKind}
    for line in lines:
        channel, ref, to = line.get("channel", ""), line.get("ref", ""), line.get("to", "")
        match LineKind(line["kind"]):
            case LineKind.ACCEPTED:
                accepted[channel] += 1
                attempts[line["attempt"]] += 1
                bodies[channel, to, line["body_hash"]].append(ref)
                fates.setdefault((channel, ref, to), "")
            case LineKind.STATUS:
                if line["final"]:
                    fates[channel, ref, to] = line["status"]
            case LineKind.CALLBACK as kind:
                others[kind][str(line["http"])] += 1
            case LineKind.FAULT as kind:
                others[kind][line["fault"]] += 1
            case LineKind.REFUSED as kind:
                others[kind][str(line["code"])] += 1
            case LineKind.REPLY as kind:
                others[kind]["reply"] += 1
    unnamed = attempts.pop("", 0)
    final: dict[str, Counter[str]] = defaultdict(Counter)
    for (channel, _, _), status in fates.items():
        final[channel][status] += 1
    return LedgerSummary(
        accepted=dict(accepted),
        accepted_per_attempt_max=max(attempts.values(), default=0),
        attempts_accepted_again={attempt: times for attempt, times in attempts.items() if times > 1},
        accepted_without_attempt=unnamed,
        repeats=[
            Repeat(
                channel=channel,
                to=to,
                body_hash=body_hash,
                refs=tuple(refs),
                reached=sum(fates[channel, ref, to] not in NOT_REACHED for ref in refs),
            )
            for (channel, to, body_hash), refs in bodies.items()
            if len(refs) > 1
        ],
        pending={channel: counts.pop("", 0) for channel, counts in final.items()},
        final_statuses={channel: dict(counts) for channel, counts in final.items()},
        replies=others[LineKind.REPLY]["reply"],
        refused=dict(others[LineKind.REFUSED]),
        faults=dict(others[LineKind.FAULT]),
        callbacks=dict(others[LineKind.CALLBACK]),
    )
