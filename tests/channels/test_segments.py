"""How many parts a text takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms.segments import GSM_7, GSM_7_EXTENSION, Encoding, count

PLAIN, EXTENDED = sorted(GSM_7), sorted(GSM_7_EXTENSION)


@pytest.mark.parametrize(
    ("body", "encoding", "units", "parts"),
    [
        ("", Encoding.GSM_7, 0, 1),
        ("a" * 160, Encoding.GSM_7, 160, 1),
        ("a" * 161, Encoding.GSM_7, 161, 2),
        ("a" * 306, Encoding.GSM_7, 306, 2),
        ("a" * 307, Encoding.GSM_7, 307, 3),
        ("€" * 80, Encoding.GSM_7, 160, 1),  # an extension character is two septets
        ("€" * 81, Encoding.GSM_7, 162, 2),
        (
            "a" * 152 + "€" + "a" * 152,
            Encoding.GSM_7,
            306,
            3,
        ),  # the escape would straddle: 306 septets, yet three parts
        (("a" * 151 + "€") * 2, Encoding.GSM_7, 306, 2),  # both parts full to the last septet
        ("€" * 153, Encoding.GSM_7, 306, 3),  # 76 a part, not 76.5
        ("é" * 160, Encoding.GSM_7, 160, 1),
        ("ê" * 70, Encoding.UCS_2, 70, 1),
        ("ê" * 71, Encoding.UCS_2, 71, 2),
        ("ê" * 134, Encoding.UCS_2, 134, 2),
        ("ê" * 135, Encoding.UCS_2, 135, 3),
        ("😀" * 35, Encoding.UCS_2, 70, 1),  # an emoji is two UTF-16 units
        ("😀" * 36, Encoding.UCS_2, 72, 2),
        ("😀" * 67, Encoding.UCS_2, 134, 3),  # 33 a part, not 33.5
        ("a" * 160 + "\u2019", Encoding.UCS_2, 161, 3),  # one curly quote turns two parts into three
        ("€" * 40 + "ê", Encoding.UCS_2, 41, 1),  # in UCS-2 the euro sign is one unit
    ],
)
def test_known_sizes(body, encoding, units, parts):
    size = count(body)

    assert (size.encoding, size.units, size.parts) == (encoding, units, parts)


def texts(alphabet):
    """Texts long enough to have several parts, in runs so that their ends fall everywhere."""
    runs = st.tuples(st.sampled_from(alphabet), st.integers(1, 160))
    return st.lists(runs, max_size=8).map(lambda chosen: "".join(char * times for char, times in chosen))


@given(texts([*PLAIN, *EXTENDED, *EXTENDED]))
def test_gsm_texts_are_counted_as_laying_out_septets_would(body):
    septets = [2 if char in GSM_7_EXTENSION else 1 for char in body]

    assert count(body).encoding is Encoding.GSM_7
    assert count(body).parts == (1 if sum(septets) <= 160 else _laid_out(septets, 153))


@given(texts(["a", "€", "中", "😀"]).map(lambda text: text + "中"))
def test_other_texts_are_counted_in_utf_16(body):
    units = [len(char.encode("utf-16-le")) // 2 for char in body]

    assert count(body).encoding is Encoding.UCS_2
    assert count(body).units == len(body.encode("utf-16-le")) // 2
    assert count(body).parts == (1 if sum(units) <= 70 else _laid_out(units, 67))


@given(texts(["a", "€", "中", "😀"]), st.text(max_size=5))
def test_a_longer_text_never_takes_fewer_parts(body, more):
    assert count(body + more).parts >= count(body).parts


def _laid_out(sizes, capacity):
    parts = [0]
    for size in sizes:
        if parts[-1] + size > capacity:
            parts.append(0)
        parts[-1] += size
    return len(parts)
