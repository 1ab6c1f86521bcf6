"""What Twilio's error codes mean for us. The table is `twilio_codes.json`; this reads it.

1. The table is data: Twilio splits and adds codes without notice and asks not to program against them.
2. A code that is not in it means what its HTTP status means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import orjson

from channels.results import Certainty, Reason
from channels.transport import certainty_of_status


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row. `certainty` is what the code proves in the answer to a send; in a callback only `reason` counts."""

    reason: Reason
    certainty: Certainty
    about: str


@lru_cache(maxsize=1)
def meanings() -> Mapping[int, Meaning]:
    """The table, code -> meaning."""
    table = orjson.loads(files("channels.vendors").joinpath("twilio_codes.json").read_bytes())
    return {
        int(code): Meaning(Reason(row["reason"]), Certainty(row.get("certainty", Certainty.REFUSED)), row["about"])
        for code, row in table["codes"].items()
    }


def refusal(status: int, code: int) -> tuple[Certainty, Reason]:
    """What an answer of this HTTP status (not 2xx) with this error code (0: none) proves about the message."""
    by_status = certainty_of_status(status)
    known = meanings().get(code)
    if known is None or by_status[0] is Certainty.UNKNOWN or status == 429:  # noqa: PLR2004
        return by_status  # a 5xx proves nothing, a 429 was never processed, whatever the code says
    return known.certainty, known.reason


def failure(code: str) -> Reason:
    """Why a message failed after it was taken, by the `ErrorCode` of a callback or of the resource."""
    known = meanings().get(int(code)) if code.isascii() and code.isdigit() else None
    return known.reason if known else Reason.OTHER
