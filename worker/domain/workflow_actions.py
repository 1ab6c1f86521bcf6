"""The actions a workflow is made of: one model per kind, with the properties people write.

1. What stands here is shape only. Whether a target exists or a template compiles is for `worker.engine.check`.
2. An action knows where it was written (`origin`), so that every later fault names the place in the document.
3. `ACTIONS` is the whole list. A new kind is one model here, one file in `worker/engine/actions`, one scenario.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from channels.messages import MachineDetection
from worker.domain.faults import Path
from worker.domain.queue_event import TYPE

NEVER: Final = "never"
"""The timeout of a wait that only news can end."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an action was written; `names` has the properties that the document calls otherwise."""

    path: Path = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, *key: str | int) -> Path:
        """The path of a property, under the name the document gives it."""
        head, *rest = key
        return (*self.path, self.names.get(str(head), head), *rest)


class Part(BaseModel):
    """A piece of a document: camelCase outside, immutable, no unknown keys."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Triple(Part):
    """One NCX expression. A quoted side is a literal, an unquoted one a name."""

    model_config = ConfigDict(extra="ignore")
    left_expression: str | int | float | bool
    operator: Literal["==", "!=", "<", "<=", ">", ">=", "contains"]
    right_expression: str | int | float | bool | None = None


class Triples(Part):
    """The NCX form of a condition."""

    model_config = ConfigDict(extra="ignore")
    condition_type: Literal["NONE", "AND", "OR"] = "NONE"
    expressions: tuple[Triple, ...] = ()


Condition = str | Triples
"""A CEL string, or NCX triples."""


def _duration(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a duration like 2 days, 90 min, PT36H, or a number of seconds")  # noqa: TRY004 - pydantic wants ValueError
    return value


def _time_of_day(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('must be a time of day in quotes, like "10:00"')  # noqa: TRY004 - pydantic wants ValueError
    return value


Duration = Annotated[str | float, BeforeValidator(_duration)]


class Action(Part):
    """What all actions have. `id` is stable within its state; it names the action's message."""

    id: str = Field(min_length=1, max_length=100)
    name: str = ""
    description: str = ""
    icon: str = ""
    condition: Condition | None = None
    origin: Origin = Field(default=Origin(), exclude=True, repr=False)


class Speech(Part):
    """What a call says: text, or a sound file's address."""

    say: str = ""
    play: str = ""
    language: str = "en-US"
    voice: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> "Speech":
        if bool(self.say) == bool(self.play):
            raise ValueError("has either say or play")
        return self


class SendSms(Action):
    """A text. `to` and `from` default to the contact's phone and the campaign's sender."""

    type: Literal["sendSms"] = "sendSms"
    message: str
    to: str = ""
    from_: str = Field(default="", alias="from")


class SendEmail(Action):
    """A mail with a text, an html body, or both."""

    type: Literal["sendEmail"] = "sendEmail"
    subject: str
    text: str = ""
    html: str = ""
    to: str = ""
    from_: str = Field(default="", alias="from")
    from_name: str = ""
    reply_to: str = ""

    @model_validator(mode="after")
    def _has_a_body(self) -> "SendEmail":
        if not self.text and not self.html:
            raise ValueError("has neither text nor html")
        return self


class PlaceCall(Action):
    """A call. `voicemail` is what a machine hears when `machineDetection` is leaveMessage."""

    type: Literal["placeCall"] = "placeCall"
    say: str = ""
    play: str = ""
    language: str = "en-US"
    voice: str = ""
    machine_detection: MachineDetection = MachineDetection.OFF
    voicemail: Speech | None = None
    ring_seconds: int = Field(default=25, ge=5, le=600)
    to: str = ""
    from_: str = Field(default="", alias="from")

    @model_validator(mode="after")
    def _says_something(self) -> "PlaceCall":
        if bool(self.say) == bool(self.play):
            raise ValueError("has either say or play")
        return self


class WaitAction(Action):
    """Wait for a while, until a moment, or for the next time the contact's clock shows `at`."""

    type: Literal["wait"] = "wait"
    for_: Duration | None = Field(default=None, alias="for")
    until: str = ""
    at: Annotated[str, BeforeValidator(_time_of_day)] = ""

    @model_validator(mode="after")
    def _is_one_of(self) -> "WaitAction":
        if self.for_ is None and not self.until and not self.at:
            raise ValueError("has neither for, until nor at")
        if self.until and (self.for_ is not None or self.at):
            raise ValueError("has until together with for or at; choose one")
        return self


class WaitForReply(Action):
    """Wait until the person writes back. `into` names a variable for the text; `onTimeout` a state."""

    type: Literal["waitForReply"] = "waitForReply"
    timeout: Duration
    channel: Literal["sms"] = "sms"
    into: str = ""
    on_timeout: str = ""


class WaitForOutcome(Action):
    """Wait until it is known what a message came to; `of` is the id of its action, by default the last message."""

    type: Literal["waitForOutcome"] = "waitForOutcome"
    of: str = ""
    timeout: Duration = NEVER
    on_timeout: str = ""


class WaitForEvent(Action):
    """Wait until a queue event of this type is about the contact; `where` is a condition it has to meet.

    What came is `event` from then on; `onTimeout` is a state.
    """

    type: Literal["waitForEvent"] = "waitForEvent"
    event: str = Field(pattern=f"^{TYPE}$")
    timeout: Duration
    where: str = ""
    on_timeout: str = ""


class TransitionAction(Action):
    """Leave for another state, named by id or by name."""

    type: Literal["transition"] = "transition"
    to: str


class Branch(Part):
    """One way out of a split; weights are relative."""

    weight: float
    to: str


class Split(Action):
    """Leave for one of several states by chance; the same contact in the same run always gets the same one."""

    type: Literal["split"] = "split"
    branches: tuple[Branch, ...] = Field(min_length=1)
    by: str = ""


class SetVariable(Action):
    """Remember a value. Text is a template."""

    type: Literal["setVariable"] = "setVariable"
    name: str = Field(min_length=1)
    value: Any


class SetDisposition(Action):
    """File the enrollment under a disposition the campaign offers, or a system one."""

    type: Literal["setDisposition"] = "setDisposition"
    disposition: str


class CallFunction(Action):
    """Run a function of this document or, by its id, another workflow; then go on here."""

    type: Literal["callFunction"] = "callFunction"
    function: str


class Return(Action):
    """Leave a function before its state runs out. In the campaign's own workflow: the end."""

    type: Literal["return"] = "return"


class Terminate(Action):
    """The end, also out of a function."""

    type: Literal["terminate"] = "terminate"


AnyAction = (
    SendSms
    | SendEmail
    | PlaceCall
    | WaitAction
    | WaitForReply
    | WaitForOutcome
    | WaitForEvent
    | TransitionAction
    | Split
    | SetVariable
    | SetDisposition
    | CallFunction
    | Return
    | Terminate
)

ACTIONS: Final[Mapping[str, type[AnyAction]]] = {
    model.model_fields["type"].default: model
    for model in (
        SendSms,
        SendEmail,
        PlaceCall,
        WaitAction,
        WaitForReply,
        WaitForOutcome,
        WaitForEvent,
        TransitionAction,
        Split,
        SetVariable,
        SetDisposition,
        CallFunction,
        Return,
        Terminate,
    )
}
"""Every action type by its name."""
