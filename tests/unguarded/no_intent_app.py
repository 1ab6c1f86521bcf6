"""Workers on `NoIntentStore`: `celery -A tests.unguarded.no_intent_app`. An assignment, no patch."""

from tests.unguarded import NoIntentStore
from worker.tasks import process
from worker.tasks.app import app

__all__ = ["app"]

process.Store = NoIntentStore
