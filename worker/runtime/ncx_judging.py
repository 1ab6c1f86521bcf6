"""Exported documents among each other and with the saved ones: what is left out, and why.

1. What names a document that is not there is left out too; and so on, until nothing changes.
2. Workflows and campaigns are checked as for a launch. Only the fields of the contacts are not known yet.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from worker.domain.campaign import Campaign
from worker.domain.faults import Fault, Path
from worker.domain.workflow import Workflow
from worker.domain.workflow_actions import CallFunction
from worker.engine.check import check
from worker.runtime.ncx_cases import Case
from worker.runtime.ncx_documents import FUNCTION
from worker.runtime.ncx_world import Saved, World, unique_name
from worker.schema.types import TYPES

_ANY_CAMPAIGN: Final[Mapping[str, Any]] = {
    "useForSMS": True,
    "smsFromAddress": "+18885551212",
    "useForEmail": True,
    "emailFromAddress": "anyone@example.com",
    "useForOutbound": True,
    "callerId": "+18885551212",
}
"""Every channel is on: what is wrong with a workflow there, is wrong with it in any campaign."""


def judge(cases: Sequence[Case], saved: Saved) -> None:
    """Add the faults that keep documents from going in."""
    while any(_found(ask, cases, saved) for ask in (_names, _references, _workflow, _campaign)):
        pass
    world = World(cases, saved)
    called = {name for case in cases if not case.faults for name in case.embedded}
    for key, case in world.exported.get(FUNCTION, {}).items():
        if not case.faults and key not in called:
            hint = "import it together with the workflow that calls it"
            case.faults.append(Fault((), "is called by no workflow that goes in", hint))


def _found(ask: Callable[[World, Case], Iterator[Fault]], cases: Sequence[Case], saved: Saved) -> bool:
    """Ask about each case that has no fault yet; whether one got some."""
    world = World(cases, saved)
    faults = [(case, list(ask(world, case))) for case in cases if case.model and not case.faults]
    for case, found in faults:
        case.faults += found
    return any(found for _, found in faults)


def _names(world: World, case: Case) -> Iterator[Fault]:
    own = unique_name(case)
    if own and len(world.names[case.type, own]) > 1:
        yield Fault(("name",), f"there is another {case.type} with this name in the files", "rename one of them")
    elif other := world.namesake(case):
        yield Fault(("name",), f"there is another {case.type} with this name here, {other}", "rename one of them")


def _references(world: World, case: Case) -> Iterator[Fault]:
    for reference in TYPES[case.type].references:
        for key in reference.of(case.data):
            if not world.has(reference, key):
                yield _missing(world, (reference.key,), reference.type, key)


def _missing(world: World, path: Path, kind: str, key: str) -> Fault:
    exported = world.exported.get(kind, {})
    if key in exported or any(key == case.name for case in exported.values()):
        return Fault(path, f"needs {kind} {key}, which is left out", "see there")
    return Fault(path, f"there is no {kind} {key}", "export it too, and import both together")


def _workflow(world: World, case: Case) -> Iterator[Fault]:
    """What would keep a workflow from running in any campaign."""
    if not isinstance(case.model, Workflow):
        return
    unknown = list(_unknown_calls(world, case.model))
    yield from unknown
    told = {fault.path for fault in unknown}
    found = check(_any_campaign(world, case.id), world.workflows, world.dispositions)
    yield from (fault for fault in found if fault.path not in told)


def _unknown_calls(world: World, workflow: Workflow) -> Iterator[Fault]:
    known = workflow.functions.keys() | world.workflows.keys()
    for state in chain.from_iterable(states.values() for _, _, states in workflow.scopes()):
        for action in state.actions:
            if isinstance(action, CallFunction) and action.function not in known:
                kind = Workflow.TYPE if action.function in world.exported.get(Workflow.TYPE, {}) else FUNCTION
                yield _missing(world, action.origin.of("function"), kind, action.function)


def _any_campaign(world: World, workflow_id: str) -> Campaign:
    """The workflow's own campaign with every channel on; without one, a campaign of no particulars."""
    base = {"name": "any", "workflowId": workflow_id, "dispositions": sorted(world.disposition_names)}
    return Campaign.parse({**world.campaign_of.get(workflow_id, {}), **base, **_ANY_CAMPAIGN})


def _campaign(world: World, case: Case) -> Iterator[Fault]:
    """What would keep a campaign from running with its workflow."""
    if isinstance(case.model, Campaign):
        for fault in check(case.model, world.workflows, world.dispositions):
            elsewhere = fault.path[:1] in (("workflowId",), ("workflows",))
            yield fault if elsewhere else fault.under("workflows", case.model.workflow_id)
