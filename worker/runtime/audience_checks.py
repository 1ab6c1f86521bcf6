"""What should be known of an audience before it is launched over: whether it is too large, and what its people lack.

1. A launch of a million does not wait until a million are judged: guards look no further than their bound, and what
   people lack is counted in twenty parts of a large audience.
2. A value that nobody has stands in the way: every message would fail. So does one that more people lack than the
   campaign's guard lets fail, unless that is meant. One that fewer lack is said, with the number.
3. Nobody of an audience enters by an event, so nothing may need one; unless an example is given for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from worker.domain.audience import Selection
from worker.domain.guard import Guard, Rate
from worker.engine.definition import Definition
from worker.engine.preview import Name, needs, needs_start
from worker.runtime.bootstrap import Runtime
from worker.runtime.selecting import Chosen
from worker.store.segments import attribute_names

NOBODY: Final = "nobody belongs to the audience"
_HARDLY_ANYBODY: Final = 0.01
"""A segment that leaves out a smaller part of the contacts is most often meant otherwise, like `NOT country:ZZ`."""
_FEW: Final = 100
"""Of so few contacts one is a part."""
_PLACES: Final = 5
"""So many are told by name."""


@dataclass(frozen=True, slots=True)
class Findings:
    """`blocks` stand in the way of a launch, `warns` do not. Sentences for people."""

    blocks: tuple[str, ...]
    warns: tuple[str, ...]


def check_audience(
    rt: Runtime,
    chosen: Chosen,
    definition: Definition,
    as_of: datetime,
    *,
    everyone: bool = False,
    despite_failures: bool = False,
) -> Findings:
    """Judge an audience whose names have been looked up without faults.

    `everyone`: its segment may match everybody. `despite_failures`: most of it may lack what templates put out.
    """
    tenant_id, selection = rt.settings.tenant_id, chosen.selection(as_of)
    blocks = [*_too_large(rt, selection, chosen.largest or rt.settings.audience_largest, everyone=everyone)]
    blocks += _without_event(definition)
    needed = needs(definition)
    people, lacking = rt.store.audience_lacking(tenant_id, selection, needed.keys())
    if not people and not rt.store.audience_is_over(tenant_id, selection, 0):
        return Findings((*blocks, NOBODY), ())
    warns = [*chosen.warns, *_slips(rt, selection)]
    for path, places in needed.items():
        if missing := lacking.get(path, 0):
            nobody = missing == people and not rt.store.audience_has(tenant_id, selection, path)
            bound = None if nobody or despite_failures else _bound(definition.guard)
            over = bound is not None and missing / people > bound
            said = lack(path, places, missing, people, nobody=nobody)
            (blocks if nobody or over else warns).append(f"{said}; {_over(bound)}" if over and bound else said)
    return Findings(tuple(blocks), tuple(warns))


def lack(path: Name, places: tuple[str, ...], missing: int, people: int, *, nobody: bool) -> str:
    """That people lack what templates put out, in a sentence."""
    name, remedy = ".".join(("contact", *path)), 'import it, or give a default: {{ … | default: "…" }}'
    if nobody:
        return f"nobody in the audience has {name}, which {_listed(places)} puts out; {remedy}"
    found = f"{missing:,} of the {people:,} people looked at have no {name}, which {_listed(places)} puts out"
    return f"{found}: their workflow would fail there; {remedy}"


def _bound(guard: Guard) -> float | None:
    """The share of people that may fail; None: any."""
    return None if Rate.FAILURE in guard.off else guard.bounds[Rate.FAILURE]


def _over(bound: float) -> str:
    return (
        f"that is more than the {bound:.3g} of guard.failureRate; narrow the audience, or say --despite-failures"
        " (despiteFailures) if conditions keep them from it, or they are to fail"
    )


def _too_large(rt: Runtime, selection: Selection, largest: int, *, everyone: bool) -> Iterator[str]:
    tenant_id = rt.settings.tenant_id
    if largest and rt.store.audience_is_over(tenant_id, selection, largest):
        people = rt.store.audience_size(tenant_id, selection)
        yield (
            f"{people:,} people belong to the audience, more than the {largest:,} that are allowed;"
            " narrow it, or raise the bound (--largest, audience.largest, AUDIENCE_LARGEST)"
        )
    if selection.include is None or selection.lists or everyone:
        return
    there, out = rt.store.segment_leaves_out(tenant_id, selection.include, _HARDLY_ANYBODY)
    if not out or (there > _FEW and out < there * _HARDLY_ANYBODY):
        matched = f"{there - out:,} of the {there:,} contacts" if out else "every contact there is"
        yield f"the segment matches {matched}; narrow it, name a list, or say --everyone if all are meant"


def _without_event(definition: Definition) -> Iterator[str]:
    places = needs_start(definition)
    if places and definition.start is None:
        yield (
            f"templates or conditions name `start`, but nobody of an audience enters by an event: {_listed(places)};"
            " launch it without an audience, and events bring people in; to try it out, use --to with --event"
        )


def _slips(rt: Runtime, selection: Selection) -> Iterator[str]:
    """Attributes that a segment asks for and nobody has: `NOT optdOut:true` would be everybody."""
    asked = chain.from_iterable(attribute_names(query) for query in (selection.include, selection.exclude) if query)
    for name in rt.store.nobody_has(rt.settings.tenant_id, asked):
        yield f"no contact has {name!r}, which the segment asks for; check its spelling"


def _listed(places: tuple[str, ...]) -> str:
    more = len(places) - _PLACES
    return ", ".join(places[:_PLACES]) + (f" and {more} more" if more > 0 else "")
