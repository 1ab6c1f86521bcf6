"""What the contract suite asks of an adapter's tests: its provider's dialect."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from channels.base import Callback, Channel
from channels.messages import Message
from channels.registry import build
from channels.results import Reason, SendResult
from tests.channels.loopback import Reply, Request

SECRETS = ("1eafed0000000000000000000000dead", "SG.aaaaaaaaaaaa.bbbbbbbbbbbbbbbb")
PERSONAL = ("5550142", "ann@", "Dear Ann")
TIMEOUT_SECONDS = 10.0
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class ChannelHooks(ABC):
    pytestmark = pytest.mark.anyio

    name: str
    words: frozenset[str]
    """Every status or event word in the vendor's published description."""
    inbound_words: frozenset[str] = frozenset()
    """Those that say nothing about a message of ours."""

    @abstractmethod
    def settings(self, base_url: str, **changes: object) -> object: ...

    @abstractmethod
    def message(self, number: int = 1) -> Message:
        """A message of attempt `attempt-<number>`, each to another person."""

    @abstractmethod
    def accepts(self, request: Request) -> Reply:
        """How the vendor takes everything in this request."""

    @abstractmethod
    def refusal(self) -> tuple[Reply, Reason, str]:
        """How the vendor refuses a message for good, and the reason and code that must come of it."""

    @abstractmethod
    def throttle(self, request: Request, seconds: int) -> Reply:
        """How the vendor says: too fast, come back later."""

    @abstractmethod
    def attempts_on_wire(self, request: Request) -> list[str]: ...

    @abstractmethod
    def callback(self, word: str, attempt_id: str = "attempt-1", key: int = 0) -> Callback:
        """A signed callback with this word, signed with the first key or the second."""

    @abstractmethod
    def welcome(self, request: Request) -> Reply:
        """How the vendor answers a probe of an account that may send and owns whatever sender is asked about."""

    @abstractmethod
    def foreign(self) -> Message:
        """A message this adapter cannot carry."""

    @asynccontextmanager
    async def channel(self, base_url: str, **changes: object):
        channel: Channel = build(self.name, self.settings(base_url, **changes))
        try:
            yield channel
        finally:
            await channel.close()

    async def send_one(self, base_url: str, **changes: object) -> SendResult:
        async with self.channel(base_url, **changes) as channel:
            [result] = await channel.send([self.message()])
            return result


def timeouts(changes: Mapping[str, object]) -> dict[str, object]:
    """Timeouts that a loaded machine keeps to, the connection's a little below the other."""
    total = float(changes.get("timeout_seconds", TIMEOUT_SECONDS))
    return {"timeout_seconds": total, "connect_timeout_seconds": 0.9 * total}
