"""Queue events: read, accepted, applied. Three doors lead here, and all do the same.

1. Accepted means committed: an event is in the database before anybody is told that we have it. From then on neither
   the broker nor this process is needed for it.
2. Who can be answered is told what cannot be read, and nothing is kept. What comes through the other doors is kept
   dead, with the reason.
3. What has been accepted is applied at once by the same process; what that leaves undone the tick finds when the lease
   is over.
4. An event that cannot be applied is set aside and tried again; it does not stop the rest. Nor does one that cannot be
   kept as it came.
5. What is older than EVENT_KEY_DAYS is forgotten by any worker, whatever doors are used: the tick finds it.
"""

import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy.exc import DataError, IntegrityError

from worker.domain.faults import Fault, Invalid
from worker.domain.queue_event import LARGEST, QueueEvent, legible, malformed_key, read_event
from worker.runtime.advance import step_now
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.schema import strict_json
from worker.schema.strict_json import NotStrict
from worker.store.event_rows import EventEntry, EventRow
from worker.store.rows import EnrollmentClaim

log = structlog.get_logger()

BATCH: Final = 500
BUDGET_SECONDS: Final = 3.0
"""How long one task keeps applying; the tick hints again at what is left."""
PURGED_AT_ONCE: Final = 2000
_NOTE_LONGEST: Final = 500
_OURS: Final = (LookupError, TypeError, ValueError, DataError, IntegrityError)
"""What one event may raise, in us or in a database that cannot hold it. Anything else concerns them all."""


def read(rt: Runtime, value: Any, key: str = "") -> EventEntry:
    """An event as a caller who hears of it sent it. `key` is the one of the request. Raises Invalid."""
    return _entry(read_event(value, received_at=rt.now(), region=rt.settings.default_region, key=key))


def read_text(rt: Runtime, text: str | bytes) -> EventEntry:
    """An event as somebody sent it who hears nothing of it. What cannot be read is dead, under a key of ours."""
    raw, value = text.encode() if isinstance(text, str) else text, None
    try:
        value = _json(raw)
        return read(rt, value)
    except Invalid as error:
        return _malformed(rt, raw, _told(error.faults), said=legible(value))
    except NotStrict as error:
        return _malformed(rt, raw, f"{error}; {_told(error.faults)}".removesuffix("; "))
    except ValueError as error:
        return _malformed(rt, raw, str(error))


def _told(faults: Sequence[Fault]) -> str:
    return "; ".join(str(fault) if fault.path else f"the event{fault}" for fault in faults)


def _json(raw: bytes) -> Any:
    if len(raw) > LARGEST:
        raise ValueError(f"has {len(raw):,} bytes; an event has at most {LARGEST:,}, and it was not kept")
    try:
        return strict_json.read(raw.decode())
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None


def _entry(event: QueueEvent) -> EventEntry:
    return EventEntry(key=event.key, type=event.type, occurred_at=event.occurred_at, payload=event.to_json())


def _malformed(rt: Runtime, raw: bytes, why: str, *, said: tuple[str, str] = ("", ""), kept: bool = True) -> EventEntry:
    """What could not be read. `said`: the type and the key it gave itself."""
    type_, key = said
    shown = raw.decode(errors="backslashreplace") if kept and len(raw) <= LARGEST else ""
    return EventEntry(
        key=malformed_key(hashlib.sha256(raw).hexdigest(), key),
        type=type_,
        occurred_at=rt.now(),
        payload={"malformed": shown},
        note=why[:_NOTE_LONGEST],
    )


def accept(rt: Runtime, entries: Sequence[EventEntry]) -> list[EventRow]:
    """Commit these. Returns those that are new, to be applied by us. Raises whatever the database raises."""
    return rt.store.accept_events(rt.settings.tenant_id, entries, rt.now(), lease=_lease(rt))


def accept_texts(rt: Runtime, texts: Sequence[str | bytes]) -> list[EventRow]:
    """Accept events of senders who hear nothing of it. One that breaks us is dead, and does not stop the rest."""
    try:
        return accept(rt, [read_text(rt, text) for text in texts])
    except _OURS as error:
        if len(texts) > 1:
            return [row for text in texts for row in accept_texts(rt, [text])]
        log.exception("event cannot be kept")
        [text] = texts
        raw = text.encode(errors="backslashreplace") if isinstance(text, str) else text
        why = f"cannot be kept: {type(error).__name__}; see the log"
        return accept(rt, [_malformed(rt, raw, why, kept=False)])


