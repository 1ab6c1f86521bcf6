"""Ties the runtime to the life of Celery's processes."""

import gc
from typing import Any

from celery.signals import (
    celeryd_after_setup,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)

from worker.runtime.logs import configure_logging
from worker.runtime.settings import load_settings
from worker.tasks import process
from worker.tasks.queues import Queue


@setup_logging.connect
def _log_our_way(**_: Any) -> None:
    configure_logging(load_settings())


@celeryd_after_setup.connect
def _queues_are_known(instance: Any = None, **_: Any) -> None:
    process.serve_events(reads=Queue.EVENTS.value in instance.app.amqp.queues.consume_from)


@worker_process_init.connect
def _child_starts(**_: Any) -> None:
    # What was imported lives as long as the process: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    process.start_pulse()


@worker_ready.connect
def _worker_starts(sender: Any = None, **_: Any) -> None:
    # Pools without child processes (solo, threads) do the work in this very process; it ticks here.
    if not sender.controller.pool_cls.__module__.endswith("prefork"):
        process.start_pulse()


@worker_process_shutdown.connect
def _child_stops(**_: Any) -> None:
    process.stop_process()
