"""The segment document: people by what is known of them, as a query that is asked anew at every launch."""

from collections.abc import Iterator
from typing import ClassVar

from worker.domain.base import Document, required
from worker.domain.faults import Fault


class Segment(Document):
    """A saved query over contacts, like `plan:gold AND renewalDate:[2026-12-01 TO 2026-12-31]`."""

    TYPE: ClassVar[str] = "segment"

    segment_id: str = ""
    query: str = ""

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "name", "query")
