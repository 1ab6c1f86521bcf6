"""Ties the runtime to the life of Celery's processes."""

import gc
import os
from typing import Any, Final

from celery.signals import (
    celeryd_after_setup,
    setup_logging,
    worker_before_create_process,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from worker.runtime.logs import configure_logging
from worker.runtime.settings import load_settings
from worker.tasks import process
from worker.tasks.queues import Queue

_GIVES_WAY: Final = 10
"""How nice (nice(2)) a worker is that serves no events: where the processor is short, broadcasts wait for events."""


@setup_logging.connect
def _log_our_way(**_: Any) -> None:
    configure_logging(load_settings())


@celeryd_after_setup.connect
def _queues_are_known(instance: Any = None, **_: Any) -> None:
    reads = Queue.EVENTS.value in instance.app.amqp.queues.consume_from
    process.serve_events(reads=reads)
    if not reads:
        os.nice(_GIVES_WAY)


@worker_before_create_process.connect
def _child_is_made(**_: Any) -> None:
    # What was imported lives as long as the process. A collector that looked at it again and again would cost time, and
    # each child a copy of it: looking writes into every object, and a page that is written to is shared no more.
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _child_starts(**_: Any) -> None:
    process.start_pulse()


@worker_ready.connect
def _worker_starts(sender: Any = None, **_: Any) -> None:
    # Pools without child processes (solo, threads) do the work in this very process; it ticks here.
    if not sender.controller.pool_cls.__module__.endswith("prefork"):
        process.start_pulse()


@worker_process_shutdown.connect
@worker_shutdown.connect
def _process_stops(**_: Any) -> None:
    # A child, or the one process of a pool without children; the parent of a pool holds nothing.
    process.stop_process()
