"""What providers tell us: verified, put into the inbox under a unique key, answered at once, applied once later.

1. Verification comes first; what is not signed changes nothing and is answered 403.
2. The inbox row is committed before we answer 200: after that the news is ours and cannot be lost. What a person says
   takes effect in that very commit.
3. News for an attempt nobody knows yet is kept and tried again: a callback may overtake our own commit.
4. News that cannot be applied is kept and tried again too; it does not stop the rest.
5. An opt-out takes effect also where its run is archived and nobody knows the attempt any more: it names the address.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import DataError

from channels.base import Callback, Channel
from channels.messages import ChannelKind
from channels.results import Keyword, Receipt, Reply
from worker.domain.alert import ATTEMPT_PREFIX
from worker.domain.attempt import AttemptFacts
from worker.domain.dispositions import SYSTEM
from worker.domain.events import OptedOut, Replied
from worker.engine import outcomes, settlement
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.inbox_codec import decode, encode
from worker.runtime.settle import settle
from worker.store.rows import Added, Heard, InboxEntry, InboxRow, Suppression

log = structlog.get_logger()

BATCH = 500
_OURS = (LookupError, TypeError, ValueError, DataError)
"""What one piece of news may raise, in us or in a database that cannot hold it. Anything else concerns them all."""
BUDGET_SECONDS = 8.0
"""How long one task keeps applying; the tick hints again at what is left."""


class Intake:
    """Takes callbacks of one HTTP process into the inbox, many in one commit.

    Callbacks that arrive while a commit is under way wait for the next one together: one fsync for all of them.
    """

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._waiting: list[tuple[list[InboxEntry], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._hinting: asyncio.Future[None] | None = None

    async def take(self, channel: Channel[Any], callback: Callback) -> Sequence[Receipt | Reply]:
        """Verify, parse, commit. Raises BadSignature or BadCallback, and whatever the database raises."""
        news = channel.receive(callback)
        entries = [
            InboxEntry(
                tenant_id=self._rt.settings.tenant_id,
                provider=channel.name,
                event_key=item.event_key,
                payload=encode(channel.kind, item),
                raw=item.raw,
                heard=_heard(channel.kind, item) if isinstance(item, Reply) else None,
            )
            for item in news
        ]
        if entries:
            done = asyncio.get_running_loop().create_future()
            self._waiting.append((entries, done))
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._write())
            await done
        return news

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                added = await asyncio.to_thread(self._keep, [e for entries, _ in batch for e in entries])
            except Exception as error:  # noqa: BLE001 - every caller is told; the provider will try again
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
            if added.new and (self._hinting is None or self._hinting.done()):
                # Nobody waits for it, and there is one at a time: a slow broker must not hold up the next commit.
                self._hinting = asyncio.get_running_loop().run_in_executor(None, self._hint, added)

    def _keep(self, entries: list[InboxEntry]) -> Added:
        return self._rt.store.inbox_add(entries, self._rt.now())

    def _hint(self, added: Added) -> None:
        self._rt.hint(Hint(Work.INBOX, self._rt.settings.tenant_id, count=added.new))
        for tenant_id, run_id in sorted(added.runs):
            self._rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, 1))


def apply_inbox(rt: Runtime) -> int:
    """Apply what is in the inbox, until a batch is not full or the time is up. Returns how many rows were done with.

    What comes in meanwhile has hints of its own. Who waited for an empty inbox would, while people are being sent to,
    do nothing else: every process would, and nobody would be stepped.
    """
    done = 0
    ends = rt.clock.elapsed() + BUDGET_SECONDS
    lease = timedelta(seconds=rt.settings.inbox_lease_seconds)
    while rt.clock.elapsed() < ends and rt.store.inbox_is_waiting(rt.settings.tenant_id):
        rows = rt.store.inbox_claim(rt.settings.tenant_id, limit=BATCH, lease=lease)
        _apply(rt, rows)
        done += len(rows)
        if len(rows) < BATCH:
            break
    return done


def _apply(rt: Runtime, rows: Sequence[InboxRow]) -> None:
    receipts: list[tuple[InboxRow, Receipt]] = []
    for row in rows:
        with _setting_aside(rt, row):
            receipts.append((row, decode(row.payload)))
    try:
        _apply_receipts(rt, receipts)
    except _OURS:
        for row, receipt in receipts:
            with _setting_aside(rt, row):
                _apply_receipts(rt, [(row, receipt)])


@contextmanager
def _setting_aside(rt: Runtime, row: InboxRow) -> Iterator[None]:
    """What cannot be applied is looked at again later."""
    try:
        yield
    except _OURS as error:
        log.exception("news cannot be applied", inbox=row.inbox_id)
        rt.store.inbox_defer([row.inbox_id], rt.now(), note=f"cannot be applied: {type(error).__name__}; see the log")


def _heard(kind: ChannelKind, reply: Reply) -> Heard:
    """What a person's text means to us."""
    stop = reply.keyword is Keyword.STOP
    return Heard(
        channel=kind,
        address=reply.sender,
        senders=tuple(ours for ours in (reply.to, reply.service) if ours),
        event=OptedOut(channel=kind) if stop else Replied(channel=kind, body=reply.body),
        suppress="STOP" if stop else "",
        lift=reply.keyword is Keyword.START,
    )


