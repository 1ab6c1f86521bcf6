"""SendGrid as a vendor: settings and the signature of its event webhook.

1. The signature covers the timestamp and the raw bytes: JSON that was parsed and written again does not verify.
2. A batch may be of any age: after an outage of ours SendGrid posts for hours what it signed when it first tried. A
   recorded batch that is played again is no news, each event has its `event_key`.
"""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sendgrid.helpers.eventwebhook import EventWebhook

from channels.base import BadSignature, Callback
from channels.errors import InvalidSettings

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGridSettings:
    """An account of SendGrid. `webhook_public_keys` are the verification keys shown under Mail Settings, base64.

    `max_event_age_seconds`: how old a signed event batch may be when it arrives; what is older is lost. None: any age.
    """

    api_key: str = field(repr=False)
    webhook_public_keys: tuple[str, ...]
    base_url: str = "https://api.sendgrid.com"
    timeout_seconds: float = 15.0
    connect_timeout_seconds: float = 3.0
    max_in_flight: int = 8
    max_event_age_seconds: float | None = None

    def __post_init__(self) -> None:
        _require(self.api_key, "api_key", "SG.…")
        _require(0 < self.connect_timeout_seconds < self.timeout_seconds, "connect_timeout_seconds", "below the other")
        _require(self.max_in_flight > 0, "max_in_flight", "at least 1")
        _require(re.fullmatch(r"https?://[^?#\s]*[^/?#\s]", self.base_url), "base_url", "http(s), no / at its end")


def _require(holds: object, name: str, expected: str) -> None:
    if not holds:
        raise InvalidSettings(f"sendgrid {name}: expected {expected}")


class SendGridWebhooks:
    """Verifies event batches against every key of the account."""

    def __init__(self, settings: SendGridSettings) -> None:
        self._keys = _verifiers(settings.webhook_public_keys)
        self._max_age = settings.max_event_age_seconds

    def verify(self, callback: Callback) -> None:
        """Raises BadSignature unless SendGrid signed exactly these bytes, and not too long ago."""
        signature, timestamp = callback.headers.get(_SIGNATURE, ""), callback.headers.get(_TIMESTAMP, "")
        if not (timestamp.isascii() and timestamp.isdigit()):
            raise BadSignature
        if self._max_age is not None and abs(callback.received_at.timestamp() - int(timestamp)) > self._max_age:
            raise BadSignature("The callback was signed too long ago. Is the clock of this machine right?")
        try:
            payload = callback.body.decode()
            signed = any(key.verify_signature(payload, signature, timestamp) for key in self._keys)
        except (UnicodeDecodeError, binascii.Error):
            raise BadSignature from None
        if not signed:
            raise BadSignature


def _verifiers(public_keys: Sequence[str]) -> list[EventWebhook]:
    try:
        return [EventWebhook(key) for key in public_keys]
    except ValueError:
        raise InvalidSettings("sendgrid webhook_public_keys: expected base64 of a P-256 public key") from None
