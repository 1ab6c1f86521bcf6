"""Reads what Twilio posts to us: verifies the signature, parses the form. See twilio.com/docs/usage/security.

1. The signature covers the public URL with its query and every parameter, whatever arrives: nothing is filtered before.
2. Only our auth tokens verify. The header that names a shared key and another algorithm is not believed: the caller
   would choose.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs, parse_qsl, urlsplit

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from channels.base import BadCallback, BadSignature, Callback
from channels.vendors.twilio import TwilioSettings


class Form(dict[str, list[str]]):
    """A posted form: names may repeat. `one` reads a single value, `getall` is what the SDK's validator asks for.

    `raw` is the body it was read from.
    """

    raw = ""

    def one(self, name: str) -> str:
        """The first value, or an empty text."""
        return self[name][0] if name in self else ""

    def require(self, name: str) -> str:
        """The first value; raises BadCallback where there is none."""
        if value := self.one(name):
            return value
        raise BadCallback(f"Twilio callback without {name}")

    def getall(self, name: str) -> Sequence[str]:
        return self[name]


class TwilioWebhooks:
    """Verifies callbacks against every token of the account."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._validators = [RequestValidator(token) for token in settings.auth_tokens]

    def open(self, callback: Callback) -> Form:
        """The form of a callback. Raises BadSignature unless Twilio signed exactly this URL and form."""
        signature = callback.headers.get("x-twilio-signature", "")
        form = _form(callback.body)
        if not any(validator.validate(callback.url, form, signature) for validator in self._validators):
            raise BadSignature
        return form


def attempt_of(callback: Callback) -> str:
    """The attempt id we put into the callback URL, or an empty text."""
    return parse_qs(urlsplit(callback.url).query).get("attempt", [""])[0]


def _form(body: bytes) -> Form:
    form = Form()
    try:
        form.raw = body.decode("ascii")
        for name, value in parse_qsl(form.raw, keep_blank_values=True, errors="strict"):
            form.setdefault(name, []).append(value)
    except ValueError:
        raise BadSignature from None  # Twilio sends ASCII and percent-encoded UTF-8
    return form
