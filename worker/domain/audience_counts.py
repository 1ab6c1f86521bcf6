"""What an audience comes to in numbers: who belongs, who is left out and why, where and how people are reached.

Every candidate is counted once: `total`, `outside` and `excluded` add up to all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from channels.messages import ChannelKind


class Exclusion(StrEnum):
    """Why somebody is left out; the first that applies, in this order."""

    LIST = "list"
    SEGMENT = "segment"
    RUN = "run"
    CONTACTED = "contacted"


@dataclass(frozen=True, slots=True)
class Excluded:
    """A reason, with the id of the list or of the run."""

    reason: Exclusion
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many people have an address for a channel that nothing closes, one that is closed, none. They add up."""

    reachable: int = 0
    suppressed: int = 0
    without: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceCounts:
    """`total`: who belongs. `outside`: candidates who do not match the segment. `excluded`: by reason, in order.

    Of those who belong: `countries` (ISO 3166, of their number; "": none or unknown), `timezones` ("": unknown),
    `channels` (those the campaign uses), `suppressed` and `without`: people whom no channel reaches, because all their
    addresses are closed or because they have none. `lacking`: how many have nothing at each path that was asked for.
    """

    total: int
    outside: int
    excluded: tuple[tuple[Excluded, int], ...]
    countries: Mapping[str, int]
    timezones: Mapping[str, int]
    channels: Mapping[ChannelKind, Reach]
    suppressed: int
    without: int
    lacking: Mapping[tuple[str, ...], int]

    @property
    def candidates(self) -> int:
        return self.total + self.outside + sum(count for _, count in self.excluded)
