"""Who a campaign is for: the `audience` key of a campaign, and the selection that a launch makes of it.

```yaml
audience:
  lists: [renewal]
  segment: "plan:gold"          # a query over contacts, or a saved segment by id or name
  exclude: {lists: [vip], segment: churned, contactedWithin: 7 days, runs: [run_01j…]}   # segment: also a list
  largest: 100000
```
1. People on any of the lists (without lists: every contact), who match the segment, and whom nothing excludes.
2. `Audience` is as people write it, with names. `Selection` is what was made of it at a launch: ids, queries as trees,
   moments; the same selection always asks for the same people of that moment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from worker.domain.base import closest
from worker.domain.durations import parse_duration
from worker.domain.faults import Fault
from worker.domain.search import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who it is for, in names. `largest` 0: as the installation has it. Empty where nothing is said.

    `people`: exactly these, by id or address, to try a campaign out.
    """

    people: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    segment: str = ""
    exclude_lists: tuple[str, ...] = ()
    exclude_segments: tuple[str, ...] = ()
    exclude_runs: tuple[str, ...] = ()
    contacted_within: timedelta | None = None
    largest: int = 0

    @property
    def is_said(self) -> bool:
        """Whether it names anybody to include."""
        return bool(self.people or self.lists or self.segment)

    def to_wire(self) -> dict[str, Any]:
        """As people write it; `read_audience` reads it back."""
        within = self.contacted_within
        exclude = {
            "lists": list(self.exclude_lists),
            "segment": list(self.exclude_segments),
            "runs": list(self.exclude_runs),
            "contactedWithin": None if within is None else within.total_seconds(),
        }
        wire = {
            "people": list(self.people),
            "lists": list(self.lists),
            "segment": self.segment,
            "exclude": {key: value for key, value in exclude.items() if value},
            "largest": self.largest,
        }
        return {key: value for key, value in wire.items() if value}

    @property
    def segments(self) -> tuple[str, ...]:
        """What it says of segments: queries, and names or ids of saved ones."""
        return tuple(said for said in (self.segment, *self.exclude_segments) if said)


ANYBODY: Final = Audience()
"""Nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The people of a launch: exactly these `people`, else those on `lists`, without them all live contacts.

    `include` and `exclude` are queries over contacts. `contacted_since`: whoever a message left to since then is
    excluded. `as_of`: who came to a list, or into being, after it does not belong.
    """

    as_of: datetime
    people: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    include: Query | None = field(default=None, repr=False)
    exclude_lists: tuple[str, ...] = ()
    exclude: Query | None = field(default=None, repr=False)
    exclude_runs: tuple[str, ...] = ()
    contacted_since: datetime | None = None


MOST_PEOPLE: Final = 1_000_000_000
"""No bound is higher: a slip of the pen, and past what a database counts."""
_KEYS: Final = ("people", "lists", "segment", "exclude", "largest")
_EXCLUDE: Final = ("lists", "segment", "contactedWithin", "runs")


def read_audience(written: Any) -> tuple[Audience, list[Fault]]:
    """The audience as it is written, and everything that is wrong with it."""
    if written is None:
        return Audience(), []
    if not isinstance(written, Mapping):
        return Audience(), [Fault((), "must be a map", "write it like {lists: [renewal]}")]
    faults = [*_strangers(written, _KEYS)]
    exclude = written.get("exclude") or {}
    if not isinstance(exclude, Mapping):
        faults.append(Fault(("exclude",), "must be a map", "write it like {contactedWithin: 7 days}"))
        exclude = {}
    faults += (fault.under("exclude") for fault in _strangers(exclude, _EXCLUDE))
    audience = Audience(
        people=_names(written, ("people",), faults),
        lists=_names(written, ("lists",), faults),
        segment=_text(written, ("segment",), faults),
        exclude_lists=_names(exclude, ("exclude", "lists"), faults),
        exclude_segments=_names(exclude, ("exclude", "segment"), faults, "must be queries, or names of segments"),
        exclude_runs=_names(exclude, ("exclude", "runs"), faults),
        contacted_within=_duration(exclude, ("exclude", "contactedWithin"), faults),
        largest=_whole(written, ("largest",), faults),
    )
    return audience, faults


def _strangers(written: Mapping[Any, Any], known: tuple[str, ...]) -> Iterator[Fault]:
    for key in written:
        if key not in known:
            meant = closest(str(key), known)
            yield Fault(
                (str(key),), "is not known", f"did you mean {meant}?" if meant else f"one of {', '.join(known)}"
            )


def _names(
    written: Mapping[Any, Any], path: tuple[str, ...], faults: list[Fault], message: str = "must be names or ids"
) -> tuple[str, ...]:
    value = written.get(path[-1])
    value = [value] if isinstance(value, str) and value.strip() else value or []
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item.strip() for item in value):
        faults.append(Fault(path, message, "write a list of them"))
        return ()
    return tuple(dict.fromkeys(item.strip() for item in value))


def _text(written: Mapping[Any, Any], path: tuple[str, ...], faults: list[Fault]) -> str:
    value = written.get(path[-1], "")
    if not isinstance(value, str):
        faults.append(Fault(path, "must be a query, or the name of a segment", 'write it in quotes, like "plan:gold"'))
        return ""
    return value.strip()


def _duration(written: Mapping[Any, Any], path: tuple[str, ...], faults: list[Fault]) -> timedelta | None:
    value = written.get(path[-1])
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        faults.append(Fault(path, "is no duration", "write it like 7 days"))
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        faults.append(Fault(path, message, hint))
        return None


def _whole(written: Mapping[Any, Any], path: tuple[str, ...], faults: list[Fault]) -> int:
    value = written.get(path[-1], 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_PEOPLE:
        faults.append(Fault(path, "must be a number of people", "write it like 100000"))
        return 0
    return value
