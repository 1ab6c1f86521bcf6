"""The moves a settlement is made of: how an attempt and its message change together, and how patient to be.

1. Everything ends: what is queued again without an answer of the provider is counted, and set aside after a while.
2. The policy of a campaign resends into silence only: never while a record at the provider may be the message.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from channels.messages import ChannelKind
from channels.results import SendResult, Sighting
from worker.domain.attempt import AttemptFacts, AttemptStatus, Finding, MessageStatus, Settlement, Shown, Suppress
from worker.domain.dispositions import DispositionBook, DispositionRule, RetryScope
from worker.domain.events import HandedOver, Settled
from worker.engine import outcomes
from worker.engine.calendar import after
from worker.engine.retry import after_not_sent, next_attempt

HELD_LOOK: Final = timedelta(hours=1)
"""Between two looks at a held message, while it waits for a person: its provider may be able to say by then."""
MAX_DEATHS: Final = 5
"""So many workers may die over a message that never left, before it is taken for what kills them."""
MAX_RESENT: Final = 5
"""So many attempts the policy of a campaign makes into silence, before a person decides."""


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
    return facts.status is AttemptStatus.NOT_SENT and facts.message_status is MessageStatus.QUEUED


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


def queued_again(known: Settlement, due_at: datetime) -> Settlement:
    return replace(
        known,
        attempt_status=AttemptStatus.NOT_SENT,
        message_status=MessageStatus.QUEUED,
        due_at=due_at,
        counts=False,
    )


def never_left(known: Settlement, book: DispositionBook, now: datetime) -> Settlement:
    """Proof that it never left: it may be sent again, unless that has come to this too often."""
    facts = known.facts
    due_at = after_not_sent(facts.number, None, facts.dispatched_at)
    if facts.deaths < MAX_DEATHS and due_at is not None:
        return queued_again(known, max(now, due_at))
    why = f"{facts.deaths} workers died over it" if facts.deaths >= MAX_DEATHS else "it never reached the provider"
    detail = f"quarantined: {why} in {facts.number} attempts; see their logs"
    unsent = replace(known, attempt_status=AttemptStatus.NOT_SENT, detail=detail)
    return replace(settled(unsent, book.file(outcomes.QUARANTINED)), counts=False)


def nobody_can_say(known: Settlement, sighting: Sighting, now: datetime, options: SettlementOptions) -> Settlement:
    """Ask again for a while, at growing intervals; then the campaign's policy, or a person, decides."""
    facts = known.facts
    age = now - facts.dispatched_at
    resend_after = options.resend_after.get(facts.channel)
    if sighting.candidates or facts.number >= MAX_RESENT:
        resend_after = None
    if resend_after is not None and age >= resend_after:
        return replace(queued_again(known, now), code="resend_after")
    hold_after = options.hold_after if options.hold_after is not None else 10 * options.second_look
    next_look = max(options.second_look, age / 2)
    if resend_after is not None:
        return unknown(known, after(now, min(next_look, resend_after - age), 1.0))
    if age < hold_after:
        return unknown(known, after(now, next_look, 1.0))
    return replace(known, message_status=MessageStatus.HELD, due_at=after(now, HELD_LOOK, 1.0))


def found(facts: AttemptFacts, sighting: Sighting, now: datetime) -> Finding:
    """What the provider has shown, for whoever has to decide."""
    match sighting.seen, sighting.candidates:
        case False, _:
            shown = Shown.NOTHING
        case None, ():
            shown = Shown.CANNOT_SAY
        case _:
            shown = Shown.RECORDS
    refs = tuple(one.receipt.provider_ref for one in sighting.candidates)
    return Finding(shown=shown, asked=1 + (facts.finding.asked if facts.finding else 0), at=now, refs=refs)


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
        suppress=suppressed(known.facts, rule),
    )


def suppressed(facts: AttemptFacts, rule: DispositionRule) -> tuple[Suppress, ...]:
    """What the rule of an outcome says about the address."""
    if not (rule.suppress or rule.address_uncallable):
        return ()
    return (Suppress(channel=facts.channel, address=facts.to, reason=rule.code),)
