"""Sends what is due on one channel: claim with intent, call the provider, commit what it said.

1. The intent is committed before the call, for exactly what will be in flight.
2. Whatever goes wrong between intent and result leaves the attempt `dispatching`; reconciliation finds out, not we.
3. What was launched against a sandbox is not sent to the vendors, nor the other way round, however a worker is set up.
4. Two lanes per process: while one slice is at the provider, the other is claimed or brought home. That is done in the
   thread of the loop: what arrives meanwhile waits in its socket, and threads that hand one interpreter to and fro cost
   more than they bring. A lane that breaks leaves the other to bring its answers home.
5. Runs that nobody enters by an event give way while events come late.
"""

import asyncio
from collections import Counter
from functools import partial

import structlog

from channels.messages import ChannelKind
from channels.results import Certainty
from worker.domain.attempt import AttemptFacts
from worker.domain.email_account import EmailAccount
from worker.engine import settlement
from worker.engine.outgoing import build_message
from worker.runtime.advance import step_now
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.mailers import from_account, within_own
from worker.runtime.settle import Decide, settle

log = structlog.get_logger()

BUDGET_SECONDS = 8.0
"""How long one task keeps claiming: with one send after it (two timeouts, 30 s) still inside the soft limit of 40 s."""

URGENT_BUDGET_SECONDS = 0.1
"""The same for an urgent run: its people are stepped by the same process."""

SLOWED_SECONDS = 0.25
"""How long a run that has used up its rate is let be: for each few messages there would be a claim otherwise."""

SETTLE_PATIENCE_SECONDS = 15.0
"""How long answers are kept in memory and written again and again while the database is away."""


async def dispatch(rt: Runtime, tenant_id: str, run_id: str, kind: ChannelKind) -> Counter[Certainty]:
    """Send what is due in a run on this channel until nothing is, or the time is up. Returns what became of it."""
    tally: Counter[Certainty] = Counter()
    if not rt.serves(tenant_id, run_id):
        log.warning("run was launched against other providers than ours, left alone", run=run_id)
        return tally
    if rt.clock.elapsed() < rt.slowed.get((run_id, kind), 0.0):
        return tally
    urgent = rt.is_urgent(run_id)
    lanes = 1 if urgent or kind is ChannelKind.EMAIL else rt.settings.lanes
    ends = rt.clock.elapsed() + (URGENT_BUDGET_SECONDS if urgent else BUDGET_SECONDS)
    under_way = (_lane(rt, tenant_id, run_id, kind, ends=ends, tally=tally) for _ in range(lanes))
    drained = await asyncio.gather(*under_way, return_exceptions=True)
    for outcome in drained:
        if isinstance(outcome, BaseException):
            raise outcome
    if not all(drained):
        rt.hint(Hint(Work(f"{kind}.dispatch"), tenant_id, run_id, rt.settings.slice_size, share=1))
    return tally


async def _lane(
    rt: Runtime, tenant_id: str, run_id: str, kind: ChannelKind, *, ends: float, tally: Counter[Certainty]
) -> bool:
    """Slice after slice. True when nothing more may go now, False when time ran out first."""
    urgent = rt.is_urgent(run_id)  # what comes meanwhile has a hint of its own
    size = rt.settings.email_slice_size if kind is ChannelKind.EMAIL else rt.settings.slice_size
    if urgent and kind is not ChannelKind.EMAIL:
        size *= rt.settings.lanes  # one lane takes what is there
    pool = rt.definition(tenant_id, run_id).mailers if kind is ChannelKind.EMAIL else ()
    while (began := rt.clock.elapsed()) < ends:
        share = size if urgent else rt.giving_way.share(Work(f"{kind}.dispatch"), size)
        if not share:
            return True
        mailer, rate = rt.mailers.pick(pool), rt.settings.rate_of(kind)
        if pool and mailer is None:
            log.error("no email account of the run has its credential in the environment of this worker", run=run_id)
            return True
        claimed = rt.store.claim_messages(
            tenant_id,
            run_id,
            kind,
            limit=share,
            lease=rt.settings.lease,
            now=rt.now(),
            provider=rt.channel(kind).name,
            rules=rt.definition(tenant_id, run_id),
            rate=within_own(rate, mailer) if mailer else rate,
        )
        if claimed.attempts and _too_late(rt, began):
            log.warning("too late to send what was claimed, left to be looked into", run=run_id)
            return False
        if claimed.attempts:
            news = await _send(rt, kind, claimed.attempts, tally, mailer)
            _bring_home(rt, tenant_id, run_id, news)
        if claimed.settled:
            rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, claimed.settled))
        if claimed.retry_at is not None:
            rt.slowed[run_id, kind] = rt.clock.elapsed() + SLOWED_SECONDS
        if claimed.retry_at is not None or not (claimed.more or (claimed.attempts and not urgent)):
            return True  # the next tick hints again when the rate allows more; other runs need this process too
    return False


def _bring_home(rt: Runtime, tenant_id: str, run_id: str, news: list[tuple[AttemptFacts, Decide]]) -> None:
    """Commit what the provider said, and the steps it leads to."""
    settled = settle(rt, news, patience=SETTLE_PATIENCE_SECONDS, step=partial(step_now, rt))
    for channel in sorted(settled.owed):
        rt.hint(Hint(Work(f"{channel}.dispatch"), tenant_id, run_id, len(news)))
    if settled.put_by:
        rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, settled.put_by))


def _too_late(rt: Runtime, began: float) -> bool:
    """Whether this process or its machine has stood still since it began to claim.

    Others may take it for dead by now and look into its messages; one sent from here on could be a second copy. From
    here to the socket the channel watches the clock: no request is written after its timeout.
    """
    return rt.clock.elapsed() - began > rt.settings.lease_seconds / 2


async def _send(
    rt: Runtime,
    kind: ChannelKind,
    attempts: tuple[AttemptFacts, ...],
    tally: Counter[Certainty],
    mailer: EmailAccount | None,
) -> list[tuple[AttemptFacts, Decide]]:
    definition = rt.definition(attempts[0].tenant_id, attempts[0].run_id)
    book, options = definition.book, rt.options(definition)
    messages = [build_message(a.channel, a.attempt_id, a.to, a.sender, a.content) for a in attempts]
    if mailer is None:
        results = await rt.channel(kind).send(messages)
    else:
        own = definition.senders[kind]
        mails = [from_account(mailer, message, own) for message in messages]
        answers = await rt.channel(kind, mailer.credential_ref).send(mails)
        results = rt.mailers.learn(mailer, definition.mailers, answers)
    tally.update(result.certainty for result in results)
    return [
        (attempt, partial(settlement.from_result, result=result, book=book, now=rt.now(), options=options))
        for attempt, result in zip(attempts, results, strict=True)
    ]
