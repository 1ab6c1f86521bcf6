"""What a workflow would send to somebody, and what it needs to know of them, told before anybody is enrolled.

1. Every send action is rendered, whether or not its state will be reached. What only exists later, a reply, a variable,
   the event that starts it, stands in the text as the template names it: `{{ reply.body }}`.
2. The rest is as it will be: the same templates, filters, lengths and gates. What would keep a message from leaving is
   said beside it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from channels.messages import ChannelKind
from worker.domain.enrollment import Enrollment, Recipient
from worker.domain.run import RunStatus
from worker.engine import plan
from worker.engine.actions.messages import rendered
from worker.engine.definition import Definition
from worker.engine.gates import GateFacts, Skip, verdict
from worker.engine.render import Facts, RenderFailed, Template
from worker.engine.walk import Walk

Name = tuple[str, ...]

_LATER: Final = ("vars", "start", "reply", "outcome")
_CONTACT: Final = (("contact",), ("workitem", "contact"), ("workitem", "data"))
"""What a name that asks for the person's own fields begins with."""
_COMPUTED: Final = frozenset({"size", "first", "last"})
"""Liquid makes these of a list; nobody has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One message as it would be. `content` is empty where it cannot be made; `problem`: why it would not leave."""

    state: str
    action: str
    channel: ChannelKind
    to: str = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)
    problem: str = ""


def drafts(definition: Definition, recipient: Recipient, now: datetime, *, blocked: bool = False) -> Iterator[Draft]:
    """Every message of a workflow for one person, in the order of its states."""
    facts = _facts(definition, recipient, now)
    for flow, state, step in _steps(definition):
        if isinstance(step, plan.Send):
            yield _draft(definition, flow.qualified(state), step, recipient, facts, blocked=blocked)


def needs(definition: Definition) -> Mapping[Name, tuple[str, ...]]:
    """What templates put out of a person as it is, each a path into their fields, and where: places in the workflow."""
    variables = _assigned(definition)
    found: dict[Name, list[str]] = {}
    for template in _templates(definition):
        for name in sorted(template.required):
            path = _path(name)
            if path and not (name[:2] == ("workitem", "data") and path[0] in variables):
                found.setdefault(path, []).append(".".join(map(str, template.place)))
    return {path: tuple(dict.fromkeys(places)) for path, places in found.items()}


def needs_start(definition: Definition) -> tuple[str, ...]:
    """Places in the workflow that cannot do without `start`, the event by which somebody enters."""
    places = [
        template.place
        for template in _templates(definition)
        if any(name[:1] == ("start",) for name in template.required)
    ]
    for _, _, step in _steps(definition):
        asked = {"condition": step.condition, "where": step.where if isinstance(step, plan.AwaitEvent) else None}
        for key, condition in asked.items():
            if condition is not None and any(name[:1] == ("start",) for name in condition.names):
                places.append((*step.place, key))
    return tuple(dict.fromkeys(".".join(map(str, place)) for place in places))


def _draft(
    definition: Definition, state: str, step: plan.Send, recipient: Recipient, facts: Facts, *, blocked: bool
) -> Draft:
    to, content, problem = "", {}, ""
    own = recipient.email if step.channel is ChannelKind.EMAIL else recipient.phone
    try:
        to = own if step.to is None else step.to.render(facts)
        content = rendered(step.content, facts)
    except RenderFailed as error:
        problem = str(error)
    else:
        problem = _stopped(definition, step, to, content, blocked=blocked)
    return Draft(state=state, action=step.id, channel=step.channel, to=to, content=content, problem=problem)


def _stopped(definition: Definition, step: plan.Send, to: str, content: Mapping[str, Any], *, blocked: bool) -> str:
    """Why a gate would not let the message leave; empty: it would."""
    seen = verdict(
        GateFacts(
            run_status=RunStatus.RUNNING,
            channel=step.channel,
            channel_enabled=step.channel in definition.channels,
            to=to,
            sender=step.sender,
            content=content,
            blocked=blocked,
        )
    )
    return f"{seen.disposition}: {seen.detail}".removesuffix(": ") if isinstance(seen, Skip) else ""


def _facts(definition: Definition, recipient: Recipient, now: datetime) -> Facts:
    known = Walk(definition, Enrollment(enrollment_id="preview", recipient=recipient), now).facts()
    later: dict[str, Any] = {}
    for template in _templates(definition):
        for name in sorted(template.names):
            if name[:1] and name[0] in _LATER:
                _plant(later, name)
    data = {variable: "{{ workitem.data." + variable + " }}" for variable in _assigned(definition)}
    workitem = {**known.roots["workitem"], "data": {**recipient.fields, **data}}
    return Facts(roots={**known.roots, "workitem": workitem, **later}, now=known.now, zone=known.zone)


def _plant(later: dict[str, Any], name: Name) -> None:
    """Put the name itself where its value will be. Of `a` and `a.b`, the longer one stands."""
    at = later
    for key in name[:-1]:
        below = at.get(key)
        at[key] = at = below if isinstance(below, dict) else {}
    at.setdefault(name[-1], "{{ " + ".".join(name) + " }}")


def _path(name: Name) -> Name:
    """The path into a person's fields that a name asks for; () where it asks for something else."""
    for root in _CONTACT:
        if name[: len(root)] == root:
            rest = name[len(root) :]
            end = next((place for place, key in enumerate(rest) if key in _COMPUTED), len(rest))
            return rest[:end]
    return ()


def _assigned(definition: Definition) -> frozenset[str]:
    steps = [step for _, _, step in _steps(definition)]
    named = {step.name for step in steps if isinstance(step, plan.Assign)}
    return frozenset(named | {step.into for step in steps if isinstance(step, plan.AwaitReply) and step.into})


def _templates(definition: Definition) -> Iterator[Template]:
    for _, _, step in _steps(definition):
        match step:
            case plan.Send():
                yield from _within(step.content)
                yield from _within(step.to)
            case plan.Pause(until=part) | plan.Assign(value=part):
                yield from _within(part)
            case _:
                pass


def _within(part: Any) -> Iterator[Template]:
    if isinstance(part, Template):
        yield part
    elif isinstance(part, Mapping):
        for below in part.values():
            yield from _within(below)


def _steps(definition: Definition) -> Iterator[tuple[plan.Flow, str, plan.AnyStep]]:
    for flow in definition.flows.values():
        for state, steps in flow.states.items():
            for step in steps:
                yield flow, state, step
