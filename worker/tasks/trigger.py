"""The Celery door: `campaigns.trigger`, which any Celery application can send by its name.

    app.send_task("campaigns.trigger", kwargs={"type": …, "key": …, "contact": {…}}, queue="events")

1. The sender needs nothing of ours but the broker, with `global_keyprefix: camp:` in its transport options.
2. An event that cannot be committed goes back to the queue: it is never lost between broker and database.
3. Its arguments are about a person. What Flower and task events are told of them is nothing, whatever the sender says.
"""

import json
import time
from typing import Any, Final

import structlog
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.worker.request import Request
from sqlalchemy.exc import SQLAlchemyError

from worker.runtime import events
from worker.store.errors import StoreError
from worker.tasks.app import app
from worker.tasks.process import process_runtime

log = structlog.get_logger()

_PAUSE_SECONDS: Final = 1.0


class Quiet(Request):
    """A request that shows none of its arguments: to task events, to Flower, or to whoever inspects the worker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr, self._kwargsrepr = "()", "{}"

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - Celery's own signature
        return {**super().info(safe=safe), "args": "()", "kwargs": "{}"}


class Trigger(app.Task):
    """A task whose requests are quiet."""

    Request = Quiet


@app.task(base=Trigger, name="campaigns.trigger", typing=False, reject_on_worker_lost=True)
def trigger(*args: Any, **event: Any) -> dict[str, int]:
    """Take one event: as keyword arguments, or as one argument, an object or its JSON."""
    sent = args[0] if args else event
    text = sent if isinstance(sent, str) else json.dumps(sent, default=str)
    try:
        return {"accepted": events.take(process_runtime(), [text])}
    except (SQLAlchemyError, StoreError, SoftTimeLimitExceeded, MemoryError, OSError) as error:
        log.warning("the event goes back to the queue; its key makes a second copy nothing", error=type(error).__name__)
        time.sleep(_PAUSE_SECONDS)  # it comes back at once, most likely to us
        raise Reject(requeue=True) from error
