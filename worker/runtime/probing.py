"""Asks the providers, before a launch, whether they would let us send: signs in, sends nothing.

1. A refusal stands in the way of a launch, unless another email account of the campaign is good. Who cannot be reached
   may be there in a minute: that is worth a warning.
2. The adapters are made for the question and closed after it, in a loop of its own: a launch may come from any thread.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from channels.base import Probe, Standing
from channels.errors import InvalidSettings
from channels.messages import ChannelKind
from worker.domain.campaign import Campaign
from worker.domain.email_account import sender_pool
from worker.runtime.bootstrap import Runtime
from worker.runtime.mailers import has_credential

_SENDER_KEYS: Final = {ChannelKind.SMS: "smsFromAddress", ChannelKind.VOICE: "callerId"}


class Probed(NamedTuple):
    """What the providers said: `blocks` stand in the way of a launch, `warns` do not."""

    blocks: tuple[str, ...]
    warns: tuple[str, ...]


class _Question(NamedTuple):
    kind: ChannelKind
    credential: str
    subject: str
    """Of a sentence about the answer."""


def probe(rt: Runtime, campaign: Campaign, email_accounts: Sequence[Mapping[str, Any]] = ()) -> Probed:
    """Ask about every channel of a campaign. `email_accounts`: the documents of its accounts, in order.

    Channels whose settings are missing are left out: that is said elsewhere.
    """
    questions = list(_questions(campaign, email_accounts))
    answers = asyncio.run(_ask_all(rt, campaign, questions))
    blocks: list[str] = []
    warns: list[str] = []
    of_mail = {a.standing for q, a in zip(questions, answers, strict=True) if a and q.kind is ChannelKind.EMAIL}
    for question, answer in zip(questions, answers, strict=True):
        if answer is None:
            continue
        match answer.standing:
            case Standing.REFUSED if question.kind is ChannelKind.EMAIL and Standing.OK in of_mail:
                warns.append(f"{question.subject}: {answer.sentence}; another account takes its place")
            case Standing.REFUSED:
                blocks.append(f"{question.subject}: {answer.sentence}")
            case Standing.UNREACHABLE:
                warns.append(f"{question.subject}: {answer.sentence}; whether it lets us send is not known")
            case Standing.OK if answer.strangers:
                warns.append(f"{question.subject}: the {_SENDER_KEYS[question.kind]} is no number of this account")
    return Probed(tuple(blocks), tuple(warns))


def _questions(campaign: Campaign, email_accounts: Sequence[Mapping[str, Any]]) -> Iterator[_Question]:
    for kind in sorted(campaign.channels):
        pool = sender_pool(campaign.email_from_address, email_accounts) if kind is ChannelKind.EMAIL else ()
        for account in pool:
            if has_credential(account):
                yield _Question(kind, account.credential_ref, f"email account {account.email_account_id}")
        if not pool:
            yield _Question(kind, "", kind.value)


async def _ask_all(rt: Runtime, campaign: Campaign, questions: Sequence[_Question]) -> Sequence[Probe | None]:
    return await asyncio.gather(*(_ask(rt, campaign, question) for question in questions))


async def _ask(rt: Runtime, campaign: Campaign, question: _Question) -> Probe | None:
    try:
        channel = rt.new_channel(question.kind, question.credential)
    except InvalidSettings:
        return None
    try:
        return await channel.probe([campaign.sender(question.kind)])
    finally:
        await channel.close()
