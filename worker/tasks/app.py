"""The Celery application and its settings, each with the reason it is not the default.

1. Messages are hints: ids only, safe to lose, to double, to be late. Waits are rows in the database, never ETAs.
2. Queues are direct (anonymous exchange): a flushed Redis must not make publishing drop messages silently.
3. HTTP 15 s < soft limit 40 s < hard limit 55 s < lease 90 s < visibility timeout 300 s.
"""

import gc
from typing import Any, Final

from celery import Celery
from celery.signals import import_modules
from kombu.entity import Queue as BrokerQueue

from worker.runtime.settings import load_settings
from worker.tasks.queues import Queue

BROKER_OPTIONS: Final[dict[str, Any]] = {
    "visibility_timeout": 300,  # longer than the hard limit times the two messages a process holds
    "unacked_restore_interval": 5,  # the default sweep runs about every 100 s
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 15,  # a worker killed inside the sweep would block redelivery for 300 s
    "unacked_restore_limit": 1000,
    "socket_timeout": 5,  # without it a hung Redis blocks a publisher for ever
    "socket_connect_timeout": 5,
    "health_check_interval": 10,
    "retry_on_timeout": False,
    "max_connections": 50,
    "client_name": "campaign-worker",
    "global_keyprefix": "camp:",  # so that an ACL can confine us to our keys
}


def make_app(redis_url: str) -> Celery:
    """The application on this broker."""
    app = Celery("campaigns", include=["worker.tasks.tasks", "worker.tasks.trigger", "worker.tasks.lifecycle"])
    over_tcp = not redis_url.startswith("redis+socket")
    app.conf.update(
        broker_url=redis_url,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # the default gives up after 100 and the worker exits
        broker_connection_timeout=5,
        broker_pool_limit=10,
        broker_pool_acquire_timeout=5,  # a publisher never waits for ever for a connection
        broker_transport_options=BROKER_OPTIONS | ({"socket_keepalive": True} if over_tcp else {}),
        task_serializer="json",
        accept_content=["json"],  # pickle would let whoever writes to Redis run code
        result_accept_content=["json"],
        task_ignore_result=True,  # outcomes live in the database
        result_backend=None,
        task_acks_late=True,
        task_acks_on_failure=True,
        task_acks_on_timeout=True,
        task_reject_on_worker_lost=False,  # true is an endless loop for a poison message
        task_publish_retry=True,
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
        task_create_missing_queues=False,  # a typo must fail, not fill a queue nobody reads
        task_queues=[BrokerQueue(queue.value, routing_key=queue.value) for queue in Queue],
        task_default_queue=Queue.CONTROL.value,
        task_soft_time_limit=40,
        task_time_limit=55,
        task_track_started=True,
        worker_prefetch_multiplier=1,  # with late acks a worker reserves only what it runs
        worker_max_tasks_per_child=2000,
        worker_max_memory_per_child=400_000,  # KiB
        worker_soft_shutdown_timeout=30,
        worker_enable_soft_shutdown_on_idle=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # true kills a process in mid send
        worker_send_task_events=True,  # for Flower; with batch tasks it costs next to nothing
        task_send_sent_event=False,
        worker_hijack_root_logger=False,
        timezone="UTC",
        enable_utc=True,
        beat_max_loop_interval=5,
        beat_scheduler="celery.beat:Scheduler",  # the schedule is code; the default one keeps a file of it
        beat_schedule={
            "tick": {"task": "control.tick", "schedule": 2.0, "options": {"queue": "control", "expires": 4}},
        },
    )
    return app


@import_modules.connect
def _modules_are_imported(**_: Any) -> None:
    # None of it is garbage, and a tenth of the time until a worker is ready would go into looking for some.
    gc.set_threshold(50_000, 20, 20)


app = make_app(load_settings().redis_url)