def _apply_receipts(rt: Runtime, receipts: list[tuple[InboxRow, Receipt]]) -> None:
    tenant_id = rt.settings.tenant_id
    ids = [receipt.attempt_id for _, receipt in receipts if receipt.attempt_id]
    by_id = {facts.attempt_id: facts for facts in rt.store.attempt_facts(ids, tenant_id)}
    refs: dict[str, list[str]] = defaultdict(list)
    for row, receipt in receipts:
        if not receipt.attempt_id:
            refs[row.provider].append(receipt.provider_ref)
    by_ref = {
        (provider, facts.provider_ref): facts
        for provider, its_own in refs.items()
        for facts in rt.store.facts_by_ref(its_own, provider, tenant_id)
    }
    known: dict[str, list[Receipt]] = defaultdict(list)
    facts_of: dict[str, AttemptFacts] = {}
    matched: list[int] = []
    unmatched: list[int] = []
    for row, receipt in receipts:
        if receipt.attempt_id.startswith(ATTEMPT_PREFIX):
            matched.append(row.inbox_id)  # of an alert to a supervisor; nobody waits for it
            continue
        facts = by_id.get(receipt.attempt_id) or by_ref.get((row.provider, receipt.provider_ref))
        if facts is None:
            (matched if _opted_out(rt, row, receipt) else unmatched).append(row.inbox_id)
            continue
        facts_of[facts.attempt_id] = facts
        known[facts.attempt_id].append(receipt)
        matched.append(row.inbox_id)
    _settle_in_rounds(rt, facts_of, known)
    rt.store.inbox_done(matched, rt.now())
    rt.store.inbox_defer(unmatched, rt.now())
    for run_id in sorted({facts.run_id for facts in facts_of.values()}):
        rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, len(matched)))


def _opted_out(rt: Runtime, row: InboxRow, receipt: Receipt) -> bool:
    """Suppress whoever opts out by a message of ours that is no longer known here; False if that is not the news."""
    if not (receipt.attempt_id and receipt.address):
        return False
    kind = ChannelKind(row.payload["channel"])
    rule = SYSTEM.get(outcomes.of_receipt(kind, receipt) or "")
    if rule is None or not rule.suppress:
        return False
    suppression = Suppression(channel=kind, address=receipt.address, reason=rule.code)
    rt.store.suppress(rt.settings.tenant_id, [suppression], rt.now())
    return True


def _settle_in_rounds(rt: Runtime, facts_of: dict[str, AttemptFacts], known: dict[str, list[Receipt]]) -> None:
    """One receipt per attempt and round, lowest rank first, so that each is judged on what the one before left."""
    queues = {attempt_id: sorted(items, key=settlement.rank_of) for attempt_id, items in known.items()}
    while queues:
        news = []
        for attempt_id, queue in queues.items():
            facts = facts_of[attempt_id]
            definition = rt.definition(facts.tenant_id, facts.run_id)
            decide = partial(
                settlement.from_receipt,
                receipt=queue.pop(0),
                book=definition.book,
                now=rt.now(),
                options=rt.options(definition),
            )
            news.append((facts, decide))
        settle(rt, news)
        queues = {attempt_id: queue for attempt_id, queue in queues.items() if queue}
        facts_of = {f.attempt_id: f for f in rt.store.attempt_facts(list(queues), rt.settings.tenant_id)}
