"""The queues: one per kind of work, so that ops can scale and read them apart. Their names live here only."""

from enum import StrEnum


class Queue(StrEnum):
    """Names as Flower and `celery -Q` show them."""

    CONTROL = "control"
    SMS = "sms"
    EMAIL = "email"
    VOICE = "voice"
    INBOX = "inbox"
    RECONCILE = "reconcile"
