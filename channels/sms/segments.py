"""How many parts a text message takes: what carriers bill and pace by. 3GPP TS 23.038 6.2.1, 23.040 9.2.3.24.1.

1. Where every character is in GSM-7, a part holds 160 septets, or 153 when there are several; else it is sent in UCS-2:
   70 or 67 UTF-16 units.
2. A character of the extension table takes two septets, one outside the BMP two units. No pair is split over parts.
3. It is an estimate: a provider that swaps look-alike characters sends fewer. What the provider reports is the bill.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GSM_7: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENSION: Final = frozenset("\f^{}\\[~]|€")


class Encoding(StrEnum):
    """How a text travels."""

    GSM_7 = "gsm-7"
    UCS_2 = "ucs-2"


@dataclass(frozen=True, slots=True)
class Segments:
    """The size of a text: `units` are septets in GSM-7 and UTF-16 units in UCS-2."""

    encoding: Encoding
    units: int
    parts: int


def count(body: str) -> Segments:
    """The size of a text message. An empty one takes one part."""
    beyond = set(body) - GSM_7
    if beyond <= GSM_7_EXTENSION:
        encoding, single, several, wide = Encoding.GSM_7, 160, 153, beyond
    else:
        encoding, single, several, wide = Encoding.UCS_2, 70, 67, {char for char in beyond if char > "\uffff"}
    units = len(body) + sum(map(body.count, wide))
    if units <= single:
        return Segments(encoding, units, 1)
    if not wide:
        return Segments(encoding, units, -(-units // several))
    return Segments(encoding, units, _fill(body, several, wide))


def _fill(body: str, capacity: int, wide: set[str]) -> int:
    """Parts of `capacity` units needed when a wide character, two units, moves whole to the next part."""
    parts, used = 1, 0
    for char in body:
        size = 2 if char in wide else 1
        if used + size > capacity:
            parts, used = parts + 1, 0
        used += size
    return parts
