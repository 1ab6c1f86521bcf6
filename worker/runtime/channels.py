"""From our settings to the adapters' settings. The choice of provider per channel is the table below."""

from typing import Any, Final

from channels.base import Channel
from channels.messages import ChannelKind
from channels.registry import PROVIDERS, build
from channels.vendors.sendgrid import SendGridSettings
from channels.vendors.twilio import TwilioSettings
from worker.runtime.settings import Settings

PROVIDER_OF: Final = {
    ChannelKind.SMS: "twilio-sms",
    ChannelKind.EMAIL: "sendgrid-email",
    ChannelKind.VOICE: "twilio-voice",
}


def make_channel(kind: ChannelKind, settings: Settings, api_key: str = "") -> Channel[Any]:
    """The adapter for this kind; `api_key` is that of another SendGrid account than the installation's.

    Raises channels.errors.InvalidSettings naming what is missing.
    """
    name = PROVIDER_OF[kind]
    wants_twilio = PROVIDERS[name].settings is TwilioSettings
    return build(name, _twilio(settings) if wants_twilio else _sendgrid(settings, api_key))


def _twilio(settings: Settings) -> TwilioSettings:
    tokens = (settings.twilio_auth_token, settings.twilio_auth_token_secondary)
    return TwilioSettings(
        account_sid=settings.twilio_account_sid,
        auth_tokens=tuple(secret for token in tokens if (secret := token.get_secret_value())),
        public_url=settings.public_url.rstrip("/"),
        base_url=settings.twilio_base_url.rstrip("/"),
        timeout_seconds=settings.http_timeout_seconds,
        connect_timeout_seconds=settings.http_connect_timeout_seconds,
        max_in_flight=settings.lanes * settings.slice_size,
    )


def _sendgrid(settings: Settings, api_key: str) -> SendGridSettings:
    return SendGridSettings(
        api_key=api_key or settings.sendgrid_api_key.get_secret_value(),
        base_url=settings.sendgrid_base_url.rstrip("/"),
        webhook_public_keys=tuple(key for k in settings.sendgrid_webhook_public_key.split(",") if (key := k.strip())),
        timeout_seconds=settings.http_timeout_seconds,
        connect_timeout_seconds=settings.http_connect_timeout_seconds,
    )
