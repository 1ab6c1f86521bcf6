"""Somebody else's Celery application: it knows the broker and the name of one task, and imports nothing of ours."""

from collections.abc import Mapping
from typing import Any

from celery import Celery


def make_shop(redis_url: str) -> Celery:
    shop = Celery("shop")
    shop.conf.update(broker_url=redis_url, broker_transport_options={"global_keyprefix": "camp:"})
    return shop


def abandon_cart(shop: Celery, key: str, contact: Mapping[str, Any], **data: Any) -> None:
    event = {"type": "cart.abandoned", "key": key, "contact": dict(contact), "data": data}
    shop.send_task("campaigns.trigger", kwargs=event, queue="events")
