"""Listens to TwiML: whether it is well-formed, and how long a call would spend on it.

1. A document Twilio could not run is an error here (12100), so that it is seen before a real person hears it.
2. Nothing is followed: Gather waits out its time, Dial and Redirect end the listening.
"""

from typing import Final
from xml.etree.ElementTree import Element, ParseError, fromstring

from channels.sandbox.vendor_fields import TWIML_VERBS

_ENDS: Final = frozenset({"Hangup", "Redirect", "Reject", "Dial", "Enqueue", "Leave"})
_SECONDS_A_WORD: Final = 0.4
_PLAY_SECONDS: Final = 5.0
_DIAL_SECONDS: Final = 30.0


class BadTwiml(ValueError):
    """Twilio could not run this document. The text says why, without its words."""


def listen(document: str | bytes) -> float:
    """Seconds a call spends on a TwiML document. Raises BadTwiml."""
    try:
        root = fromstring(document)  # noqa: S314 - from the operator's own server, into a local test double
    except ParseError as error:
        raise BadTwiml(f"not well-formed XML: line {error.position[0]}, column {error.position[1]}") from error
    if root.tag != "Response":
        raise BadTwiml(f"expected <Response>, found <{root.tag}>")
    seconds = 1.0
    for verb in root:
        if verb.tag not in TWIML_VERBS:
            raise BadTwiml(f"<{verb.tag}> is no TwiML verb")
        seconds += _seconds(verb)
        if verb.tag in _ENDS:
            break
    return seconds


def _seconds(verb: Element) -> float:
    loops = max(1, _number(verb, "loop", 1))
    match verb.tag:
        case "Say":
            return loops * _SECONDS_A_WORD * len("".join(verb.itertext()).split())
        case "Play":
            return loops * _PLAY_SECONDS
        case "Pause":
            return _number(verb, "length", 1)
        case "Gather":
            return sum(_seconds(prompt) for prompt in verb) + _number(verb, "timeout", 5)
        case "Record":
            return _number(verb, "timeout", 5)
        case _:
            return _DIAL_SECONDS if verb.tag == "Dial" else 0.0


def _number(verb: Element, name: str, default: int) -> int:
    text = verb.get(name, "")
    return int(text) if text.isdecimal() else default
