"""Whether the names that templates and conditions use can have a value.

1. A name that a text puts out as it is must be known. One that is only asked about may be unknown, unless it is so near
   to a known one that it is surely a slip.
2. What NCX knows of a workitem and we do not, never comes: asking for it would decide nothing. `workitem.data` is what
   actions set and what came with the person.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from worker.domain.base import closest
from worker.domain.campaign import Campaign
from worker.domain.faults import Fault
from worker.engine import plan
from worker.engine.compile import RESERVED_VARIABLES, Compiler, Use
from worker.engine.definition import campaign_facts

_OWN: Final[Mapping[str, frozenset[str]]] = {
    "start": frozenset({"type", "data", "occurredAt", "key"}),
    "event": frozenset({"type", "data", "occurredAt", "key"}),
    "reply": frozenset({"body", "channel"}),
    "outcome": frozenset({"message", "channel", "disposition", "category"}),
    "workitem": frozenset({"data", "contact", "type", "to", "from"}),
}
_DATA: Final = ("workitem", "data")
ROOTS: Final = frozenset({"contact", "campaign", "vars", "start", "event", "reply", "outcome"})
"""What a name can begin with; `workitem` too, for documents from NCX."""


def unknown_names(compiler: Compiler, campaign: Campaign, contact_fields: Collection[str] | None) -> Iterator[Fault]:
    """A fault for each name that cannot have a value."""
    known: dict[str, Collection[str]] = {
        **_OWN,
        "campaign": campaign_facts(campaign),
        "vars": _variables(compiler.flows),
    }
    if contact_fields is not None:
        known["contact"] = contact_fields
    for use in compiler.uses:
        yield from _judge(use, known, contact_fields or ())


def _variables(flows: Mapping[str, plan.Flow]) -> frozenset[str]:
    """What some action sets."""
    steps = [step for flow in flows.values() for state in flow.states.values() for step in state]
    assigned = {step.name for step in steps if isinstance(step, plan.Assign)}
    return RESERVED_VARIABLES | assigned | {s.into for s in steps if isinstance(s, plan.AwaitReply) and s.into}


def _judge(use: Use, known: Mapping[str, Collection[str]], fields: Collection[str]) -> Iterator[Fault]:
    root, *rest = use.name or ("",)
    if use.name[:2] == _DATA:
        if len(use.name) > len(_DATA) and use.name[2] not in known["vars"]:
            yield from _judge(Use(use.path, ("contact", *use.name[2:]), use.required), known, fields)
    elif root not in ROOTS and root != "workitem":
        yield Fault(use.path, f"there is no {root or 'such name'}", _root_hint(root, fields))
    elif not rest:
        if use.required:
            yield Fault(use.path, f"puts out the whole of {root}", f"name a part of it, like {root}.name")
    elif root in known and rest[0] not in known[root]:
        meant = closest(rest[0], tuple(known[root]))
        if meant or use.required or root == "workitem":
            yield Fault(use.path, _unknown(root, rest[0]), f"did you mean {root}.{meant}?" if meant else _remedy(root))


def _root_hint(root: str, fields: Collection[str]) -> str:
    if root in fields:
        return f"did you mean contact.{root}?"
    meant = closest(root, tuple(ROOTS))
    return f"did you mean {meant}?" if meant else f"names begin with {', '.join(sorted(ROOTS))}"


def _unknown(root: str, name: str) -> str:
    match root:
        case "contact":
            return f"no contact has {name}"
        case "vars":
            return f"no action sets vars.{name}"
        case _:
            return f"{root} has no {name}"


def _remedy(root: str) -> str:
    return 'add it, or give a default: {{ … | default: "…" }}' if root in ("contact", "vars") else ""
