"""What should be known of an audience before it is launched over: whether it is too large, and what its people lack.

1. A launch of a million does not wait until a million are judged: guards look no further than their bound, and what
   people lack is counted in twenty parts of a large audience.
2. A value that nobody has stands in the way: every message would fail. One that some lack is said, with the number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from worker.domain.audience import Selection
from worker.engine.definition import Definition
from worker.engine.preview import Name, needs
from worker.runtime.bootstrap import Runtime
from worker.runtime.selecting import Chosen
from worker.store.segments import attribute_names


@dataclass(frozen=True, slots=True)
class Findings:
    """`blocks` stand in the way of a launch, `warns` do not. Sentences for people."""

    blocks: tuple[str, ...]
    warns: tuple[str, ...]


def check_audience(
    rt: Runtime, chosen: Chosen, definition: Definition, as_of: datetime, *, everyone: bool = False
) -> Findings:
    """Judge an audience whose names have been looked up without faults. `everyone`: its segment may match everybody."""
    tenant_id, selection = rt.settings.tenant_id, chosen.selection(as_of)
    blocks = [*_too_large(rt, selection, chosen.largest or rt.settings.audience_largest, everyone=everyone)]
    needed = needs(definition)
    people, lacking = rt.store.audience_lacking(tenant_id, selection, needed.keys())
    if not people and not rt.store.audience_is_over(tenant_id, selection, 0):
        return Findings((*blocks, "nobody belongs to the audience; `campaigns audience` counts why"), ())
    warns = [*chosen.warns, *_slips(rt, selection)]
    for path, places in needed.items():
        if missing := lacking.get(path, 0):
            nobody = missing == people and not rt.store.audience_has(tenant_id, selection, path)
            (blocks if nobody else warns).append(lack(path, places, missing, people, nobody=nobody))
    return Findings(tuple(blocks), tuple(warns))


def lack(path: Name, places: tuple[str, ...], missing: int, people: int, *, nobody: bool) -> str:
    """That people lack what templates put out, in a sentence."""
    name, remedy = ".".join(("contact", *path)), 'import it, or give a default: {{ … | default: "…" }}'
    if nobody:
        return f"nobody in the audience has {name}, which {_listed(places)} puts out; {remedy}"
    found = f"{missing:,} of the {people:,} people looked at have no {name}, which {_listed(places)} puts out"
    return f"{found}: their workflow would fail there; {remedy}"


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
    if rt.store.segment_is_everybody(tenant_id, selection.include):
        yield "the segment matches every contact there is; narrow it, name a list, or say --everyone if all are meant"


def _slips(rt: Runtime, selection: Selection) -> Iterator[str]:
    """Attributes that a segment asks for and nobody has: `NOT optdOut:true` would be everybody."""
    asked = chain.from_iterable(attribute_names(query) for query in (selection.include, selection.exclude) if query)
    for name in rt.store.nobody_has(rt.settings.tenant_id, asked):
        yield f"no contact has {name!r}, which the segment asks for; check its spelling"


def _listed(places: tuple[str, ...]) -> str:
    more = len(places) - 1
    return places[0] + (f" and {more} more" if more else "")
