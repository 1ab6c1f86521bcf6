"""Whether a message may leave now. Asked in the transaction that claims it, with what the database says then.

1. Cheap and absolute first: run, contact, suppression, channel, address, content. The first no stands.
2. What is stopped is settled under a disposition of its own; nothing is dropped without a reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, assert_never

from channels.messages import ChannelKind, InvalidMessage
from worker.domain.run import RunStatus
from worker.engine.outgoing import build_message


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What the gates know.

    `suppressed`: the address is on a do-not-contact list. `opted_out`: the person said stop in this run, on whatever
    channel. `taken_out`: they were taken out of it, by an event or by the end of the run.
    """

    run_status: RunStatus
    channel: ChannelKind
    channel_enabled: bool
    to: str = field(repr=False)
    sender: str = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)
    blocked: bool = False
    suppressed: bool = False
    opted_out: bool = False
    taken_out: bool = False


@dataclass(frozen=True, slots=True)
class Go:
    """It may leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """It never will: a system code, and what is wrong without any personal data."""

    disposition: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Not now. `at` None: when the run is resumed."""

    at: datetime | None = None


Verdict = Go | Skip | Later

_ADDRESS: Final = {
    ChannelKind.SMS: "phone number",
    ChannelKind.EMAIL: "email address",
    ChannelKind.VOICE: "phone number",
}
_MISCONFIGURED: Final = {
    ChannelKind.SMS: "SMS_CONFIG",
    ChannelKind.EMAIL: "EMAIL_CONFIG",
    ChannelKind.VOICE: "VOICE_CONFIG",
}


def verdict(facts: GateFacts) -> Verdict:
    """Whether the message may leave."""
    return _run(facts) or _person(facts) or _message(facts) or Go()


def _run(facts: GateFacts) -> Verdict | None:
    match facts.run_status:
        case RunStatus.RUNNING:
            return None
        case RunStatus.PAUSED | RunStatus.DRAFT | RunStatus.SCHEDULED:
            return Later()
        case RunStatus.CANCELLED | RunStatus.FAILED | RunStatus.COMPLETED:
            return Skip(disposition="CAMPAIGN_CANCELLED", detail=f"the run is {facts.run_status}")
    assert_never(facts.run_status)


def _person(facts: GateFacts) -> Verdict | None:
    if facts.blocked:
        return Skip(disposition="SUPPRESSED_BLOCKED")
    if facts.suppressed:
        return Skip(disposition="SUPPRESSED_DNC")
    if facts.opted_out:
        return Skip(disposition="SUPPRESSED_DNC", detail="the person said stop")
    if facts.taken_out:
        return Skip(disposition="CAMPAIGN_CANCELLED", detail="the person was taken out of the run")
    return None


def _message(facts: GateFacts) -> Verdict | None:
    if not facts.channel_enabled:
        return Skip(disposition="CHANNEL_DISABLED", detail=f"{facts.channel} is off in the campaign")
    if not facts.to:
        return Skip(disposition="NO_ADDRESS", detail=f"the contact has no {_ADDRESS[facts.channel]}")
    try:
        build_message(facts.channel, "gate", facts.to, facts.sender, facts.content)
    except InvalidMessage as error:
        return Skip(disposition=_invalid(facts.channel, str(error)), detail=str(error))
    except (AttributeError, KeyError, TypeError) as error:
        # Written by another version. Raised out of a claim, it would keep everybody behind it from leaving.
        return Skip(disposition="CONTENT_REFUSED", detail=f"unreadable content: {type(error).__name__}")
    return None


def _invalid(channel: ChannelKind, text: str) -> str:
    """The code for a message that cannot be built; the text begins with the field's name."""
    match text.partition(":")[0]:
        case "to":
            return "NO_ADDRESS"
        case "sender":
            return _MISCONFIGURED[channel]
        case _:
            return "CONTENT_REFUSED"
