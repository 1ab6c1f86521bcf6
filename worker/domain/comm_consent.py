"""The communication consent document: what an address has agreed to, or asked to be spared.

A refusal takes effect in the commit that saves it: the address is suppressed. It may only tighten: deleting the
document, or saving an agreement, lifts no suppression; the person's own START does.
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from pydantic import ValidationInfo, field_validator

from channels.messages import ChannelKind
from worker.domain.addresses import normalize_email, to_e164
from worker.domain.base import Document, Millis, required
from worker.domain.faults import Fault

_REFUSALS: Final = frozenset({"dnc", "donotcall", "donotcontact", "optout", "optoutall", "revoked", "tenantdnc"})
"""Consent types that close an address, without case, spaces or dashes."""


class CommConsent(Document):
    """Consent for one address, a number or a mail address. Without `campaignId` it holds for all campaigns.

    `channel`: sms, email or voice; empty: every channel of the address. `expiresAt`: 0 is never.
    """

    TYPE: ClassVar[str] = "commconsent"

    comm_consent_id: str = ""
    address: str = ""
    consent_type: str = ""
    channel: ChannelKind | None = None
    campaign_id: str = ""
    contact_id: str = ""
    reason: str = ""
    expires_at: Millis = 0

    @field_validator("address")
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        if "@" in value:
            return normalize_email(value)
        return to_e164(value, str((info.context or {}).get("region", "US"))) if value else value

    @property
    def refuses(self) -> bool:
        """Whether the address must not be contacted any more."""
        return "".join(filter(str.isalnum, self.consent_type)).lower() in _REFUSALS

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "address", "consentType")
        if self.refuses and (self.campaign_id or self.expires_at):
            # Suppressions know neither; to refuse more than was asked for would be as wrong as to refuse less.
            key = "campaignId" if self.campaign_id else "expiresAt"
            yield Fault((key,), "a refusal holds for all campaigns and for good here", f"leave {key} out")
