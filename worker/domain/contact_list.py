"""The contact list document: an audience by name. Its members are rows of the store, not part of the document."""

from collections.abc import Iterator
from typing import ClassVar

from worker.domain.base import Document, Texts, required
from worker.domain.faults import Fault


class ContactList(Document):
    """A list of contacts (NCX: `outboundlist`). `campaignIds` are the campaigns it is meant for; empty: any."""

    TYPE: ClassVar[str] = "contactlist"

    contact_list_id: str = ""
    campaign_ids: Texts = ()
    priority: int = 0

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "name")
