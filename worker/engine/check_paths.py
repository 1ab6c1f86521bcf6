"""How the states of a workflow hang together: what is never reached, and what runs in circles.

1. A circle needs a wait on it that is always taken: one with a condition may be skipped. A timeout is a wait too.
2. Sending is no wait: a circle that only sends would flood a person as fast as the provider delivers.
3. A function cannot call itself, directly or through others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from worker.domain.faults import Fault, Path
from worker.engine import plan


@dataclass(frozen=True, slots=True)
class _Edge:
    """A way from one state to another; `dry` where nothing waits before it is taken."""

    target: str
    dry: bool
    step: plan.Step


@dataclass(slots=True)
class _Sketch:
    """What can happen in a state: where it leads, whom it calls, whether it can run out without a wait."""

    edges: list[_Edge] = field(default_factory=list)
    calls: list[tuple[str, plan.Step]] = field(default_factory=list)
    runs_out_dry: bool = False
    dead: plan.Step | None = None
    """The first action that is never reached."""


def stray_paths(flows: Mapping[str, plan.Flow]) -> Iterator[Fault]:
    """A fault for each state or action never reached, each circle without a wait, each function that calls itself."""
    recursive = list(_recursions(flows))
    yield from recursive
    called = _called(flows)
    waits = {} if recursive else _always_wait(flows)
    for name, flow in flows.items():
        sketches = {state: _sketch(steps, waits) for state, steps in flow.states.items()}
        if name not in called:
            yield Fault(_function_place(flow), "is never called", "call it with callFunction, or remove it")
        reached = _reached(flow, sketches)
        for state, sketch in sketches.items():
            if state not in reached:
                yield Fault(_state_place(flow, state), "is never reached", "lead a transition to it, or remove it")
            elif sketch.dead:
                hint = "the action before it always leaves; give that one a condition, or remove this one"
                yield Fault((*flow.document, *sketch.dead.place), "is never reached", hint)
        yield from _circles(flow, sketches)


def _sketch(steps: tuple[plan.AnyStep, ...], waits: Mapping[str, bool]) -> _Sketch:
    sketch = _Sketch()
    dry = True
    for position, step in enumerate(steps):
        always = step.condition is None
        match step:
            case plan.GoTo(state=state):
                sketch.edges.append(_Edge(state, dry, step))
            case plan.Choose(branches=branches):
                sketch.edges += [_Edge(state, dry, step) for _, state in branches]
            case plan.AwaitReply() | plan.AwaitOutcome() | plan.AwaitEvent() if step.on_timeout:
                sketch.edges.append(_Edge(step.on_timeout, dry=False, step=step))
            case plan.Invoke(flow=flow):
                sketch.calls.append((flow, step))
            case plan.Leave():
                sketch.runs_out_dry |= dry
        if always and isinstance(step, plan.GoTo | plan.Choose | plan.Leave | plan.End):
            sketch.dead = steps[position + 1] if position + 1 < len(steps) else None
            return sketch
        if always and _waits(step, waits):
            dry = False
    sketch.runs_out_dry |= dry
    return sketch


def _waits(step: plan.AnyStep, waits: Mapping[str, bool]) -> bool:
    if isinstance(step, plan.Invoke):
        return waits.get(step.flow, False)
    return isinstance(step, plan.Pause | plan.AwaitReply | plan.AwaitOutcome | plan.AwaitEvent)


def _always_wait(flows: Mapping[str, plan.Flow]) -> dict[str, bool]:
    """Whether a flow cannot be run through without a wait. Called flows first; none calls itself."""
    waits: dict[str, bool] = {}

    def settle(name: str) -> bool:
        if name not in waits:
            flow = flows[name]
            for steps in flow.states.values():
                for step in steps:
                    if isinstance(step, plan.Invoke):
                        settle(step.flow)
            sketches = {state: _sketch(steps, waits) for state, steps in flow.states.items()}
            waits[name] = not any(sketches[state].runs_out_dry for state in _reached(flow, sketches, dry_only=True))
        return waits[name]

    for name in flows:
        settle(name)
    return waits


def _reached(flow: plan.Flow, sketches: Mapping[str, _Sketch], *, dry_only: bool = False) -> set[str]:
    reached: set[str] = set()
    ahead = [flow.initial]
    while ahead:
        state = ahead.pop()
        if state not in reached:
            reached.add(state)
            ahead += [edge.target for edge in sketches[state].edges if edge.dry or not dry_only]
    return reached


def _circles(flow: plan.Flow, sketches: Mapping[str, _Sketch]) -> Iterator[Fault]:
    """Each transition that closes a circle of dry ones, found once."""
    done: set[str] = set()
    for start in sketches:
        trail: list[str] = []
        ahead: list[tuple[str, int]] = [(start, 0)]
        while ahead:
            state, position = ahead.pop()
            if position == 0:
                if state in done:
                    continue
                trail.append(state)
            dry = [edge for edge in sketches[state].edges if edge.dry]
            if position == len(dry):
                done.add(trail.pop())
                continue
            ahead.append((state, position + 1))
            edge = dry[position]
            if edge.target in trail:
                hint = "add a wait, waitForReply or waitForOutcome without a condition before it"
                message = f"leads back to {edge.target} without a wait on the way"
                yield Fault((*flow.document, *edge.step.place), message, hint)
            else:
                ahead.append((edge.target, 0))


def _called(flows: Mapping[str, plan.Flow]) -> set[str]:
    """The flows that are run at all: the main one, and what is called from there on."""
    called: set[str] = set()
    ahead = [""]
    while ahead:
        name = ahead.pop()
        if name not in called:
            called.add(name)
            ahead += [target for target, _ in _calls(flows[name])]
    return called


def _recursions(flows: Mapping[str, plan.Flow]) -> Iterator[Fault]:
    for name, flow in flows.items():
        for target, step in _calls(flow):
            if name in _called_from(flows, target):
                message = f"calls {target or 'the main workflow'}, which comes back to itself"
                yield Fault((*flow.document, *step.place), message, "a function cannot call itself; use a transition")


def _called_from(flows: Mapping[str, plan.Flow], start: str) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += [target for target, _ in _calls(flows[name])]
    return found


def _calls(flow: plan.Flow) -> Iterator[tuple[str, plan.Step]]:
    for steps in flow.states.values():
        for step in steps:
            if isinstance(step, plan.Invoke):
                yield step.flow, step


def _state_place(flow: plan.Flow, state: str) -> Path:
    return (*flow.document, *flow.places[state])


def _function_place(flow: plan.Flow) -> Path:
    return (*flow.document, "functions", flow.name.rpartition(":")[2])
