"""What one piece of news changes about an attempt and its message.

1. Nothing that might have left is sent again: only REFUSED, NOT_SENT, two look-ups that saw nothing, a receipt that
   ends the attempt, the campaign's own policy, or a person queue a message again.
2. Ranks only rise. None means: no longer news.
3. Whoever speaks of an attempt proves that the provider has it, also where we had lost or given up its answer.
4. Each decision is a function of the attempt as it was read; whoever applies it checks that it still is so.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from channels.results import RANK, AnsweredBy, Certainty, Receipt, SendResult, Sighting
from worker.domain.attempt import WORKER_DIED, AttemptFacts, AttemptStatus, MessageStatus, PersonSays, Settlement
from worker.domain.dispositions import DispositionBook
from worker.engine import outcomes
from worker.engine.calendar import after
from worker.engine.late_news import after_the_end, overtaken, sent_after_all
from worker.engine.settling import (
    SettlementOptions,
    accepted,
    ended,
    found,
    given_up,
    never_left,
    nobody_can_say,
    not_sent,
    on_its_way,
    queued_again,
    settled,
    unchanged,
    unknown,
)

__all__ = [
    "SettlementOptions",
    "from_crash",
    "from_person",
    "from_receipt",
    "from_result",
    "from_sighting",
    "from_silence",
    "rank_of",
]


_LOST: Final = (AttemptStatus.DISPATCHING, AttemptStatus.UNKNOWN)
_IN_DOUBT: Final = (MessageStatus.UNKNOWN, MessageStatus.HELD)
_UNSEEN_LIMIT: Final = 2
"""Look-ups that must see nothing, one after the other, before a message counts as never sent."""


def rank_of(receipt: Receipt) -> int:
    """Its place in the precedence of news."""
    return RANK[receipt.kind]


def from_result(
    facts: AttemptFacts, result: SendResult, book: DispositionBook, now: datetime, options: SettlementOptions
) -> Settlement | None:
    """What the answer to a send changes."""
    late = facts.status is AttemptStatus.NOT_SENT and result.certainty is Certainty.ACCEPTED
    if facts.status not in _LOST and not late:
        return None
    known = Settlement(
        facts=facts,
        attempt_status=facts.status,
        message_status=facts.message_status,
        rank=facts.rank,
        lookups=facts.lookups,
        provider_ref=result.provider_ref,
        reason=result.reason,
        code=result.code,
        segments=result.segments,
    )
    match result.certainty:
        case Certainty.ACCEPTED if overtaken(facts):
            return sent_after_all(known, book, now, options)
        case Certainty.ACCEPTED:
            return accepted(known, now, options)
        case Certainty.REFUSED | Certainty.NOT_SENT if facts.message_status is MessageStatus.SETTLED:
            return replace(known, attempt_status=AttemptStatus(result.certainty))
        case Certainty.REFUSED:
            rule = book.file(outcomes.of_result(facts.channel, result))
            return ended(replace(known, attempt_status=AttemptStatus.REFUSED), rule, now, options)
        case Certainty.NOT_SENT:
            return not_sent(known, result, book, now)
        case Certainty.UNKNOWN:
            return unknown(known, after(now, options.quiet, 1.0))
    assert_never(result.certainty)


def from_receipt(
    facts: AttemptFacts, receipt: Receipt, book: DispositionBook, now: datetime, options: SettlementOptions
) -> Settlement | None:
    """What later news from the provider changes."""
    proof = facts.status in _LOST or given_up(facts)
    rank = rank_of(receipt)
    if rank <= facts.rank and not proof:
        return None
    if receipt.answered_by is AnsweredBy.NOBODY_ASKED:
        receipt = replace(receipt, answered_by=facts.answered_by)  # said when it was picked up, not when it ended
    known = Settlement(
        facts=facts,
        attempt_status=facts.status,
        message_status=facts.message_status,
        rank=max(rank, facts.rank),
        lookups=facts.lookups,
        provider_ref=receipt.provider_ref,
        reason=receipt.reason,
        code=receipt.code,
        segments=receipt.segments,
        answered_by=receipt.answered_by,
    )
    code = outcomes.of_receipt(facts.channel, receipt)
    rule = book.file(code) if code else None
    if overtaken(facts):
        return sent_after_all(known, book, now, options, receipt=receipt, rule=rule)
    if not proof and facts.status is not AttemptStatus.ACCEPTED:
        return after_the_end(known, rule, now, options)
    if rule is None:
        return on_its_way(known, now, options)
    if facts.message_status is MessageStatus.SETTLED:
        return settled(replace(known, attempt_status=AttemptStatus.ACCEPTED), rule)
    return ended(replace(known, attempt_status=AttemptStatus.CLOSED), rule, now, options)


def from_crash(facts: AttemptFacts, now: datetime, options: SettlementOptions) -> Settlement | None:
    """What it means that the worker which was about to send has not been heard of since."""
    if facts.status is not AttemptStatus.DISPATCHING:
        return None
    return unknown(replace(unchanged(facts), code=WORKER_DIED), after(now, options.quiet, 1.0))


def from_sighting(
    facts: AttemptFacts, sighting: Sighting, book: DispositionBook, now: datetime, options: SettlementOptions
) -> Settlement | None:
    """What the provider's answer to "have you seen this?" changes."""
    if facts.status is not AttemptStatus.UNKNOWN or facts.message_status not in _IN_DOUBT:
        return None
    known = replace(unchanged(facts), finding=found(facts, sighting, now))
    if sighting.seen is None:
        return nobody_can_say(known, sighting, now, options)
    if sighting.seen:
        by_receipt = sighting.receipt and from_receipt(facts, sighting.receipt, book, now, options)
        seen = by_receipt or accepted(known, now, options)
        return replace(seen, provider_ref=sighting.provider_ref or seen.provider_ref)
    known = replace(known, lookups=facts.lookups + 1)
    if known.lookups < _UNSEEN_LIMIT:
        return unknown(known, after(now, options.second_look, 1.0))
    return never_left(known, book, now)


def from_silence(
    facts: AttemptFacts, sighting: Sighting, book: DispositionBook, now: datetime, options: SettlementOptions
) -> Settlement | None:
    """What it means that no final receipt came by the deadline; the provider was asked once more."""
    if facts.status is not AttemptStatus.ACCEPTED or facts.message_status is not MessageStatus.ACCEPTED:
        return None
    if sighting.receipt:
        news = from_receipt(facts, sighting.receipt, book, now, options)
        if news and news.message_status is not MessageStatus.ACCEPTED:
            return news
    return settled(unchanged(facts), book.file(outcomes.of_silence(facts.channel)))


def from_person(
    facts: AttemptFacts, says: PersonSays, book: DispositionBook, now: datetime, options: SettlementOptions
) -> Settlement | None:
    """What a person decides about a message whose fate is unknown."""
    if facts.status is not AttemptStatus.UNKNOWN or facts.message_status not in _IN_DOUBT:
        return None
    known = replace(unchanged(facts), code=f"person:{says}")
    match says:
        case PersonSays.SENT:
            return accepted(known, now, options)
        case PersonSays.RESEND:
            return queued_again(known, now)
        case PersonSays.DROP:
            return settled(known, book.file(outcomes.UNKNOWN_RESULT))
    assert_never(says)
