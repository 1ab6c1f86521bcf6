"""The one table of adapters: a name in the settings -> what makes it. Adding a provider adds a row here.

1. Importing this imports every vendor's SDK; whoever needs only words imports `messages` and `results`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from channels.base import Channel
from channels.email.sendgrid import SendGridEmail
from channels.errors import InvalidSettings
from channels.messages import ChannelKind
from channels.sms.twilio import TwilioSms
from channels.vendors.sendgrid import SendGridSettings
from channels.vendors.twilio import TwilioSettings
from channels.voice.twilio import TwilioVoice

Settings = TwilioSettings | SendGridSettings


@dataclass(frozen=True, slots=True)
class Provider:
    """One row: the kind of message it carries, the settings it needs, and what makes it out of them."""

    kind: ChannelKind
    settings: type[Settings]
    make: Callable[[Any], Channel[Any]]


PROVIDERS: Final[Mapping[str, Provider]] = {
    "twilio-sms": Provider(ChannelKind.SMS, TwilioSettings, TwilioSms),
    "twilio-voice": Provider(ChannelKind.VOICE, TwilioSettings, TwilioVoice),
    "sendgrid-email": Provider(ChannelKind.EMAIL, SendGridSettings, SendGridEmail),
}


def build(name: str, settings: Settings) -> Channel[Any]:
    """The adapter of this name. Call it inside the running loop; raises InvalidSettings."""
    provider = PROVIDERS.get(name)
    if provider is None:
        raise InvalidSettings(f"channel {name!r}: no such adapter; there are {', '.join(sorted(PROVIDERS))}")
    if not isinstance(settings, provider.settings):
        raise InvalidSettings(f"channel {name!r}: expected {provider.settings.__name__}, got {type(settings).__name__}")
    return provider.make(settings)
