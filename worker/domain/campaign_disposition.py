"""The join of a campaign and a disposition: the campaign offers it, as if its own `dispositions` named it."""

from collections.abc import Iterator
from typing import ClassVar

from worker.domain.base import Document, required
from worker.domain.faults import Fault


class CampaignDisposition(Document):
    """One disposition that one campaign offers."""

    TYPE: ClassVar[str] = "campaigndisposition"

    campaign_disposition_id: str = ""
    campaign_id: str = ""
    disposition_id: str = ""

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "campaignId", "dispositionId")
