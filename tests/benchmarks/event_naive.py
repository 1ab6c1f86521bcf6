"""The obvious design for events: one Celery task each, which sends with the SDK as it comes and records nothing.

Environment: NAIVE_REDIS_URL, NAIVE_STUB_URL. Worker: `celery -A event_naive worker -c 2`.
"""

import os
from functools import cache
from typing import Any

from celery import Celery
from twilio.rest import Client

app = Celery("event_naive", broker=os.environ["NAIVE_REDIS_URL"])
app.conf.update(task_acks_late=True, task_ignore_result=True)


@cache
def provider() -> Client:
    """The SDK's client with the HTTP client it brings, pointed at the stub."""
    client = Client("AC" + "5b" * 16, "token")
    client.api.base_url = os.environ["NAIVE_STUB_URL"]
    return client


@app.task(name="naive.event")
def on_event(event: dict[str, Any]) -> None:
    body = f"Your cart {event['data']['cartId']} is still here. Reply STOP to opt out."
    provider().messages.create(to=event["contact"]["phone"], from_="+12025550100", body=body)
