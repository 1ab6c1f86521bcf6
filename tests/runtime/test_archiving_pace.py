"""Archiving leaves the machine to whom it is there for: it rests longer while messages leave."""

import pytest

from tests.runtime.house import TENANT, TEXT
from worker.domain.run import RunStatus
from worker.runtime.archiving import REST, REST_ALONE, _Turn

STEP = 2.0
"""Seconds that one takes here."""


@pytest.mark.parametrize(
    ("status", "times"),
    [(RunStatus.RUNNING, REST), (RunStatus.PAUSED, REST_ALONE)],
    ids=["a run is running", "it is paused"],
)
def test_it_rests_longer_than_a_step_took_while_a_run_is_running(house, status, times):
    house.launch(TEXT)
    house.store.change_run_status(TENANT, house.run_id, status, house.rt.now())
    at, rests = [0.0], []
    house.rt.clock.elapsed, house.rt.clock.sleep = lambda: at[0], rests.append

    turn = _Turn(house.rt, "run_old")
    turn.step()
    at[0] += STEP
    turn.rest()

    assert rests == [STEP * times]
