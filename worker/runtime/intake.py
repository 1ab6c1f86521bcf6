"""What providers tell us: verified, put into the inbox under a unique key, applied once, at once or later.

1. Verification comes first; what is not signed changes nothing and is answered 403.
2. The inbox row is committed before we answer 200: after that the news is ours and cannot be lost. What a person says
   takes effect in that very commit, and so does a receipt where it can (`receipts`).
3. News for an attempt nobody knows yet is kept and tried again: a callback may overtake our own commit.
4. News that cannot be applied is kept and tried again too; it does not stop the rest.
5. As news comes in, old news is forgotten, after NEWS_DAYS.
6. An opt-out takes effect also where its run is archived and nobody knows the attempt any more: it names the address.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from channels.base import Callback, Channel
from channels.messages import ChannelKind
from channels.results import Keyword, Receipt, Reply
from worker.domain.attempt import AttemptFacts
from worker.domain.dispositions import SYSTEM
from worker.domain.events import OptedOut, Replied
from worker.engine import outcomes, settlement
from worker.runtime import receipts
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.inbox_codec import decode, encode
from worker.runtime.settle import settle
from worker.store.errors import CommitUnknown
from worker.store.inbox_rows import Added, Heard, InboxEntry, InboxRow
from worker.store.rows import Suppression

log = structlog.get_logger()

BATCH = 500
BUDGET_SECONDS = 8.0
"""How long one task keeps applying; the tick hints again at what is left."""
FORGOTTEN_AT_ONCE = 500
FORGETS_EVERY_SECONDS = 60.0
"""Between two looks for old news of one process, unless the last has found all that it could take."""


News = tuple[InboxEntry, Receipt | Reply]
"""What is to be kept of a piece of news, and our reading of it."""


class Intake:
    """Takes callbacks of one HTTP process into the inbox, many in one commit.

    Callbacks that arrive while a commit is under way wait for the next one together: one fsync for all of them.
    """

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._waiting: list[tuple[Sequence[News], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._hinting: asyncio.Future[None] | None = None
        self._forgets_at = 0.0

    async def take(self, channel: Channel[Any], callback: Callback) -> Sequence[Receipt | Reply]:
        """Verify, parse, commit. Raises BadSignature or BadCallback, and whatever the database raises."""
        items = channel.receive(callback)
        if items:
            done = asyncio.get_running_loop().create_future()
            self._waiting.append(([(_entry(self._rt, channel, item), item) for item in items], done))
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._write())
            await done
        return items

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                added = await asyncio.to_thread(self._keep, [one for news, _ in batch for one in news])
            except Exception as error:  # noqa: BLE001 - every caller is told; the provider will try again
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
            if (added.waiting or added.runs) and (self._hinting is None or self._hinting.done()):
                # Nobody waits for it, and there is one at a time: a slow broker must not hold up the next commit.
                self._hinting = asyncio.get_running_loop().run_in_executor(None, self._hint, added)

    def _keep(self, news: Sequence[News]) -> Added:
        added = keep(self._rt, news)
        if self._rt.clock.elapsed() >= self._forgets_at and self._forget_some() < FORGOTTEN_AT_ONCE:
            self._forgets_at = self._rt.clock.elapsed() + FORGETS_EVERY_SECONDS
        return added

    def _forget_some(self) -> int:
        try:
            return forget(self._rt)
        except (DBAPIError, CommitUnknown):
            log.exception("old news is not forgotten yet")
            return 0

    def _hint(self, added: Added) -> None:
        if added.waiting:
            self._rt.hint(Hint(Work.INBOX, self._rt.settings.tenant_id, count=added.waiting))
        for tenant_id, run_id in sorted(added.runs):
            self._rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, 1))


def keep(rt: Runtime, news: Sequence[News]) -> Added:
    """Commit these, with what they change as far as that can be said at once."""
    try:
        return rt.store.inbox_add(receipts.judged(rt, news), rt.now())
    except receipts.UNREADABLE:
        log.exception("what receipts change cannot be written as they come in", count=len(news))
    return rt.store.inbox_add([entry for entry, _ in news], rt.now())


def forget(rt: Runtime) -> int:
    """Forget some of the news that came in NEWS_DAYS ago. Returns how many pieces."""
    before = rt.now() - timedelta(days=rt.settings.news_days)
    return rt.store.purge_inbox(rt.settings.tenant_id, before, limit=FORGOTTEN_AT_ONCE)


def _entry(rt: Runtime, channel: Channel[Any], item: Receipt | Reply) -> InboxEntry:
    return InboxEntry(
        tenant_id=rt.settings.tenant_id,
        provider=channel.name,
        event_key=item.event_key,
        payload=encode(channel.kind, item),
        raw=item.raw,
        heard=_heard(channel.kind, item) if isinstance(item, Reply) else None,
    )


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
    readable: list[tuple[InboxRow, Receipt]] = []
    for row in rows:
        with _setting_aside(rt, row):
            readable.append((row, decode(row.payload)))
    try:
        _apply_receipts(rt, readable)
    except receipts.UNREADABLE:
        for row, receipt in readable:
            with _setting_aside(rt, row):
                _apply_receipts(rt, [(row, receipt)])


@contextmanager
def _setting_aside(rt: Runtime, row: InboxRow) -> Iterator[None]:
    """What cannot be applied is looked at again later."""
    try:
        yield
    except receipts.UNREADABLE as error:
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


def _apply_receipts(rt: Runtime, rows: list[tuple[InboxRow, Receipt]]) -> None:
    facts = receipts.facts_of(rt, [(row.provider, receipt) for row, receipt in rows])
    known: dict[str, list[Receipt]] = defaultdict(list)
    facts_of: dict[str, AttemptFacts] = {}
    matched: list[int] = []
    unmatched: list[int] = []
    for (row, receipt), of in zip(rows, facts, strict=True):
        if receipts.is_of_an_alert(receipt):
            matched.append(row.inbox_id)
            continue
        if of is None:
            (matched if _opted_out(rt, row, receipt) else unmatched).append(row.inbox_id)
            continue
        facts_of[of.attempt_id] = of
        known[of.attempt_id].append(receipt)
        matched.append(row.inbox_id)
    _settle_in_rounds(rt, facts_of, known)
    rt.store.inbox_done(matched, rt.now())
    rt.store.inbox_defer(unmatched, rt.now())
    for run_id in sorted({one.run_id for one in facts_of.values()}):
        rt.hint(Hint(Work.ADVANCE, rt.settings.tenant_id, run_id, len(matched)))


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
        settle(
            rt,
            [
                (facts_of[attempt_id], receipts.decision(rt, facts_of[attempt_id], queue.pop(0)))
                for attempt_id, queue in queues.items()
            ],
        )
        queues = {attempt_id: queue for attempt_id, queue in queues.items() if queue}
        facts_of = {f.attempt_id: f for f in rt.store.attempt_facts(list(queues), rt.settings.tenant_id)}
