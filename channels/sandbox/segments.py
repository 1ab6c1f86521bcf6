"""How many parts a text travels in (GSM 03.38, 3GPP TS 23.040). Written apart from the senders' count, to check it."""

from typing import Final

_GSM_7: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_ESCAPED: Final = frozenset("^{}\\[~]|€\f")


def count_segments(body: str) -> int:
    """Parts of a text: 160 septets or 70 UTF-16 units in one, 153 or 67 in each of several. At least 1."""
    if _GSM_7.issuperset(body):  # nearly every text
        return 1 if len(body) <= 160 else -(-len(body) // 153)  # noqa: PLR2004 - the standard's numbers
    units, single, several = _weigh(body)
    if sum(units) <= single:
        return 1
    parts, filled = 1, 0
    for unit in units:
        if filled + unit > several:  # an escape or surrogate pair is never torn apart
            parts, filled = parts + 1, 0
        filled += unit
    return parts


def _weigh(body: str) -> tuple[list[int], int, int]:
    if (_GSM_7 | _GSM_7_ESCAPED).issuperset(body):
        return [2 if char in _GSM_7_ESCAPED else 1 for char in body], 160, 153
    return [2 if ord(char) > 0xFFFF else 1 for char in body], 70, 67  # noqa: PLR2004 - the end of the BMP
