"""One runtime per process, made after fork, and the way its hints reach the broker.

1. A hint that cannot be published is dropped: the tick repeats it from the database.
2. So is one that follows the same hint too closely; the tick makes up for it within a second.
3. While the broker is away, publishing is not tried again for a moment, so that sending does not wait for it.
"""

import os
import threading
import time

import structlog
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.logs import configure_logging
from worker.runtime.settings import load_settings
from worker.runtime.tick import PERIOD_SECONDS, tick
from worker.store.facade import Store
from worker.tasks.app import app

log = structlog.get_logger()

HINT_EXPIRES_SECONDS = 30
"""A hint that nobody read by then is stale; the tick has sent newer ones."""

_MUTE_SECONDS = 2.0
_APART_SECONDS = 0.05
"""Between two hints of one process at the same work. A thousand callbacks need no thousand hints: a task drains all."""


class _Process:
    """What belongs to this process; a forked child starts without it."""

    def __init__(self) -> None:
        self.pid = 0
        self.runtime: Runtime | None = None
        self.muted_until = 0.0
        self.next_hint: dict[tuple[Work, str], float] = {}
        self.lock = threading.Lock()


_process = _Process()


def process_runtime() -> Runtime:
    """The runtime of this process."""
    with _process.lock:
        if _process.runtime is None or _process.pid != os.getpid():
            settings = load_settings()
            configure_logging(settings)
            _process.runtime = Runtime(settings, Store(settings.database_url), send_hint)
            _process.pid = os.getpid()
        return _process.runtime


def send_hint(hint: Hint) -> None:
    """Publish a hint, unless the same one has just been published or the broker is away."""
    now = time.monotonic()
    same = (hint.work, hint.run_id)
    if now < _process.muted_until or (not hint.share and now < _process.next_hint.get(same, 0.0)):
        return
    _process.next_hint[same] = now + _APART_SECONDS
    try:
        app.send_task(
            hint.work,
            (hint.tenant_id, hint.run_id, hint.count),
            queue=hint.work.partition(".")[0],
            expires=HINT_EXPIRES_SECONDS,
            argsrepr=hint_repr(hint),
            kwargsrepr="{}",
        )
    except (KombuError, RedisError, OSError):
        _process.muted_until = time.monotonic() + _MUTE_SECONDS
        log.warning("broker away, hint dropped; the tick repeats it", work=hint.work)


def hint_repr(hint: Hint) -> str:
    """How a hint's arguments read in Flower, such as `(run=run_01J…, n=100)`: ids and counts, nothing else."""
    parts = [f"run={hint.run_id}" if hint.run_id else "", f"n={hint.count}" if hint.count else ""]
    return f"({', '.join(part for part in parts if part)})"


def start_pulse() -> None:
    """Tick in the background for as long as this process lives."""
    threading.Thread(target=_pulse, name="pulse", daemon=True).start()


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
    """Release what this process holds."""
    if _process.runtime is not None and _process.pid == os.getpid():
        _process.runtime.close()
        _process.runtime = None
