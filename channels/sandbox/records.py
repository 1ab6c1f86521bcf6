"""Messages and calls as the provider remembers them: found by sid at once, listed newest first.

1. Memory is bounded: past `retention` the oldest are forgotten, as logs are.
2. A list by `To` costs what that person's messages cost, not what all cost.
"""

import secrets
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any, Final, Generic, TypeVar

_SLACK: Final = 1.1
"""The shelf is cleared in one go when it is this much too full, so that clearing is cheap."""


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """What messages and calls have in common. Times are Unix seconds; `final`: nothing more will happen."""

    sid: str
    to: str = field(repr=False)
    sender: str = field(repr=False)
    attempt: str
    status: str
    status_callback: str = field(default="", repr=False)
    direction: str = "outbound-api"
    final: bool = False
    serial: int = 0
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    started: float | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class MessageRecord(Record):
    """A text. `started` is when it was handed to the carrier."""

    body: str = field(repr=False)
    segments: int
    media: int = 0
    service: str = ""
    error_code: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class CallRecord(Record):
    """A call. `form` is the create request, `events` those to call back, `sequence` the number of the next callback.
    `started` is when it was answered or given up. `duration`: seconds from answer to end, in the provider's time.
    """

    form: dict[str, str] = field(repr=False)
    events: frozenset[str]
    ended: float | None = None
    answered_by: str | None = None
    duration: int = 0
    sequence: int = 0
    turn: int = 0
    """Counts redirects: what an earlier instruction planned is void."""


R = TypeVar("R", bound=Record)


class Shelf(Generic[R]):
    """Records of one kind, in order of arrival."""

    def __init__(self, retention: int) -> None:
        self._retention = retention
        self._serials = count(1)
        self._by_sid: dict[str, R] = {}
        self._all: list[R] = []
        self._by_to: defaultdict[str, list[R]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._by_sid)

    def add(self, record: R) -> None:
        """Keep a record, and forget the oldest where there are too many."""
        record.serial = next(self._serials)
        self._by_sid[record.sid] = record
        self._all.append(record)
        self._by_to[record.to].append(record)
        if len(self._all) > self._retention * _SLACK:
            self._forget(len(self._all) - self._retention)

    def get(self, sid: str) -> R | None:
        """The record with this sid, if it is still remembered."""
        return self._by_sid.get(sid)

    def remove(self, record: R) -> None:
        """Forget one record."""
        del self._by_sid[record.sid]
        self._all.remove(record)
        self._drop_from_index(record)

    def newest_first(
        self, *, to: str | None, before: int | None, keep: Callable[[R], bool], limit: int
    ) -> tuple[list[R], bool]:
        """Up to `limit` records older than serial `before` that are kept, and whether there are more."""
        shelf = self._all if to is None else self._by_to.get(to, [])
        end = len(shelf) if before is None else bisect_left(shelf, before, key=lambda record: record.serial)
        found = list(islice(filter(keep, _backwards(shelf, end)), limit + 1))
        return found[:limit], len(found) > limit

    def _forget(self, surplus: int) -> None:
        for record in self._all[:surplus]:
            del self._by_sid[record.sid]
            self._drop_from_index(record)
        del self._all[:surplus]

    def _drop_from_index(self, record: R) -> None:
        theirs = self._by_to[record.to]
        theirs.remove(record)
        if not theirs:
            del self._by_to[record.to]


def _backwards(shelf: list[Any], end: int) -> Iterator[Any]:
    return (shelf[place] for place in range(end - 1, -1, -1))


def new_sid(prefix: str) -> str:
    """A provider's id: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)
