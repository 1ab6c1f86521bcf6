"""Faults on demand: which create request and which callback goes wrong, and how.

1. The n-th create request of a channel meets the same fault in every run with the same seed and rates.
2. At most one fault a request, at most one a callback; rates are shares, and together at most 1.
3. `next` comes first: a script for the very next create requests.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

CHANNELS: Final = frozenset({"sms", "voice", "email"})


class RequestFault(StrEnum):
    """What can happen to a create request."""

    NONE = "none"
    ACCEPT_THEN_TIMEOUT = "accept_then_timeout"
    """Taken; the answer never comes."""
    ACCEPT_THEN_500 = "accept_then_500"
    """Taken; the answer is a 500."""
    ACCEPT_THEN_RESET = "accept_then_reset"
    """Taken; the connection is reset before the answer."""
    REFUSE_429 = "refuse_429"
    """Not taken; 429 with Retry-After."""
    REFUSE_503 = "refuse_503"
    """Not taken; 503."""
    SLOW = "slow"
    """Taken; the answer comes after `slow_seconds`."""
    EARLY_CALLBACK = "early_callback"
    """Taken; the first callback is delivered before the answer."""


class CallbackFault(StrEnum):
    """What can happen to a callback."""

    NONE = "none"
    CALLBACK_MISSING = "callback_missing"
    CALLBACK_DUPLICATE = "callback_duplicate"
    CALLBACK_REORDERED = "callback_reordered"
    """Held back, so that later ones overtake it."""


class BadFaults(ValueError):
    """The faults asked for make no sense; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares (0 to 1) of create requests and of callbacks that go wrong. Seconds are real ones, never scaled."""

    accept_then_timeout: float = 0.0
    accept_then_500: float = 0.0
    accept_then_reset: float = 0.0
    refuse_429: float = 0.0
    refuse_503: float = 0.0
    slow: float = 0.0
    early_callback: float = 0.0
    callback_missing: float = 0.0
    callback_duplicate: float = 0.0
    callback_reordered: float = 0.0
    retry_after_seconds: int = 1
    slow_seconds: float = 2.0
    hang_seconds: float = 300.0
    reorder_seconds: float = 1.0
    channels: frozenset[str] = CHANNELS
    next: tuple[RequestFault, ...] = field(default=())

    def __post_init__(self) -> None:
        for kind in (RequestFault, CallbackFault):
            rates = [getattr(self, fault) for fault in kind if fault != "none"]
            if min(rates) < 0 or sum(rates) > 1:
                raise BadFaults(f"rates: {', '.join(f for f in kind if f != 'none')} are shares, together 0 to 1")
        if not self.channels <= CHANNELS:
            raise BadFaults(f"channels: expected some of {', '.join(sorted(CHANNELS))}")


def faults_from(document: Mapping[str, Any]) -> Faults:
    """Read faults from JSON or the command line: names of the fields of `Faults`. Raises BadFaults."""
    known = {f.name: f.type for f in fields(Faults)}
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in known:
            raise BadFaults(f"{name}: no such fault; expected one of {', '.join(known)}")
        try:
            match name:
                case "next":
                    values[name] = tuple(RequestFault(word) for word in value)
                case "channels":
                    values[name] = frozenset(value)
                case "retry_after_seconds":
                    values[name] = int(value)
                case _:
                    values[name] = float(value)
        except (TypeError, ValueError) as error:
            raise BadFaults(f"{name}: {error}") from error
    return Faults(**values)


_F = TypeVar("_F", RequestFault, CallbackFault)


class FaultPlan:
    """Deals the faults out. Holds the counters, so one per running sandbox."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.change(faults, seed)

    def change(self, faults: Faults, seed: int) -> None:
        """Start over with other faults: counters are back at zero."""
        self.faults = replace(faults, next=())
        self.seed = seed
        self._script = deque(faults.next)
        self._drawn: Counter[str] = Counter()

    def draw_request(self, channel: str) -> RequestFault:
        """The fault of the next create request of this channel."""
        if channel not in self.faults.channels:
            return RequestFault.NONE
        chance = self._chance(channel)
        if self._script:
            return self._script.popleft()
        return self._pick(RequestFault, chance)

    def draw_callback(self, channel: str) -> CallbackFault:
        """The fault of the next callback of this channel."""
        if channel not in self.faults.channels:
            return CallbackFault.NONE
        return self._pick(CallbackFault, self._chance(f"{channel}/callback"))

    def _chance(self, stream: str) -> float:
        self._drawn[stream] += 1
        return chance_of(f"{self.seed}/{stream}/{self._drawn[stream]}")

    def _pick(self, kind: type[_F], chance: float) -> _F:
        for fault in kind:
            if fault == "none":
                continue
            chance -= getattr(self.faults, fault)
            if chance < 0:
                return fault
        return kind("none")


def chance_of(text: str) -> float:
    """A number from 0 up to 1 that depends on the text alone: the same in every process and Python version."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2**56
