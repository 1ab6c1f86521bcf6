"""Whether segments can be read: those that are saved, and those that a campaign's audience writes or names."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from worker.domain.audience import read_audience
from worker.domain.faults import Fault, Path
from worker.domain.segment import Segment
from worker.schema.segments import BadQuery, read_segment


def segment_faults(segment: Segment) -> Iterator[Fault]:
    """What is wrong with the query of a segment."""
    yield from _faults(segment.query, ("query",))


def audience_faults(
    campaign: Mapping[str, Any], is_saved: Callable[[str], bool], also: Collection[str] = ()
) -> Iterator[Fault]:
    """What is wrong with the segments of a campaign (JSON). `also`: names and ids of those saved with it."""
    audience = read_audience(campaign.get("audience"))[0]
    for said, path in (
        (audience.segment, ("audience", "segment")),
        *((said, ("audience", "exclude", "segment")) for said in audience.exclude_segments),
    ):
        if said and said not in also and not is_saved(said):
            if ":" in said:
                yield from _faults(said, path)
            else:
                yield Fault(path, f"there is no segment {said!r}", "save one first, or write a query like plan:gold")


def _faults(query: str, path: Path) -> Iterator[Fault]:
    try:
        read_segment(query)
    except BadQuery as error:
        message, _, hint = str(error).partition("; ")
        yield Fault(path, f"cannot be read: {message}", hint)
