"""What the engine wants done: effects, in the imperative. The store commits them together with the new state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from channels.messages import ChannelKind
from worker.domain.enrollment import Enrollment, MessageKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Send this message. `to` may be empty: the gate then settles it as NO_ADDRESS, so that it is counted.

    `content` is JSON and rendered, by channel:
    sms `{"body"}`; email `{"subject", "text"?, "html"?, "toName"?, "senderName"?, "replyTo"?, "headers"?}`;
    voice `{"speech": {"text"|"playUrl", "language"?, "voice"?}, "machineDetection"?, "voicemail"?, "ringSeconds"?}`.
    """

    key: MessageKey
    channel: ChannelKind
    to: str = field(repr=False)
    sender: str = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutcome:
    """File this under a disposition: what a message or the workflow itself came to."""

    disposition: str
    category: str
    message: MessageKey | None = None
    detail: str = ""


Effect = Dispatch | RecordOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """The answer of one step: the new enrollment, what to do, and when to step again without news (None: never)."""

    enrollment: Enrollment
    effects: tuple[Effect, ...] = ()
    due_at: datetime | None = None
