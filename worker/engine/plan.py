"""What the engine runs: the documents of a workflow, compiled.

1. Plain frozen structures; everything that can be looked up or parsed beforehand has been.
2. A flow is the campaign's own workflow (named ""), one of its functions (named as written), another workflow document
   ("@id"), or a function of that one ("@id:name").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from itertools import chain
from typing import Any

from channels.messages import ChannelKind
from worker.domain.dispositions import DispositionRule
from worker.domain.enrollment import WaitKind
from worker.domain.faults import Path
from worker.engine.conditions import Condition
from worker.engine.render import Template

Content = Mapping[str, "Template | Content | str | int"]
"""A message's content with templates in place of texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all compiled actions have. `place` leads to the action in its document."""

    id: str
    condition: Condition | None = None
    place: Path = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Step):
    """Send a message, then wait for its hand-over or its outcome. `to` None: the contact's own address."""

    channel: ChannelKind
    sender: str
    content: Content
    to: Template | None = None
    until: WaitKind = WaitKind.HANDOVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Step):
    """Wait `length`, then until the clock shows `at`; or until the moment that `until` renders to."""

    length: timedelta | None = None
    at: time | None = None
    until: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitReply(Step):
    """`timeout` None: for ever. `on_timeout` is a state of the same flow, or empty to go on here."""

    channel: ChannelKind
    timeout: timedelta | None
    into: str = ""
    on_timeout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitOutcome(Step):
    """`of` is the id of a sending action, or empty for the last message."""

    of: str
    timeout: timedelta | None
    on_timeout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitEvent(Step):
    """A queue event of this type that meets `where`, as of the other waits."""

    event: str
    timeout: timedelta | None
    where: Condition | None = None
    on_timeout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoTo(Step):
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose(Step):
    """`branches` are (upper bound, state): the share of a branch lies between the bound before it and its own."""

    branches: tuple[tuple[float, str], ...]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign(Step):
    name: str
    value: Any
    """A template, or any JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUnder(Step):
    rule: DispositionRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoke(Step):
    flow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(Step):
    """Return to the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Step):
    """End all."""


AnyStep = (
    Send | Pause | AwaitReply | AwaitOutcome | AwaitEvent | GoTo | Choose | Assign | FileUnder | Invoke | Leave | End
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Compiled states, each with its steps in order.

    `document` leads from the campaign's own workflow to the document the flow is in, `places` from there to its states.
    """

    name: str
    initial: str
    states: Mapping[str, tuple[AnyStep, ...]]
    document: Path = ()
    places: Mapping[str, Path] = field(default_factory=dict)

    def qualified(self, state: str) -> str:
        """The name of a state over all flows."""
        return f"{self.name}:{state}" if self.name else state

    def steps(self) -> Iterator[AnyStep]:
        """All of them, state by state."""
        return chain.from_iterable(self.states.values())
