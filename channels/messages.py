"""What is said to which address: the messages adapters accept.

1. A message is frozen and valid once made: bad addresses, header injection and text that no encoding can write (half a
   surrogate pair) are refused here, before any request.
2. `attempt_id` is ours; it travels on the wire and comes back in receipts. It is the only link that survives a crash.
3. A repr shows ids and kinds, never an address or a body.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

E164: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
"""ITU-T E.164: a plus, the country code, at most fifteen digits."""

SMS_LIMIT: Final = 1600
"""Characters that a text may have in all its parts: the limit of Twilio's Body parameter."""

_SMS_SENDER: Final = re.compile(
    r"\+[1-9]\d{6,14}|\d{3,8}|MG[0-9a-f]{32}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}", re.ASCII
)
_EMAIL: Final = re.compile(
    r"[^\s@<>,;:\"\\\x00-\x1f\x7f]+@[^\s@<>,;:\"\\\x00-\x1f\x7f]+\.[^\s@<>,;:\"\\\x00-\x1f\x7f.]+"
)
_CONTROL: Final = re.compile(r"[\r\n\x00]")


class ChannelKind(StrEnum):
    """The ways a message can travel."""

    SMS = "sms"
    EMAIL = "email"
    VOICE = "voice"


class InvalidMessage(ValueError):
    """The message cannot be sent by anybody; nothing was requested. The text names the field, never its value."""


class MachineDetection(StrEnum):
    """What a call does about answering machines."""

    OFF = "off"
    HANG_UP = "hangUp"
    LEAVE_MESSAGE = "leaveMessage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Something a call says: `text` spoken by the provider's voice, or the sound file at `play_url`."""

    text: str = field(default="", repr=False)
    play_url: str = field(default="", repr=False)
    language: str = "en-US"
    voice: str = ""

    def __post_init__(self) -> None:
        _require_writable(self)
        if bool(self.text) == bool(self.play_url):
            raise InvalidMessage("a speech has either text or play_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One text message. `sender` is a number in E.164, a short code, an alphanumeric name or a messaging service id."""

    attempt_id: str
    to: str = field(repr=False)
    sender: str = field(repr=False)
    body: str = field(repr=False)
    validity_seconds: int | None = None

    def __post_init__(self) -> None:
        _require_writable(self)
        _require(E164.fullmatch(self.to), "to", "a number in E.164, like +15551234567")
        _require(_SMS_SENDER.fullmatch(self.sender), "sender", "a number in E.164, a short code, a name or MG…")
        _require(self.body.strip() and len(self.body) <= SMS_LIMIT, "body", f"1 to {SMS_LIMIT} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """One mail. At least one of `text` and `html`. `headers` are extra ones such as List-Unsubscribe."""

    attempt_id: str
    to: str = field(repr=False)
    sender: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    to_name: str = field(default="", repr=False)
    sender_name: str = ""
    reply_to: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _require_writable(self)
        _require(is_email(self.to), "to", "an email address")
        _require(is_email(self.sender), "sender", "an email address")
        _require(not self.reply_to or is_email(self.reply_to), "reply_to", "an email address")
        _require(self.subject.strip(), "subject", "some text")
        _require(self.text or self.html, "text", "some text, or html")
        for name, value in (("subject", self.subject), ("to_name", self.to_name), ("sender_name", self.sender_name)):
            _require(not _CONTROL.search(value), name, "one line")
        for name, value in self.headers.items():
            _require(not _CONTROL.search(name + value), "headers", "one line each")
            _require(_is_writable(name + value), "headers", "text without half a surrogate pair")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One voice call. `voicemail` is said instead of `speech` to a machine that is to be left a message."""

    attempt_id: str
    to: str = field(repr=False)
    sender: str = field(repr=False)
    speech: Speech
    machine_detection: MachineDetection = MachineDetection.OFF
    voicemail: Speech | None = None
    ring_seconds: int = 25

    def __post_init__(self) -> None:
        _require_writable(self)
        _require(E164.fullmatch(self.to), "to", "a number in E.164, like +15551234567")
        _require(E164.fullmatch(self.sender), "sender", "a number in E.164")
        _require(5 <= self.ring_seconds <= 600, "ring_seconds", "5 to 600")  # noqa: PLR2004 - Twilio's range
        leaves = self.machine_detection is MachineDetection.LEAVE_MESSAGE
        _require(not leaves or self.voicemail, "voicemail", "a speech, since machine_detection is leaveMessage")


Message = Sms | Email | Call


def is_email(address: str) -> bool:
    """Whether an address is one plain addr-spec with a dotted domain; no comments, quotes or lists."""
    return len(address) <= 254 and _EMAIL.fullmatch(address) is not None  # noqa: PLR2004 - RFC 5321 4.5.3.1.3


def _require_writable(message: Message | Speech) -> None:
    for name in message.__slots__:
        value = getattr(message, name)
        _require(not isinstance(value, str) or _is_writable(value), name, "text without half a surrogate pair")


def _is_writable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _require(holds: object, field_name: str, expected: str) -> None:
    if not holds:
        raise InvalidMessage(f"{field_name}: expected {expected}")
