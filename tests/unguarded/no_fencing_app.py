"""Workers on `NoFencingStore`: `celery -A tests.unguarded.no_fencing_app`. An assignment, no patch."""

from tests.unguarded import NoFencingStore, stop_checking_lateness
from worker.tasks import process
from worker.tasks.app import app

__all__ = ["app"]

process.Store = NoFencingStore
stop_checking_lateness()
