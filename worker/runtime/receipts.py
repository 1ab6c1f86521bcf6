"""What receipts mean: which attempts they are of, and what they change of those as they stand now.

1. One that can be judged when it comes in takes effect in the commit that keeps it: a *straight* receipt. It is one row
   written once, where one that waits is written three times and read once more.
2. All others wait in the inbox: of an attempt that nobody knows yet, the second of an attempt that comes in with the
   first, whatever raises here, and what turns out not to hold any more when it is written.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog
from sqlalchemy.exc import DataError

from channels.results import Receipt, Reply
from worker.domain.alert import ATTEMPT_PREFIX
from worker.domain.attempt import AttemptFacts
from worker.engine import settlement
from worker.runtime.bootstrap import Runtime
from worker.runtime.settle import Decide
from worker.store.inbox_rows import InboxEntry

log = structlog.get_logger()

UNREADABLE = (LookupError, TypeError, ValueError, DataError)
"""What one piece of news may raise, in us or in a database that cannot hold it. Anything else concerns them all."""


def is_of_an_alert(receipt: Receipt) -> bool:
    """Whether it is of what supervisors were told; nobody waits for it."""
    return receipt.attempt_id.startswith(ATTEMPT_PREFIX)


def facts_of(rt: Runtime, receipts: Sequence[tuple[str, Receipt]]) -> list[AttemptFacts | None]:
    """The attempt of each (provider, receipt) as it stands; None: nobody knows it."""
    tenant_id = rt.settings.tenant_id
    ids = [receipt.attempt_id for _, receipt in receipts if receipt.attempt_id]
    by_id = {facts.attempt_id: facts for facts in rt.store.attempt_facts(ids, tenant_id)}
    refs: dict[str, list[str]] = defaultdict(list)
    for provider, receipt in receipts:
        if not receipt.attempt_id:
            refs[provider].append(receipt.provider_ref)
    by_ref = {
        (provider, facts.provider_ref): facts
        for provider, its_own in refs.items()
        for facts in rt.store.facts_by_ref(its_own, provider, tenant_id)
    }
    return [
        by_id.get(receipt.attempt_id) or by_ref.get((provider, receipt.provider_ref)) for provider, receipt in receipts
    ]


def decision(rt: Runtime, facts: AttemptFacts, receipt: Receipt) -> Decide:
    """What the receipt means for its attempt, whatever that has come to meanwhile."""
    definition = rt.definition(facts.tenant_id, facts.run_id)
    return partial(
        settlement.from_receipt,
        receipt=receipt,
        book=definition.book,
        now=rt.now(),
        options=rt.options(definition),
    )


def judged(rt: Runtime, news: Sequence[tuple[InboxEntry, Receipt | Reply]]) -> list[InboxEntry]:
    """The entries in their order; of those that can be judged now, with what they change."""
    receipts = [(entry, item) for entry, item in news if isinstance(item, Receipt)]
    try:
        facts = facts_of(rt, [(entry.provider, receipt) for entry, receipt in receipts])
    except UNREADABLE:
        log.exception("receipts cannot be judged as they come in", count=len(receipts))
        return [entry for entry, _ in news]
    changed = {id(entry): entry for entry, _ in news}
    seen: set[str] = set()
    for (entry, receipt), known in sorted(
        zip(receipts, facts, strict=True), key=lambda one: settlement.rank_of(one[0][1])
    ):
        if is_of_an_alert(receipt):
            changed[id(entry)] = replace(entry, once_done=entry.payload)
        elif known is not None and known.attempt_id not in seen:
            seen.add(known.attempt_id)
            changed[id(entry)] = _judged(rt, entry, receipt, known)
    return [changed[id(entry)] for entry, _ in news]


def _judged(rt: Runtime, entry: InboxEntry, receipt: Receipt, facts: AttemptFacts) -> InboxEntry:
    try:
        change = decision(rt, facts, receipt)(facts)
    except UNREADABLE:
        log.exception("a receipt cannot be judged as it comes in", attempt=facts.attempt_id)
        return entry
    # The rest of our reading can be had again from what the provider wrote.
    return replace(entry, settlement=change, once_done={"attempt_id": facts.attempt_id} if entry.raw else entry.payload)
