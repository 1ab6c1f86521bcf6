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
    EVENTS = "events"
    """Queue events, and all work of the runs they started: nobody who waits for an answer waits behind a broadcast."""
