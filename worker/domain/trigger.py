"""What a campaign does about queue events: `triggers` bring people in, `cancelOn` takes them out again.

    triggers:
      - {event: cart.abandoned, condition: "event.data.total > 20", reentry: {after: 30 days}}
    cancelOn:
      - {event: order.placed, condition: "event.data.cartId == start.data.cartId"}

1. `reentry` says what happens to who has been in this campaign before. Without it: `once`.
2. Conditions are CEL over `event`, `contact` and, in `cancelOn`, `start`, the event that brought the person in. They
   are compiled in `worker.engine.triggers`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from worker.domain.base import closest
from worker.domain.durations import parse_duration
from worker.domain.faults import Fault
from worker.domain.queue_event import TYPE


class Reentry(StrEnum):
    """Whether somebody may enter who has been in before."""

    ONCE = "once"
    ALWAYS = "always"
    ONE_AT_A_TIME = "oneAtATime"
    """Not while they are still in it."""
    AFTER = "after"
    """Not for a while after they entered last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """An event of this type brings its contact in. `after` goes with `Reentry.AFTER`; `place`: in its list."""

    event: str
    condition: str = ""
    reentry: Reentry = Reentry.ONCE
    after: timedelta = timedelta(0)
    place: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRule:
    """An event of this type ends what its contact has open in the campaign."""

    event: str
    condition: str = ""
    place: int = 0


_TYPE: Final = re.compile(TYPE, re.ASCII)
_MOST: Final = 50
_EXAMPLE: Final = "write [{event: cart.abandoned}]"
_WORDS: Final = tuple(word.value for word in Reentry if word is not Reentry.AFTER)
_REENTRY: Final = f"one of {', '.join(_WORDS)}, or {{after: 30 days}}"


def read_triggers(written: Any) -> tuple[tuple[Trigger, ...], list[Fault]]:
    """The triggers of a campaign, and everything that is wrong with them."""
    faults: list[Fault] = []
    triggers = []
    for place, item in _items(written, ("event", "condition", "reentry"), faults):
        reentry, after = _reentry(item.get("reentry"), place, faults)
        event, condition = _event(item, place, faults), _condition(item, place, faults)
        triggers.append(Trigger(event=event, condition=condition, reentry=reentry, after=after, place=place))
    return (() if faults else tuple(triggers)), faults


def read_cancel_on(written: Any) -> tuple[tuple[CancelRule, ...], list[Fault]]:
    """What takes people out of a campaign, and everything that is wrong with it."""
    faults: list[Fault] = []
    rules = [
        CancelRule(event=_event(item, place, faults), condition=_condition(item, place, faults), place=place)
        for place, item in _items(written, ("event", "condition"), faults)
    ]
    return (() if faults else tuple(rules)), faults


def _items(written: Any, keys: tuple[str, ...], faults: list[Fault]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if written is None:
        return
    if not isinstance(written, Sequence) or isinstance(written, str):
        faults.append(Fault((), "must be a list", _EXAMPLE))
        return
    if len(written) > _MOST:
        faults.append(Fault((), f"has more than {_MOST} entries", "a condition can ask for several things"))
        return
    for place, item in enumerate(written):
        if not isinstance(item, Mapping):
            faults.append(Fault((place,), "must be a map", _EXAMPLE))
            continue
        for key in item:
            if key not in keys:
                meant = closest(key, keys)
                hint = f"did you mean {meant}?" if meant else f"one of {', '.join(keys)}"
                faults.append(Fault((place, str(key)), "is not known here", hint))
        yield place, item


def _event(item: Mapping[str, Any], place: int, faults: list[Fault]) -> str:
    event = item.get("event")
    if isinstance(event, str) and _TYPE.fullmatch(event):
        return event
    message = "is required" if event is None else "is no type of event"
    faults.append(Fault((place, "event"), message, "write a word like cart.abandoned"))
    return ""


def _condition(item: Mapping[str, Any], place: int, faults: list[Fault]) -> str:
    condition = item.get("condition")
    if condition is None or isinstance(condition, str):
        return (condition or "").strip()
    faults.append(Fault((place, "condition"), "must be text", "write it like \"event.data.plan == 'gold'\""))
    return ""


def _reentry(written: Any, place: int, faults: list[Fault]) -> tuple[Reentry, timedelta]:
    if written is None:
        return Reentry.ONCE, timedelta(0)
    if isinstance(written, str) and written in _WORDS:
        return Reentry(written), timedelta(0)
    if isinstance(written, Mapping) and set(written) == {"after"}:
        return Reentry.AFTER, _after(written["after"], place, faults)
    meant = closest(written, _WORDS) if isinstance(written, str) else ""
    faults.append(Fault((place, "reentry"), "is not known", f"did you mean {meant}?" if meant else _REENTRY))
    return Reentry.ONCE, timedelta(0)


def _after(written: Any, place: int, faults: list[Fault]) -> timedelta:
    is_text_or_number = isinstance(written, str | int | float) and not isinstance(written, bool)
    try:
        return parse_duration(written if is_text_or_number else "")
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        faults.append(Fault((place, "reentry", "after"), message, hint))
        return timedelta(0)
