"""News of attempts that are over: given up and overtaken by another one, closed, refused.

1. It never queues anything, and never reopens a settled message.
2. Whoever speaks of an attempt that had been given up proves that it left. Then nothing is sent after it: a message
   whose later attempt is in doubt is settled by the one that is not.
"""

from dataclasses import replace
from datetime import datetime

from channels.results import FINAL_RANK, Receipt, ReceiptKind
from worker.domain.attempt import AttemptFacts, AttemptStatus, MessageStatus, Settlement
from worker.domain.dispositions import DispositionBook, DispositionRule
from worker.engine import outcomes
from worker.engine.calendar import after
from worker.engine.settling import HELD_LOOK, SettlementOptions, settled, suppressed


def overtaken(facts: AttemptFacts) -> bool:
    """Given up, and its message went on without it: another attempt was made, or the message was settled."""
    if facts.status is AttemptStatus.CLOSED:
        return facts.rank < FINAL_RANK  # heard of after that, but not of its end
    return facts.status is AttemptStatus.NOT_SENT and facts.message_status is not MessageStatus.QUEUED


def sent_after_all(
    known: Settlement,
    book: DispositionBook,
    now: datetime,
    options: SettlementOptions,
    *,
    receipt: Receipt | None = None,
    rule: DispositionRule | None = None,
) -> Settlement | None:
    """News of an attempt that was overtaken. `receipt` None: its answer. `rule` None: it is only on its way."""
    facts = known.facts
    closed = replace(known, attempt_status=AttemptStatus.CLOSED)
    if rule is not None and rule.suppress:
        return after_the_end(closed, rule, now, options)
    failed = receipt is not None and receipt.kind is ReceiptKind.FAILED
    unconfirmed = book.file(outcomes.of_silence(facts.channel))
    match facts.message_status:
        case MessageStatus.SETTLED if rule is not None and facts.disposition == unconfirmed.code:
            return settled(closed, rule)
        case MessageStatus.SETTLED | MessageStatus.ACCEPTED:
            return _left_as_it_is(closed, now, options)
        case MessageStatus.QUEUED if failed:
            return None
        case _ if failed:
            return _left_as_it_is(closed, now, options)
        case _:
            return settled(closed, rule or unconfirmed)


def after_the_end(
    known: Settlement, rule: DispositionRule | None, now: datetime, options: SettlementOptions
) -> Settlement | None:
    """News of an attempt whose end is known. Only an opt-out still matters; it also ends what was queued since."""
    if rule is None or not rule.suppress:
        return None
    if known.facts.message_status in (MessageStatus.QUEUED, MessageStatus.HELD, MessageStatus.SETTLED):
        return settled(known, rule)
    return replace(_left_as_it_is(known, now, options), suppress=suppressed(known.facts, rule))


def _left_as_it_is(known: Settlement, now: datetime, options: SettlementOptions) -> Settlement:
    """The message stays where another attempt has brought it, and is looked into in its time."""
    match known.facts.message_status:
        case MessageStatus.ACCEPTED:
            due_at = after(now, options.outcome_deadline, options.speed)
        case MessageStatus.UNKNOWN | MessageStatus.DISPATCHING:
            due_at = after(now, options.quiet, 1.0)
        case MessageStatus.HELD:
            due_at = after(now, HELD_LOOK, 1.0)
        case MessageStatus.QUEUED:
            due_at = now
        case MessageStatus.SETTLED:
            return known
    return replace(known, due_at=due_at)
