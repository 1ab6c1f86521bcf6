"""What a campaign wants done with a message whose fate nobody can tell, by channel: `whenUnknown`.

`{sms: hold, voice: hold, email: {resendAfter: 30 minutes}}`. A channel it does not name is as the installation has it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from channels.messages import ChannelKind
from worker.domain.base import closest
from worker.domain.durations import parse_duration
from worker.domain.faults import Fault

HOLD: Final = "hold"
SHORTEST: Final = timedelta(minutes=1)
"""A receipt needs some time; what is shorter is a slip of the pen."""

_CHANNELS: Final = tuple(kind.value for kind in ChannelKind)
_EXAMPLE: Final = "{resendAfter: 30 minutes}"


def read_policy(written: Any) -> tuple[Mapping[ChannelKind, timedelta | None], list[Fault]]:
    """After which silence each channel sends again, None for hold; and everything that is wrong with it."""
    if written is None:
        return {}, []
    if not isinstance(written, Mapping):
        return {}, [Fault((), f"must be a map of channels to {HOLD} or {_EXAMPLE}", f"write it like {{email: {HOLD}}}")]
    policy: dict[ChannelKind, timedelta | None] = {}
    faults: list[Fault] = []
    for key, rule in written.items():
        if key not in _CHANNELS:
            meant = closest(key, _CHANNELS)
            hint = f"did you mean {meant}?" if meant else f"one of {', '.join(_CHANNELS)}"
            faults.append(Fault((str(key),), "is no channel", hint))
            continue
        try:
            policy[ChannelKind(key)] = _silence(rule)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            faults.append(Fault((key,), message, hint))
    return policy, faults


def _silence(rule: Any) -> timedelta | None:
    if rule == HOLD:
        return None
    if not isinstance(rule, Mapping) or set(rule) != {"resendAfter"}:
        raise ValueError(f"must be {HOLD} or {_EXAMPLE}")
    written = rule["resendAfter"]
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        raise ValueError(f"resendAfter must be a duration; write {_EXAMPLE}")  # noqa: TRY004 - one kind of fault
    try:
        silence = parse_duration(written)
    except ValueError as error:
        raise ValueError(f"resendAfter {error}") from None
    if silence < SHORTEST:
        raise ValueError("resendAfter is too short for a receipt to come; write at least 1 minute")
    return silence
