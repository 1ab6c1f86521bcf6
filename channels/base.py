"""The contract every adapter keeps; `tests/channels/contract.py` is its executable form.

1. `send` answers for every message in the order given, and raises only for mistakes of the caller.
2. `receive` verifies first and parses second; what is not signed by the provider raises BadSignature.
3. What an adapter cannot do is declared in `can`, never discovered in production.
4. `probe` sends nothing to anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from channels.messages import ChannelKind, Message
from channels.results import Receipt, Reply, SendResult, Sighting

M_contra = TypeVar("M_contra", bound=Message, contravariant=True)


class BadSignature(Exception):
    """The callback was not signed by the provider."""


class BadCallback(Exception):
    """The callback is signed but cannot be read; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider offers. `batch`: messages in one request. `lookup`: it can be asked whether a message exists."""

    batch: int = 1
    lookup: bool = False
    receipts: bool = True
    replies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """An HTTP request a provider made to us. `url` is the public one it was given; `headers` have lower-case names."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime


class Standing(StrEnum):
    """Whether the provider would let us send."""

    OK = "ok"
    REFUSED = "refused"
    """It knows us and says no: credentials, permissions, a closed account. Every message would fail."""
    UNREACHABLE = "unreachable"
    """It could not be asked; it may be better in a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What asking the provider about our account came to. `sentence` is for people, without secrets or addresses.

    `strangers`: those of the senders asked about that are not the account's.
    """

    standing: Standing
    sentence: str = ""
    strangers: tuple[str, ...] = field(default=(), repr=False)


class Channel(Protocol[M_contra]):
    """One provider's way to carry one kind of message. Made inside a running event loop; `close` it in the same one."""

    name: str
    kind: ChannelKind
    can: Capabilities

    async def send(self, messages: Sequence[M_contra]) -> Sequence[SendResult]:
        """Send all, concurrently or in one request; one result each, in order. Never sends a message twice."""
        ...

    async def find(self, message: M_contra, *, since: datetime) -> Sighting:
        """Ask the provider whether it took this message at or after `since`; `seen=None` where it cannot say.

        An adapter does not know which records belong to other messages: the caller drops those (`Sighting.without`).
        """
        ...

    async def probe(self, senders: Sequence[str] = ()) -> Probe:
        """Sign in, ask whether the account may send and, where that can be asked, owns these senders. Never raises."""
        ...

    def receive(self, callback: Callback) -> Sequence[Receipt | Reply]:
        """Verify and read a callback. Raises BadSignature or BadCallback. Pure: the same callback, the same answer."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
