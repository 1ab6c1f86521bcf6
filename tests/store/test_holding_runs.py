"""Who holds a run lets others add people to it, and nobody change it. SQLite has one writer: there nobody else can."""

import pytest
from sqlalchemy.exc import OperationalError

from tests.store.builders import NOW, TENANT, enrolled_run, new_run
from worker.domain.run import RunStatus
from worker.store import archived, enroll, event_runs, runs

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def claiming(store):
    """A transaction that has not ended."""
    with store.engine.begin() as conn:
        yield conn


@pytest.fixture
def other(store):
    """Another one, that does not wait long for rows."""
    with store.engine.begin() as conn:
        conn.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
        yield conn


def test_people_are_enrolled_while_others_claim(store, claiming, other):
    run_id = new_run(store, 3)
    assert runs.lock_running(claiming, TENANT, run_id)

    assert enroll.enroll_chunk(other, TENANT, run_id, 10, NOW).people == 3


def test_others_claim_while_people_are_enrolled(store, claiming, other):
    run_id = new_run(store, 3)
    enroll.enroll_chunk(other, TENANT, run_id, 10, NOW)

    claiming.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
    assert runs.lock_running(claiming, TENANT, run_id)


def test_a_run_is_not_changed_while_somebody_claims_of_it(store, claiming, other):
    run_id = enrolled_run(store, 3)
    runs.lock_running(claiming, TENANT, run_id)

    with pytest.raises(OperationalError, match="lock timeout"):
        runs.change_status(other, TENANT, run_id, RunStatus.PAUSED, NOW)


def test_a_run_is_not_changed_while_news_of_it_is_written(store, claiming, other):
    run_id = enrolled_run(store, 3)
    archived.require_people(claiming, TENANT, [run_id])

    with pytest.raises(OperationalError, match="lock timeout"):
        runs.lock(other, TENANT, run_id)


def test_nobody_is_enrolled_while_an_event_takes_people_out(store, claiming, other):
    run_id = new_run(store, 3)
    assert event_runs.hold(claiming, TENANT, {run_id: None})

    with pytest.raises(OperationalError, match="lock timeout"):
        enroll.enroll_chunk(other, TENANT, run_id, 10, NOW)


def test_one_at_a_time_enrolls(store, claiming, other):
    run_id = new_run(store, 3)
    enroll.enroll_chunk(claiming, TENANT, run_id, 1, NOW)

    with pytest.raises(OperationalError, match="lock timeout"):
        enroll.enroll_chunk(other, TENANT, run_id, 1, NOW)
