"""News from providers as the store takes and gives it. Frozen; times are aware and UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from channels.messages import ChannelKind
from worker.domain.attempt import Settlement
from worker.domain.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a person said. `senders`: our addresses they may be answering; the first that has written to them counts.

    `suppress`: the reason never to contact them again on this channel, if they said so; `lift`: they took it back.
    """

    channel: ChannelKind
    address: str = field(repr=False)
    senders: tuple[str, ...] = field(repr=False)
    event: Event
    suppress: str = ""
    lift: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """One piece of news from a provider, verified. The same key twice is the same news.

    `payload` is our reading of it, `raw` what the provider wrote. What was `heard` and the `settlement` take effect
    with its commit. `once_done`: what is kept of our reading where nothing is left to do after that.
    """

    tenant_id: str
    provider: str
    event_key: str
    payload: Mapping[str, Any] = field(repr=False)
    raw: str = field(default="", repr=False)
    heard: Heard | None = None
    settlement: Settlement | None = None
    once_done: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """How many entries were new, how many of those wait to be applied, and the runs (tenant id, run id) that heard."""

    new: int = 0
    waiting: int = 0
    runs: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """The same, leased to one worker. `tries` counts the claims, this one included."""

    inbox_id: int
    tenant_id: str
    provider: str
    payload: Mapping[str, Any] = field(repr=False)
    received_at: datetime
    tries: int
