"""Sends what is due on one channel: claim with intent, call the provider, commit what it said.

1. The intent is committed before the call, for exactly what will be in flight.
2. Whatever goes wrong between intent and result leaves the attempt `dispatching`; reconciliation finds out, not we.
3. What was launched against a sandbox is not sent to the vendors, nor the other way round, however a worker is set up.
4. Two lanes per process: while one slice is at the provider, the other is claimed or brought home. That is done in the
   thread of the loop: what arrives meanwhile waits in its socket, and threads that hand one interpreter to and fro cost
   more than they bring. A lane that breaks leaves the other to bring its answers home.
5. Where fewer are queued than are claimed at once, whoever is due is stepped in the commit of the claim.
6. Runs that nobody enters by an event give way while events come late.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
from worker.store.rows import Claimed
from worker.store.stepping import Step

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
    errand = _Errand(rt, tenant_id, run_id, kind)
    lanes = 1 if errand.urgent or kind is ChannelKind.EMAIL else rt.settings.lanes
    ends = rt.clock.elapsed() + (URGENT_BUDGET_SECONDS if errand.urgent else BUDGET_SECONDS)
    with _traced(errand):
        under_way = (_lane(errand, ends=ends, tally=tally) for _ in range(lanes))
        drained = await asyncio.gather(*under_way, return_exceptions=True)
    for outcome in drained:
        if isinstance(outcome, BaseException):
            raise outcome
    if not all(drained):
        rt.hint(Hint(Work(f"{kind}.dispatch"), tenant_id, run_id, rt.settings.slice_size, share=1))
    return tally


class _Errand:
    """What one task is about: a channel of a run, how much of it is claimed at once, and how people are stepped."""

    def __init__(self, rt: Runtime, tenant_id: str, run_id: str, kind: ChannelKind) -> None:
        self.rt, self.tenant_id, self.run_id, self.kind = rt, tenant_id, run_id, kind
        self.urgent = rt.is_urgent(run_id)  # what comes meanwhile has a hint of its own
        is_mail = kind is ChannelKind.EMAIL
        self.size = rt.settings.email_slice_size if is_mail else rt.settings.slice_size
        if self.urgent and not is_mail:
            self.size *= rt.settings.lanes  # one lane takes what is there
        self.definition = rt.definition(tenant_id, run_id)
        self.pool = self.definition.mailers if is_mail else ()
        self.step: Step | None = None
        """Takes steps in the commits of claims; None: they are not to be taken there."""

    def share(self) -> int:
        """How many may be claimed now."""
        if self.urgent:
            return self.size
        return self.rt.giving_way.share(Work(f"{self.kind}.dispatch"), self.size)

    def claim(self, limit: int, mailer: EmailAccount | None) -> Claimed:
        rt, rate = self.rt, self.rt.settings.rate_of(self.kind)
        return rt.store.claim_messages(
            self.tenant_id,
            self.run_id,
            self.kind,
            limit=limit,
            lease=rt.settings.lease,
            now=rt.now(),
            provider=rt.channel(self.kind).name,
            rules=self.definition,
            rate=within_own(rate, mailer) if mailer else rate,
            step=self.step,
        )

    def hint(self, work: Work, count: int) -> None:
        if count:
            self.rt.hint(Hint(work, self.tenant_id, self.run_id, count))


@contextmanager
def _traced(errand: _Errand) -> Iterator[None]:
    """Let people be stepped where they are claimed, unless somebody has died of that. In an urgent run others do it."""
    rt, run = errand.rt, (errand.tenant_id, errand.run_id)
    if errand.urgent or not rt.store.leave_trace(*run, rt.life, rt.settings.lease):
        yield
        return
    errand.step = partial(step_now, rt)
    yield  # what breaks off from here on, a time limit too, may be a step's fault: the trace stays
    rt.store.end_trace(*run, rt.life)


async def _lane(errand: _Errand, *, ends: float, tally: Counter[Certainty]) -> bool:
    """Slice after slice. True when nothing more may go now, False when time ran out first."""
    rt, run_id, kind, pool = errand.rt, errand.run_id, errand.kind, errand.pool
    while (began := rt.clock.elapsed()) < ends:
        if not (share := errand.share()):
            return True
        mailer = rt.mailers.pick(pool)
        if pool and mailer is None:
            log.error("no email account of the run has its credential in the environment of this worker", run=run_id)
            return True
        claimed = errand.claim(share, mailer)
        if claimed.attempts and _too_late(rt, began):
            log.warning("too late to send what was claimed, left to be looked into", run=run_id)
            return False
        if claimed.attempts:
            news = await _send(rt, kind, claimed.attempts, tally, mailer)
            _bring_home(errand, news)
        for channel in sorted(claimed.queued):
            errand.hint(Work(f"{channel}.dispatch"), claimed.stepped)
        errand.hint(Work.ADVANCE, claimed.settled)
        if claimed.retry_at is not None:
            rt.slowed[run_id, kind] = rt.clock.elapsed() + SLOWED_SECONDS
            return True  # the next tick hints again when the rate allows more; other runs need this process too
        went_on = (claimed.attempts or claimed.stepped) and not errand.urgent
        if not (claimed.more or went_on):
            return True
    return False


def _bring_home(errand: _Errand, news: list[tuple[AttemptFacts, Decide]]) -> None:
    """Commit what the provider said, and the steps it leads to."""
    settled = settle(errand.rt, news, patience=SETTLE_PATIENCE_SECONDS, step=partial(step_now, errand.rt))
    for channel in sorted(settled.owed):
        errand.hint(Work(f"{channel}.dispatch"), len(news))
    errand.hint(Work.ADVANCE, settled.put_by)


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
    now = rt.now()
    return [
        (attempt, partial(settlement.from_result, result=result, book=book, now=now, options=options))
        for attempt, result in zip(attempts, results, strict=True)
    ]
