"""The stream door: events that anybody adds to a Redis Stream, read by a consumer group.

    XADD campaigns:events * event '{"type": "cart.abandoned", "key": "c-881", "contact": {"email": …}}'

1. An entry is acknowledged and deleted once its event has been committed, never before. Until then it is in the
   stream, and when we die another consumer takes it over; its key makes the second copy nothing.
2. Redis or the database may be away: reading goes on when they are back. What is lost with Redis was not accepted. It
   goes on after whatever else happens, too: nobody would start it again.
3. One stream serves one tenant, as a process does: give each tenant's processes an EVENT_STREAM of their own.
"""

import threading
from collections.abc import Sequence
from typing import Any, Final

import redis
import structlog
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.exc import SQLAlchemyError

from worker.runtime import events
from worker.runtime.bootstrap import Runtime
from worker.runtime.giving_way import LATE_SECONDS
from worker.runtime.urgent import UrgentTurns
from worker.store.errors import StoreError

log = structlog.get_logger()

GROUP: Final = "campaigns"
FIELD: Final = b"event"
_BLOCK_MS: Final = 1000
_TAKE_OVER_SECONDS: Final = 15.0
_IDLE_SECONDS: Final = 30.0
"""An entry that a consumer has had for so long is taken over: accepting takes milliseconds."""
_GONE_MS: Final = 3_600_000
"""A consumer that has nothing and has not asked for so long is forgotten."""
_PAUSE_SECONDS: Final = 1.0
_BATCH_SECONDS: Final = 0.05
"""Under load a batch is left so long to gather: a transaction costs much more than the event in it."""

Entry = tuple[bytes, dict[bytes, bytes]]


def connect(url: str) -> redis.Redis:
    """A client for REDIS_URL as Celery has it. Raises ValueError for a kind of address it does not know."""
    url = url.replace("redis+socket://", "unix://", 1)
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, health_check_interval=10)


class EventStream:
    """One consumer of the group. `idle_seconds`: after how long it takes over what another one has had.

    `turns`: taken here, if those whom events bring in are to be stepped and answered from here.
    """

    def __init__(
        self,
        rt: Runtime,
        client: redis.Redis,
        turns: UrgentTurns | None = None,
        *,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self._rt, self._client, self._turns = rt, client, turns or UrgentTurns()
        self._idle_ms = round(1000 * idle_seconds)
        self._name = rt.settings.event_stream
        self._stopped = threading.Event()
        self._next_look = 0.0

    def stop(self) -> None:
        """Let `run` end after what it is doing."""
        self._stopped.set()

    def run(self) -> None:
        """Read until stopped."""
        while not self._stopped.is_set():
            try:
                self._make_group()
                while not self._stopped.is_set():
                    self.read()
            except (RedisError, OSError) as error:
                log.warning("event stream away; reading goes on when it is back", error=type(error).__name__)
            except Exception:
                log.exception("event stream could not be read; reading goes on")
            self._turns.drop()
            self._stopped.wait(_PAUSE_SECONDS)

    def read(self) -> int:
        """Take what is there, waiting a moment for it, and a turn. Returns how many entries were accepted."""
        now = self._rt.clock.elapsed()
        entries: Sequence[Entry] = ()
        if now >= self._next_look:
            entries = self._abandoned()
            self._next_look = now if entries else now + _TAKE_OVER_SECONDS
        if not entries:
            entries = self._new()
        if not entries and not self._turns.are_due:
            return 0
        self._turns.wake()
        self._take(entries)
        self._turns.take(self._rt)
        if len(entries) < events.BATCH:
            self._stopped.wait(max(0.0, now + _BATCH_SECONDS - self._rt.clock.elapsed()))
        return len(entries)

    def _make_group(self) -> None:
        """From the beginning of the stream: what was added before we came is for us too."""
        try:
            self._client.xgroup_create(self._name, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _new(self) -> Sequence[Entry]:
        block = _BLOCK_MS if self._turns.sleep() else None
        found: Any = self._client.xreadgroup(GROUP, self._rt.owner, {self._name: ">"}, count=events.BATCH, block=block)
        return found[0][1] if found else ()

    def _abandoned(self) -> Sequence[Entry]:
        """What other consumers have had for too long, and what we had before we lost the connection."""
        for consumer in self._client.xinfo_consumers(self._name, GROUP):
            if not consumer["pending"] and consumer["idle"] > _GONE_MS:
                self._client.xgroup_delconsumer(self._name, GROUP, consumer["name"])
        found: Any = self._client.xautoclaim(
            self._name, GROUP, self._rt.owner, min_idle_time=self._idle_ms, start_id="0-0", count=events.BATCH
        )
        return [entry for entry in found[1] if entry[1] is not None]

    def _take(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        while True:
            try:
                rows = events.accept_texts(self._rt, [fields.get(FIELD, b"") for _, fields in entries])
                break
            except (SQLAlchemyError, StoreError) as error:
                log.warning("database away; events stay in the stream", error=type(error).__name__)
                if self._stopped.wait(_PAUSE_SECONDS):
                    return
        ids = [entry_id for entry_id, _ in entries]
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xack(self._name, GROUP, *ids)
            pipeline.xdel(self._name, *ids)
            pipeline.time()
            *_, (seconds, micros) = pipeline.execute()
        if seconds + micros / 1e6 - _added_at(ids[0]) > LATE_SECONDS:
            self._rt.giving_way.events_are_late()
        self._apply(rows)

    def _apply(self, rows: Sequence[Any]) -> None:
        try:
            events.apply(self._rt, rows)
        except Exception:
            log.exception("events left to the tick", count=len(rows))


def _added_at(entry_id: bytes) -> float:
    """When an entry was added, in seconds of the broker's clock: its id begins with the milliseconds."""
    return int(entry_id.partition(b"-")[0]) / 1000
