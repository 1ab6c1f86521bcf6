"""Workers on `NoGuaranteeStore`: `celery -A tests.unguarded.no_guarantee_app`. An assignment, no patch."""

from tests.unguarded import NoGuaranteeStore, stop_checking_lateness
from worker.tasks import process
from worker.tasks.app import app

__all__ = ["app"]

process.Store = NoGuaranteeStore
stop_checking_lateness()