def take(rt: Runtime, texts: Sequence[str | bytes]) -> int:
    """Read, accept and apply. Returns how many were new and could be read."""
    rows = accept_texts(rt, texts)
    apply(rt, rows)
    return len(rows)


def look(rt: Runtime) -> int:
    """Apply what waits, and forget some of what is too old. Returns how many events were done with."""
    done = apply_waiting(rt)
    purge(rt)
    return done


def apply_waiting(rt: Runtime) -> int:
    """Apply what waits, until nothing does or the time is up. Returns how many events were done with."""
    done = 0
    ends = rt.clock.elapsed() + BUDGET_SECONDS
    while rt.clock.elapsed() < ends and rt.store.events_are_waiting(rt.settings.tenant_id):
        rows = rt.store.claim_events(rt.settings.tenant_id, limit=BATCH, lease=_lease(rt))
        if not rows:
            break
        done += apply(rt, rows)
    return done


def apply(rt: Runtime, rows: Sequence[EventRow], *, steps: bool = True) -> int:
    """Apply events that we hold, all of them in one transaction; if one of them breaks it, each by itself.

    `steps`: whoever enters takes the first step at once; what may break with it must not keep the event.
    """
    if not rows:
        return 0
    try:
        return _apply(rt, rows, steps=steps)
    except _OURS as error:
        if len(rows) > 1:
            return sum(apply(rt, [row]) for row in rows)
        [row] = rows
        if steps:
            return apply(rt, [row], steps=False)
        log.exception("event cannot be applied", row=row.event_id)
        rt.store.defer_event(row.event_id, f"cannot be applied: {type(error).__name__}; see the log")
        return 0


def _apply(rt: Runtime, rows: Sequence[EventRow], *, steps: bool) -> int:
    tenant_id, applied = rt.settings.tenant_id, None
    first = partial(step_now, rt) if steps else _no_step
    while applied is None:
        listening = {run_id: rt.listening(tenant_id, run_id) for run_id in rt.store.listening_runs(tenant_id)}
        applied = rt.store.apply_events(tenant_id, rows, listening, rt.now(), first=first)
    # Each batch has hints of its own: one that was held back would leave its people to the tick.
    for run_id, count in applied.due.items():
        rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, count, share=1, urgent=run_id in applied.urgent))
    for run_id, kind in sorted(applied.owed):
        work = Work(f"{kind}.dispatch")
        rt.hint(Hint(work, tenant_id, run_id, len(rows), share=1, urgent=run_id in applied.urgent))
    return applied.done


def _no_step(_: EnrollmentClaim) -> None:
    return None


def replay(rt: Runtime, key: str = "") -> int:
    """Let a dead event be applied anew, or all of them. Returns how many."""
    count = rt.store.replay_events(rt.settings.tenant_id, key)
    if count:
        rt.hint(Hint(Work.EVENTS, rt.settings.tenant_id, count=count))
    return count


def forgotten_before(rt: Runtime) -> datetime:
    """Until when events, and with them their keys, are old enough to be forgotten: EVENT_KEY_DAYS ago."""
    return rt.now() - timedelta(days=rt.settings.event_key_days)


def purge(rt: Runtime) -> int:
    """Forget some of the events that are old enough; the tick sees whether there are more. Returns how many."""
    return rt.store.purge_events(rt.settings.tenant_id, forgotten_before(rt), limit=PURGED_AT_ONCE)


def _lease(rt: Runtime) -> timedelta:
    return timedelta(seconds=rt.settings.inbox_lease_seconds)


class Applying:
    """Applies what an HTTP process has accepted, in the background: many requests in one transaction."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._waiting: list[EventRow] = []
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")

    def add(self, rows: Sequence[EventRow]) -> None:
        """Apply these soon. Nobody waits for it; what fails here is applied when the lease is over."""
        if rows:
            with self._lock:
                self._waiting += rows
            self._thread.submit(self._apply)

    def close(self) -> None:
        """Wait until what was added has been applied."""
        self._thread.shutdown()

    def _apply(self) -> None:
        while True:
            with self._lock:
                rows, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                more = bool(self._waiting)
            if not rows:
                return
            try:
                if more:
                    self._rt.giving_way.events_are_late()
                apply(self._rt, rows)
            except Exception:
                log.exception("events left to the tick", count=len(rows))
