"""From workflow documents to the plan the engine runs. All faults are collected, each with its place.

1. Every target is resolved here: states, functions, dispositions, senders. The engine looks nothing up by name.
2. Compiling knows no contact. The names that templates and conditions use are kept for `worker.engine.check`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from itertools import accumulate
from typing import Any, TypeVar, assert_never

from channels.messages import ChannelKind, MachineDetection
from worker.domain import workflow_actions as written
from worker.domain.dispositions import DispositionBook
from worker.domain.durations import parse_duration, parse_time_of_day
from worker.domain.enrollment import WaitKind
from worker.domain.faults import Fault, Path
from worker.domain.workflow import State, Workflow, resolve_state
from worker.domain.workflow_read import suggestion
from worker.engine import plan
from worker.engine.conditions import Condition, ConditionError, compile_condition
from worker.engine.render import Kind, Template, TemplateError, compile_template

_R = TypeVar("_R")

RESERVED_VARIABLES = frozenset({"start", "event", "reply", "outcome"})
"""Variables the engine itself keeps."""


@dataclass(frozen=True, slots=True)
class Use:
    """A name that a template or a condition asks for; `required` where its absence fails the contact."""

    path: Path
    name: tuple[str, ...]
    required: bool


@dataclass(slots=True)
class Compiler:
    """Compiles a workflow and everything it calls. `flows`, `faults` and `uses` are its results.

    A part with a fault is compiled to something harmless, so that the rest can be checked too.
    """

    workflows: Mapping[str, Workflow]
    main: str
    senders: Mapping[ChannelKind, str]
    book: DispositionBook
    flows: dict[str, plan.Flow] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    resolved: bool = True
    """Whether every target exists: the flows then hang together."""
    _asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    _document: str = ""
    _scope: Mapping[str, State] = field(default_factory=dict)

    def run(self) -> None:
        """Compile the main workflow, then whatever it calls."""
        self._asked = {"": (self.main, "")}
        while self._asked:
            name, (document, function) = self._asked.popitem()
            if name in self.flows:
                continue
            self._document = document
            scopes = {scope: (initial, states) for scope, initial, states in self.workflows[document].scopes()}
            initial, states = scopes[function]
            prefix: Path = () if document == self.main else ("workflows", document)
            self._scope = states
            before, used = len(self.faults), len(self.uses)
            compiled = {key: tuple(map(self._step, state.actions)) for key, state in states.items()}
            self.faults[before:] = [fault.under(*prefix) for fault in self.faults[before:]]
            self.uses[used:] = [Use((*prefix, *use.path), use.name, use.required) for use in self.uses[used:]]
            places = {state_id: state.origin for state_id, state in states.items()}
            self.flows[name] = plan.Flow(name=name, initial=initial, states=compiled, document=prefix, places=places)
            if not function:
                self._asked |= {self._own(name, other): (document, other) for other in scopes if other}

    def _own(self, flow: str, function: str) -> str:
        return f"{flow}:{function}" if flow else function

    def _step(self, action: written.AnyAction) -> plan.AnyStep:
        common = {"id": action.id, "place": action.origin.path, "condition": self._condition(action)}
        return self._kind(action, common)

    def _kind(self, action: written.AnyAction, common: dict[str, Any]) -> plan.AnyStep:  # noqa: C901 - one per kind
        match action:
            case written.SendSms() | written.SendEmail() | written.PlaceCall():
                return self._send(action, common)
            case written.WaitAction():
                return self._pause(action, common)
            case written.WaitForReply():
                return plan.AwaitReply(
                    **common,
                    channel=ChannelKind(action.channel),
                    timeout=self._timeout(action),
                    into=self._variable(action, "into", action.into),
                    on_timeout=self._optional_state(action, "onTimeout", action.on_timeout),
                )
            case written.WaitForOutcome():
                return plan.AwaitOutcome(
                    **common,
                    of=action.of,
                    timeout=self._timeout(action),
                    on_timeout=self._optional_state(action, "onTimeout", action.on_timeout),
                )
            case written.WaitForEvent():
                return plan.AwaitEvent(
                    **common,
                    event=action.event,
                    timeout=self._timeout(action),
                    where=self._compiled(action, "where", action.where) if action.where else None,
                    on_timeout=self._optional_state(action, "onTimeout", action.on_timeout),
                )
            case written.TransitionAction():
                return plan.GoTo(**common, state=self._state(action, ("to",), action.to))
            case written.Split():
                return self._split(action, common)
            case written.SetVariable():
                name = self._variable(action, "name", action.name)
                return plan.Assign(**common, name=name, value=self._value(action))
            case written.SetDisposition():
                return self._file(action, common)
            case written.CallFunction():
                return plan.Invoke(**common, flow=self._flow(action))
            case written.Return():
                return plan.Leave(**common)
            case written.Terminate():
                return plan.End(**common)
        assert_never(action)

    def _send(
        self, action: written.SendSms | written.SendEmail | written.PlaceCall, common: dict[str, Any]
    ) -> plan.Send:
        content: dict[str, Any]
        match action:
            case written.SendSms():
                channel, content = ChannelKind.SMS, {"body": self._text(action, ("message",), action.message, Kind.SMS)}
            case written.SendEmail():
                channel, content = ChannelKind.EMAIL, self._mail(action)
            case written.PlaceCall():
                channel, content = ChannelKind.VOICE, self._call(action)
        return plan.Send(
            **common,
            channel=channel,
            sender=action.from_ or self.senders.get(channel, ""),
            content=content,
            to=self._text(action, ("to",), action.to, Kind.LINE) if action.to else None,
            until=WaitKind.OUTCOME if channel is ChannelKind.VOICE else WaitKind.HANDOVER,
        )

    def _mail(self, action: written.SendEmail) -> dict[str, Any]:
        parts = (
            ("subject", "subject", action.subject, Kind.LINE),
            ("text", "text", action.text, Kind.TEXT),
            ("html", "html", action.html, Kind.HTML),
            ("senderName", "fromName", action.from_name, Kind.LINE),
            ("replyTo", "replyTo", action.reply_to, Kind.LINE),
        )
        return {key: self._text(action, (written,), text, kind) for key, written, text, kind in parts if text}

    def _call(self, action: written.PlaceCall) -> dict[str, Any]:
        content: dict[str, Any] = {
            "speech": self._speech(action, (), action),
            "machineDetection": str(action.machine_detection),
            "ringSeconds": action.ring_seconds,
        }
        if action.voicemail:
            content["voicemail"] = self._speech(action, ("voicemail",), action.voicemail)
        elif action.machine_detection is MachineDetection.LEAVE_MESSAGE:
            self._fault(
                action, ("voicemail",), "is required when machineDetection is leaveMessage", "add voicemail.say"
            )
        return content

    def _speech(
        self, action: written.Action, key: tuple[str, ...], speech: written.PlaceCall | written.Speech
    ) -> dict[str, Any]:
        if speech.say:
            said = {"text": self._text(action, (*key, "say"), speech.say, Kind.SPEECH)}
        else:
            said = {"playUrl": self._text(action, (*key, "play"), speech.play, Kind.LINE)}
        return {**said, "language": speech.language, **({"voice": speech.voice} if speech.voice else {})}

    def _pause(self, action: written.WaitAction, common: dict[str, Any]) -> plan.Pause:
        length: timedelta | None = None
        at: time | None = None
        if action.for_ is not None:
            length = self._read(action, "for", lambda: parse_duration(action.for_ or 0))
        if action.at:
            at = self._read(action, "at", lambda: parse_time_of_day(action.at))
        until = self._text(action, ("until",), action.until, Kind.LINE) if action.until else None
        return plan.Pause(**common, length=length, at=at, until=until)

    def _split(self, action: written.Split, common: dict[str, Any]) -> plan.Choose:
        states = [self._state(action, ("branches", n, "to"), branch.to) for n, branch in enumerate(action.branches)]
        for n, branch in enumerate(action.branches):
            if not 0 < branch.weight < float("inf"):
                self._fault(action, ("branches", n, "weight"), "must be greater than 0", "or remove the branch")
        total = sum(branch.weight for branch in action.branches) or 1
        bounds = accumulate(branch.weight / total for branch in action.branches)
        return plan.Choose(**common, branches=tuple(zip(bounds, states, strict=True)), label=action.by)

    def _file(self, action: written.SetDisposition, common: dict[str, Any]) -> plan.FileUnder | plan.End:
        try:
            return plan.FileUnder(**common, rule=self.book.rule(action.disposition))
        except KeyError:
            hint = suggestion(action.disposition, self.book.codes())
            message = f"{action.disposition} is neither a disposition of the campaign nor one of the system"
            self._fault(action, ("disposition",), message, hint or "add it to the campaign's dispositions")
            return plan.End(**common)

    def _value(self, action: written.SetVariable) -> Any:
        if isinstance(action.value, str):
            return self._text(action, ("value",), action.value, Kind.TEXT)
        return action.value

    def _variable(self, action: written.Action, key: str, name: str) -> str:
        name = name.removeprefix("vars.")
        if name in RESERVED_VARIABLES:
            self._fault(action, (key,), f"{name} is kept by the engine itself", "choose another name")
        return name

    def _flow(self, action: written.CallFunction) -> str:
        """The flow a function name means: one of this document, or another workflow."""
        own = "" if self._document == self.main else f"@{self._document}"
        if action.function in self.workflows[self._document].functions:
            return self._own(own, action.function)
        if action.function == self.main:
            return ""
        if action.function in self.workflows and ":" not in action.function:
            name = f"@{action.function}"
            self._asked.setdefault(name, (action.function, ""))
            return name
        self.resolved = False
        known = [*self.workflows[self._document].functions, *self.workflows]
        self._fault(
            action, ("function",), f"there is no function {action.function}", suggestion(action.function, known)
        )
        return ""

    def _timeout(
        self, action: written.WaitForReply | written.WaitForOutcome | written.WaitForEvent
    ) -> timedelta | None:
        if action.timeout == written.NEVER:
            return None
        return self._read(action, "timeout", lambda: parse_duration(action.timeout))

    def _state(self, action: written.Action, key: tuple[str | int, ...], target: str) -> str:
        state = resolve_state(self._scope, target)
        if state is None:
            self.resolved = False
            self._fault(action, key, f"there is no state {target}", suggestion(target, self._scope))
        return state or ""

    def _optional_state(self, action: written.Action, key: str, target: str) -> str:
        return self._state(action, (key,), target) if target else ""

    def _text(self, action: written.Action, key: tuple[str, ...], source: str, kind: Kind) -> Template:
        path = action.origin.of(*key)
        try:
            template = compile_template(source, kind, path)
        except TemplateError as error:
            self.faults.append(Fault(path, str(error)))
            return Template("", kind, path)
        self.uses += [Use(path, name, required=name in template.required) for name in sorted(template.names)]
        return template

    def _condition(self, action: written.Action) -> Condition | None:
        return None if action.condition is None else self._compiled(action, "condition", action.condition)

    def _compiled(self, action: written.Action, key: str, document: written.Condition) -> Condition | None:
        path = action.origin.of(key)
        try:
            condition = compile_condition(document)
        except ConditionError as error:
            self.faults.append(Fault(path, str(error)))
            return None
        self.uses += [Use(path, name, required=False) for name in sorted(condition.names)]
        return condition

    def _read(self, action: written.Action, key: str, read: Callable[[], _R]) -> _R | None:
        try:
            return read()
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self._fault(action, (key,), message, hint)
            return None

    def _fault(self, action: written.Action, key: tuple[str | int, ...], message: str, hint: str = "") -> None:
        self.faults.append(Fault(action.origin.of(*key), message, hint))
