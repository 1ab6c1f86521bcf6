"""The contact document: a person, with the addresses, the time zone and the language to reach them in."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from worker.domain.addresses import guess_timezone, is_timezone, to_e164
from worker.domain.base import Document, EmailAddress, Millis, Timezone
from worker.domain.faults import Fault

Items = Annotated[tuple[dict[str, Any], ...], Field(default=())]


class Contact(Document):
    """A contact. `phone` and `mobile` are E.164 once read; calls and texts go to `mobile` where there is one.

    `addresses` are postal, `connections` further phones and mailboxes; both are kept as they came, the zone of the
    first postal address is used where the contact itself states none.
    """

    TYPE: ClassVar[str] = "contact"

    contact_id: str = ""
    external_id: str = ""
    account_id: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    mobile: str = ""
    email: EmailAddress = ""
    timezone: Timezone = ""
    language: str = ""
    country: str = ""
    addresses: Items
    connections: Items
    attributes: dict[str, Any] = Field(default_factory=dict)
    blocked_at: Millis = 0
    blocked_by: str = ""

    @field_validator("phone", "mobile")
    @classmethod
    def _number(cls, value: str, info: ValidationInfo) -> str:
        return to_e164(value, str((info.context or {}).get("region", "US"))) if value else value

    @property
    def number(self) -> str:
        """Where calls and texts go, E.164 or ""."""
        return self.mobile or self.phone

    @property
    def zone(self) -> str:
        """The time zone: stated by the contact, else by the first postal address, else by the number, else ""."""
        if self.timezone:
            return self.timezone
        stated = [zone for item in self.addresses if is_timezone(zone := str(item.get("timezone") or ""))]
        if stated:
            return stated[0]
        return guess_timezone(self.number) if self.number else ""

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        if not (self.number or self.email):
            yield Fault((), "has no address", "add phone, mobile or email")
