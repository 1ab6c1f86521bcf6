"""What an event does to a campaign that listens: who is brought in, who is passed over and why, who is taken out.

1. Pure. What is known of earlier enrollments comes as `Earlier`; whoever asks reads it where nobody else can change it.
2. A condition sees `event` (`type`, `key`, `data`, `occurredAt`), `contact`, and in `cancelOn` also `start`, the event
   that brought the person in. What nobody knows is false, and for a trigger the reason says so.
3. The first trigger of a campaign that takes an event decides: one event brings somebody in once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar, assert_never

from worker.domain.base import closest
from worker.domain.campaign import Campaign
from worker.domain.faults import Fault
from worker.domain.trigger import CancelRule, Reentry, Trigger
from worker.engine.conditions import Condition, ConditionError, compile_condition
from worker.engine.plan import AwaitEvent, Flow
from worker.engine.render import Facts

Rule = TypeVar("Rule", Trigger, CancelRule)

_EVENT: Final = ("type", "key", "data", "occurredAt")
_TRIGGER_ROOTS: Final = ("event", "contact")
_CANCEL_ROOTS: Final = ("event", "contact", "start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What is known of somebody in a campaign: when they last entered (None: never), whether they are still in."""

    entered_at: datetime | None = None
    is_in: bool = False


@dataclass(frozen=True, slots=True)
class Enroll:
    """The event brings its contact in."""


@dataclass(frozen=True, slots=True)
class PassOver:
    """It does not; the reason names no person. `in_doubt`: it might have, had it said what its condition asks for."""

    reason: str
    in_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What a campaign listens to, compiled once: its rules by type of event, in the order of the document."""

    triggers: Mapping[str, tuple[tuple[Trigger, Condition | None], ...]] = field(default_factory=dict)
    cancel_on: Mapping[str, tuple[tuple[CancelRule, Condition | None], ...]] = field(default_factory=dict)
    awaits: frozenset[str] = frozenset()
    """The types that its workflow waits for."""

    @property
    def types(self) -> frozenset[str]:
        """The types of event it does something about."""
        return self.awaits.union(self.triggers, self.cancel_on)

    def enters(self, facts: Facts, event_type: str, earlier: Earlier) -> Enroll | PassOver:
        """Whether the contact of an event enters. `facts` has `event` and `contact`, and the moment."""
        doubts: list[str] = []
        for trigger, condition in self.triggers.get(event_type, ()):
            if condition is None or condition.holds(facts):
                return _reenters(trigger, earlier, facts.now)
            doubts += condition.doubts(facts)
        if doubts:
            return PassOver(f"its condition cannot be judged: {', '.join(dict.fromkeys(doubts))}", in_doubt=True)
        return PassOver("its condition is false")

    def leaves(self, facts: Facts, event_type: str) -> bool:
        """Whether an event ends what its contact has open. `facts` also has `start`, where an event began it."""
        rules = self.cancel_on.get(event_type, ())
        return any(condition is None or condition.holds(facts) for _, condition in rules)

    def asks(self, event_type: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the conditions of `cancelOn` may ask of the data of an event: all of it that has to be remembered."""
        conditions = [condition for _, condition in self.cancel_on.get(event_type, ()) if condition is not None]
        names = {name[1:3] for condition in conditions for name in condition.names if name[0] == "event"}
        if names & {(), ("data",)}:
            return data
        return {key: data[key] for key in sorted(data) if ("data", key) in names}


def compile_listening(campaign: Campaign, flows: Iterable[Flow] = ()) -> Listening:
    """Compile what a campaign and the flows of its workflow listen to.

    Raises ConditionError for what `listening_faults` would have told.
    """
    steps = (step for flow in flows for state in flow.states.values() for step in state)
    return Listening(
        triggers=_by_type(campaign.enters_on),
        cancel_on=_by_type(campaign.leaves_on),
        awaits=frozenset(step.event for step in steps if isinstance(step, AwaitEvent)),
    )


def listening_faults(campaign: Campaign) -> Iterator[Fault]:
    """What is wrong with the conditions of a campaign's triggers."""
    for trigger in campaign.enters_on:
        yield from _faults(trigger.condition, ("triggers", trigger.place, "condition"), _TRIGGER_ROOTS)
    for rule in campaign.leaves_on:
        yield from _faults(rule.condition, ("cancelOn", rule.place, "condition"), _CANCEL_ROOTS)


def _by_type(rules: Iterable[Rule]) -> dict[str, tuple[tuple[Rule, Condition | None], ...]]:
    found: dict[str, list[tuple[Rule, Condition | None]]] = {}
    for rule in rules:
        found.setdefault(rule.event, []).append((rule, compile_condition(rule.condition) if rule.condition else None))
    return {event_type: tuple(compiled) for event_type, compiled in found.items()}


def _faults(source: str, path: tuple[str | int, ...], roots: tuple[str, ...]) -> Iterator[Fault]:
    if not source:
        return
    try:
        condition = compile_condition(source)
    except ConditionError as error:
        yield Fault(path, str(error), "write it like event.data.plan == 'gold'")
        return
    for root, *rest in sorted(condition.names):
        if root not in roots:
            meant = closest(root, roots)
            yield Fault(
                path, f"there is no {root} here", f"did you mean {meant}?" if meant else f"one of {', '.join(roots)}"
            )
        elif root != "contact" and rest and rest[0] not in _EVENT:
            meant = closest(rest[0], _EVENT)
            yield Fault(path, f"{root} has no {rest[0]}", f"write {root}.{meant or f'data.{rest[0]}'}")


def _reenters(trigger: Trigger, earlier: Earlier, now: datetime) -> Enroll | PassOver:
    if earlier.entered_at is None:
        return Enroll()
    match trigger.reentry:
        case Reentry.ALWAYS:
            return Enroll()
        case Reentry.ONCE:
            return PassOver("has been in before")
        case Reentry.ONE_AT_A_TIME:
            return PassOver("is still in") if earlier.is_in else Enroll()
        case Reentry.AFTER:
            return Enroll() if now - earlier.entered_at >= trigger.after else PassOver("has been in too lately")
    assert_never(trigger.reentry)
