"""The moves a settlement is made of: how an attempt and its message change together, and how patient to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from channels.messages import ChannelKind
from channels.results import SendResult
from worker.domain.attempt import AttemptFacts, AttemptStatus, MessageStatus, Settlement, Suppress
from worker.domain.dispositions import DispositionBook, DispositionRule, RetryScope
from worker.domain.events import HandedOver, Settled
from worker.engine import outcomes
from worker.engine.calendar import after
from worker.engine.retry import after_not_sent, next_attempt

HELD_LOOK: Final = timedelta(hours=1)
"""Between two looks at a held message, while it waits for a person: its provider may be able to say by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementOptions:
    """How patient to be.

    `outcome_deadline`: after the hand-over, for a final receipt. `quiet`: after an unknown result, before the provider
    is asked. `second_look`: between two look-ups. `resend_after`: by channel, when an unknown message is sent again all
    the same; absent or None: never. `hold_after`: how long to keep asking a provider that cannot say before a person
    decides; None: ten times `second_look`. `speed` shortens retry delays and the deadline, never what guards against
    a second send.
    """

    outcome_deadline: timedelta = timedelta(days=3)
    quiet: timedelta = timedelta(minutes=2)
    second_look: timedelta = timedelta(minutes=1)
    resend_after: Mapping[ChannelKind, timedelta | None] = field(default_factory=dict)
    hold_after: timedelta | None = None
    speed: float = 1.0


def unchanged(facts: AttemptFacts) -> Settlement:
    return Settlement(
        facts=facts,
        attempt_status=facts.status,
        message_status=facts.message_status,
        rank=facts.rank,
        lookups=facts.lookups,
    )


def given_up(facts: AttemptFacts) -> bool:
    """Counted as never sent, and nothing else was sent in its place yet: proof of the contrary still helps."""
    waiting = (MessageStatus.QUEUED, MessageStatus.HELD)
    return facts.status is AttemptStatus.NOT_SENT and facts.message_status in waiting


def accepted(known: Settlement, now: datetime, options: SettlementOptions) -> Settlement:
    """The provider has it. A message that was settled meanwhile stays so."""
    if known.facts.message_status is MessageStatus.SETTLED:
        return replace(known, attempt_status=AttemptStatus.ACCEPTED)
    return replace(
        known,
        attempt_status=AttemptStatus.ACCEPTED,
        message_status=MessageStatus.ACCEPTED,
        due_at=after(now, options.outcome_deadline, options.speed),
        signals=(HandedOver(message=known.facts.key),),
    )


def on_its_way(known: Settlement, now: datetime, options: SettlementOptions) -> Settlement:
    """Progress: nothing but the rank, unless it proves what was in doubt."""
    news = accepted(known, now, options)
    return replace(news, signals=()) if known.facts.status is AttemptStatus.ACCEPTED else news


def unknown(known: Settlement, due_at: datetime) -> Settlement:
    """It may have left. A message that was settled meanwhile stays so."""
    if known.facts.message_status is MessageStatus.SETTLED:
        return replace(known, attempt_status=AttemptStatus.UNKNOWN)
    return replace(known, attempt_status=AttemptStatus.UNKNOWN, message_status=MessageStatus.UNKNOWN, due_at=due_at)


def queued_again(known: Settlement, now: datetime) -> Settlement:
    return replace(
        known,
        attempt_status=AttemptStatus.NOT_SENT,
        message_status=MessageStatus.QUEUED,
        due_at=now,
        counts=False,
    )


def nobody_can_say(known: Settlement, now: datetime, options: SettlementOptions) -> Settlement:
    """Ask again for a while, at growing intervals; then the campaign's policy, or a person, decides."""
    facts = known.facts
    age = now - facts.dispatched_at
    resend_after = options.resend_after.get(facts.channel)
    if resend_after is not None and age >= resend_after:
        return replace(queued_again(known, now), code="resend_after")
    hold_after = options.hold_after if options.hold_after is not None else 10 * options.second_look
    next_look = max(options.second_look, age / 2)
    if resend_after is not None:
        return unknown(known, after(now, min(next_look, resend_after - age), 1.0))
    if age < hold_after:
        return unknown(known, after(now, next_look, 1.0))
    return replace(known, message_status=MessageStatus.HELD, due_at=after(now, HELD_LOOK, 1.0))


def not_sent(known: Settlement, result: SendResult, book: DispositionBook, now: datetime) -> Settlement:
    unsent = replace(known, attempt_status=AttemptStatus.NOT_SENT, counts=False)
    due_at = after_not_sent(known.facts.number, result.retry_after, now)
    if due_at is None:
        rule = book.file(outcomes.of_result(known.facts.channel, result))
        return replace(settled(unsent, rule), counts=False)
    return replace(unsent, message_status=MessageStatus.QUEUED, due_at=due_at)


def ended(known: Settlement, rule: DispositionRule, now: datetime, options: SettlementOptions) -> Settlement:
    """The attempt has come to an end: another one by the rule of its disposition, or the message is settled."""
    facts = known.facts
    # What does not count is limited by all attempts made, or it would be tried for ever.
    attempts = facts.counted + 1 if rule.counts_as_attempt else facts.number
    if rule.retry and rule.retry.scope is RetryScope.CONTACT:
        attempts += facts.counted_elsewhere
    due_at = next_attempt(rule, attempts, now, options.speed)
    if due_at is None:
        refused = known.attempt_status is AttemptStatus.REFUSED
        status = AttemptStatus.REFUSED if refused else AttemptStatus.ACCEPTED
        return settled(replace(known, attempt_status=status), rule)
    return replace(
        known,
        message_status=MessageStatus.QUEUED,
        due_at=due_at,
        counts=rule.counts_as_attempt,
        disposition=rule.code,
        category=rule.category,
    )


def settled(known: Settlement, rule: DispositionRule) -> Settlement:
    """The message's final outcome, or a better one than it had."""
    return replace(
        known,
        message_status=MessageStatus.SETTLED,
        due_at=None,
        counts=rule.counts_as_attempt,
        disposition=rule.code,
        category=rule.category,
        signals=(Settled(message=known.facts.key, disposition=rule.code, category=rule.category),),
        suppress=_suppressed(known.facts, rule),
    )


def _suppressed(facts: AttemptFacts, rule: DispositionRule) -> tuple[Suppress, ...]:
    if not (rule.suppress or rule.address_uncallable):
        return ()
    return (Suppress(channel=facts.channel, address=facts.to, reason=rule.code),)


def after_the_end(
    known: Settlement, rule: DispositionRule | None, now: datetime, options: SettlementOptions
) -> Settlement | None:
    """News of an attempt that is over. Only an opt-out still matters; it also ends what was queued since."""
    if rule is None or not rule.suppress:
        return None
    facts = known.facts
    match facts.message_status:
        case MessageStatus.QUEUED | MessageStatus.HELD | MessageStatus.SETTLED:
            return settled(known, rule)
        case MessageStatus.ACCEPTED:
            due_at = after(now, options.outcome_deadline, options.speed)
        case MessageStatus.UNKNOWN | MessageStatus.DISPATCHING:
            due_at = after(now, options.quiet, 1.0)
    return replace(known, due_at=due_at, suppress=_suppressed(facts, rule))
