"""The database may hang up on any commit, before it or without saying that it is done: the process goes on, and
everybody gets every message once all the same.
"""

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from tests.crashes.aftermath import judge, recover
from tests.crashes.points import POINTS
from tests.crashes.scripts import CALLED_BACK, CANCELLED
from tests.crashes.seams import WRITES, Seams, WatchedRuntime
from tests.crashes.steps import Desk, cancel, pause, resume
from worker.domain.run import RunStatus
from worker.store.errors import CommitUnknown

COMMITS = {
    f"{point.seam} {point.moment}": point
    for point in reversed(POINTS.values())
    if point.seam in WRITES and point.script is not CALLED_BACK
}
"""The first point of each write, before its commit and after."""


@pytest.mark.parametrize("lasting_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("commit", COMMITS)
def test_whatever_commit_the_database_hangs_up_on_everybody_gets_every_message_once(site, commit):
    point = COMMITS[commit]
    request = point.script.save(site)
    seams = Seams(point.step, point.seam, point.moment, strike=lambda connection: _hang_up(site, connection))
    rt = WatchedRuntime(site.settings, seams, hint=lambda _: None)
    desk = Desk(rt, request, site.folder, None)

    for seams.step, work in point.script.steps.items():
        try:
            work(desk)
        except (DBAPIError, CommitUnknown):
            assert seams.struck
            if work in {pause, resume, cancel}:
                work(desk)  # whoever asked for it was told that nobody knows, and asks again
        if not desk.run_id:
            site.find_run(request)
            desk.run_id = site.run_id
    rt.close()
    assert seams.struck, "it never came there"

    site.find_run(request)
    point.script.close(site)
    leaves = RunStatus.CANCELLED if point.script is CANCELLED else RunStatus.COMPLETED
    recover(site, leaves)
    judge(site, leaves)


def _hang_up(site, connection):
    """End the server's side of a connection, and let ours see it."""
    ours = connection.driver_connection
    with psycopg.connect(site.database_url, autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [ours.info.backend_pid])
    ours.execute("SELECT 1")
