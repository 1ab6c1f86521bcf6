"""One runtime per process, made after fork, and the way its hints reach the broker.

1. A hint that cannot be published is dropped: the tick repeats it from the database.
2. So is one that follows the same hint too closely; the tick makes up for it within a second.
3. While the broker is away, publishing is not tried again for a moment, so that sending does not wait for it.
4. A hint given before this process last looked at the same work says nothing new, and is passed over. Under load hints
   come in faster than they can be followed: were each one followed, all would be stale before their turn came.
"""

import os
import threading
import time
from dataclasses import replace

import structlog
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from worker.runtime.bootstrap import Runtime
from worker.runtime.event_stream import EventStream, connect
from worker.runtime.hints import Hint, Work
from worker.runtime.logs import configure_logging
from worker.runtime.settings import load_settings
from worker.runtime.tick import PERIOD_SECONDS, tick
from worker.runtime.urgent import UrgentTurns
from worker.store.codec import millis
from worker.store.facade import Store
from worker.tasks.app import app
from worker.tasks.queues import Queue

log = structlog.get_logger()

HINT_EXPIRES_SECONDS = 30
"""A hint that nobody read by then is stale; the tick has sent newer ones."""

_MUTE_SECONDS = 2.0
_APART_SECONDS = 0.05
"""Between two hints of one process at the same work. A thousand callbacks need no thousand hints: a task drains all."""
_CLOCKS_DIFFER_MS = 200
"""So differently two processes may read the database's clock. A hint passed over wrongly is repeated by a tick."""
_URGENT_CLOCKS_DIFFER_MS = 20
"""The same for urgent runs, whose many small batches have a hint each. Most often it was given by this very process."""

_SETTLED_SECONDS = 5.0
"""How long the answers to a last send may take to be written when a process ends."""


class _Process:
    """What belongs to this process; a forked child starts without it."""

    def __init__(self) -> None:
        self.pid = 0
        self.runtime: Runtime | None = None
        self.muted_until = 0.0
        self.next_hint: dict[tuple[Work, str], float] = {}
        self.looked: dict[tuple[Work, str], int] = {}
        """(work, run) -> when this process last began to look at it; milliseconds of the database's clock."""
        self.lock = threading.Lock()
        self.reads_events = False
        """Whether it also reads the event stream; told before the fork."""
        self.stream: EventStream | None = None
        self.reader: threading.Thread | None = None
        self.turns = UrgentTurns()


_process = _Process()


def process_runtime() -> Runtime:
    """The runtime of this process."""
    with _process.lock:
        if _process.runtime is None or _process.pid != os.getpid():
            settings = load_settings()
            configure_logging(settings)
            _process.runtime = Runtime(settings, Store(settings.database_url), _give)
            _process.pid = os.getpid()
        return _process.runtime


def send_hint(hint: Hint, at: int = 0) -> None:
    """Publish a hint, unless the same one has just been published or the broker is away.

    `at`: when it is given, in milliseconds of the database's clock; 0: it is never passed over.
    """
    now = time.monotonic()
    same = (hint.work, hint.run_id)
    held_back = not hint.share and not hint.urgent and now < _process.next_hint.get(same, 0.0)
    if now < _process.muted_until or held_back:
        return
    _process.next_hint[same] = now + _APART_SECONDS
    try:
        app.send_task(
            hint.work,
            (hint.tenant_id, hint.run_id, hint.count, at),
            queue=Queue.EVENTS if hint.urgent else hint.work.partition(".")[0],
            expires=HINT_EXPIRES_SECONDS,
            argsrepr=hint_repr(hint),
            kwargsrepr="{}",
        )
    except (KombuError, RedisError, OSError):
        _process.muted_until = time.monotonic() + _MUTE_SECONDS
        log.warning("broker away, hint dropped; the tick repeats it", work=hint.work)


def _give(hint: Hint) -> None:
    """What becomes of the hints of this process."""
    if not is_left_to_turns(hint):
        send_hint(hint, millis(process_runtime().now()))


def is_left_to_turns(hint: Hint) -> bool:
    """Whether the thread of this process that reads events follows this hint."""
    rt = process_runtime()
    urgent = replace(hint, urgent=hint.urgent or rt.is_urgent(hint.run_id))
    return _process.turns.keep(urgent)


def is_old(work: Work, run_id: str, at: int) -> bool:
    """Whether this process has begun to look at the same work after the hint was given; if not, it begins now."""
    rt = process_runtime()
    apart = _URGENT_CLOCKS_DIFFER_MS if rt.is_urgent(run_id) else _CLOCKS_DIFFER_MS
    if at and at + apart < _process.looked.get((work, run_id), 0):
        return True
    _process.looked[work, run_id] = millis(rt.now())
    return False


def hint_repr(hint: Hint) -> str:
    """How a hint's arguments read in Flower, such as `(run=run_01J…, n=100)`: ids and counts, nothing else."""
    parts = [f"run={hint.run_id}" if hint.run_id else "", f"n={hint.count}" if hint.count else ""]
    return f"({', '.join(part for part in parts if part)})"


def serve_events(*, reads: bool) -> None:
    """Say whether the processes of this worker read the event stream."""
    _process.reads_events = reads


def start_pulse() -> None:
    """Tick in the background for as long as this process lives, and read the event stream where that is its task."""
    threading.Thread(target=_pulse, name="pulse", daemon=True).start()
    if _process.reads_events:
        _process.reader = threading.Thread(target=_read_events, name="events", daemon=True)
        _process.reader.start()


def _read_events() -> None:
    turns = _process.turns
    rt = process_runtime().beside(lambda hint: None if turns.keep(hint) else send_hint(hint, millis(rt.now())))
    try:
        client = connect(rt.settings.redis_url)
    except ValueError:
        log.error("the event stream cannot be read from this kind of REDIS_URL; the other doors are open")  # noqa: TRY400 - the URL may hold a password
        return
    with client:
        _process.stream = EventStream(rt, client, turns)
        _process.stream.run()
        rt.close_loop()


def _pulse() -> None:
    rt = process_runtime()
    while True:
        try:
            tick(rt)
        except Exception:
            # The database may be away; the pulse must outlive that. The next beat tries again.
            log.exception("tick failed")
        time.sleep(PERIOD_SECONDS)


def stop_process() -> None:
    """Release what this process holds, after what it is sending for events has been answered."""
    if _process.stream is not None and _process.reader is not None and _process.runtime is not None:
        _process.stream.stop()
        _process.reader.join(2 * _process.runtime.settings.http_timeout_seconds + _SETTLED_SECONDS)
        _process.stream = _process.reader = None
    if _process.runtime is not None and _process.pid == os.getpid():
        _process.runtime.close()
        _process.runtime = None
