"""What becomes of messages after a provider has taken them, how often, and why it refuses some."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from channels.messages import ChannelKind
from channels.results import AnsweredBy, Reason
from channels.results import ReceiptKind as K


@dataclass(frozen=True, slots=True)
class Life:
    """The receipts of one message, in order, each with its reason or who answered; and how often it goes like this."""

    weight: int
    steps: tuple[tuple[K, Reason | AnsweredBy | None], ...]


def _life(weight: int, *steps: K | tuple[K, Reason | AnsweredBy]) -> Life:
    return Life(weight, tuple(step if isinstance(step, tuple) else (step, None) for step in steps))


LIVES: Final[Mapping[ChannelKind, tuple[Life, ...]]] = {
    ChannelKind.SMS: (
        _life(12, K.QUEUED, K.SENT, K.DELIVERED),
        _life(2, K.QUEUED, (K.FAILED, Reason.UNREACHABLE)),
        _life(1, K.QUEUED, (K.FAILED, Reason.BLOCKED)),
        _life(1, K.QUEUED, K.SENT),  # some carriers never confirm
        _life(1, K.QUEUED, K.SENT, K.DELIVERED, K.OPTED_OUT),
    ),
    ChannelKind.VOICE: (
        _life(6, K.QUEUED, K.ANSWERED, (K.COMPLETED, AnsweredBy.HUMAN)),
        _life(2, K.QUEUED, K.ANSWERED, (K.COMPLETED, AnsweredBy.MACHINE)),
        _life(3, K.QUEUED, K.SENT, (K.FAILED, Reason.BUSY)),
        _life(3, K.QUEUED, K.SENT, (K.FAILED, Reason.NO_ANSWER)),
        _life(1, K.QUEUED, (K.FAILED, Reason.INVALID_ADDRESS)),
    ),
    ChannelKind.EMAIL: (
        _life(8, K.QUEUED, K.DELIVERED),
        _life(2, K.QUEUED, K.DELIVERED, K.OPENED),
        _life(1, K.QUEUED, K.DEFERRED, (K.FAILED, Reason.BLOCKED)),
        _life(1, K.QUEUED, (K.FAILED, Reason.INVALID_ADDRESS)),
        _life(1, K.QUEUED, K.DELIVERED, K.OPTED_OUT),
    ),
}
"""The first of each is the plain one: it arrives."""
WEIGHTS: Final = {channel: [life.weight for life in lives] for channel, lives in LIVES.items()}
REFUSALS: Final[Mapping[ChannelKind, tuple[Reason, ...]]] = {
    ChannelKind.SMS: (Reason.INVALID_ADDRESS, Reason.CONTENT, Reason.BLOCKED, Reason.OPTED_OUT),
    ChannelKind.VOICE: (Reason.INVALID_ADDRESS, Reason.CONFIGURATION),
    ChannelKind.EMAIL: (Reason.INVALID_ADDRESS, Reason.CONTENT),
}
