"""Urgent work in the process that gives the hints: what is followed there, and what goes the ordinary way."""

import pytest

from tests.runtime.events_desk import ANN, entered, event, listen
from tests.runtime.house import TENANT
from worker.domain.enrollment import EnrollmentStatus
from worker.runtime import urgent as module
from worker.runtime.embedded import start_redis
from worker.runtime.event_stream import EventStream, connect
from worker.runtime.hints import Hint, Work
from worker.runtime.supervisor import Supervisor
from worker.runtime.urgent import UrgentTurns

STREAM = "campaigns:events"


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def client(tmp_path):
    with Supervisor(tmp_path / "redis") as supervisor, connect(start_redis(supervisor, tmp_path / "redis")) as opened:
        yield opened


@pytest.fixture
def turns():
    return UrgentTurns()


@pytest.fixture
def stream(house, client, turns):
    """A thread of a worker that reads events and takes turns; what it does not keep goes into `house.hints`."""
    rt = house.rt.beside(lambda hint: None if turns.keep(hint) else house.hints.append(hint))
    yield EventStream(rt, client, turns)
    rt.close_loop()


def urgent(work, run_id="run_1"):
    return Hint(work, TENANT, run_id, urgent=True)


def test_whoever_came_by_an_event_is_answered_by_whoever_read_it(house, client, stream):
    listen(house)
    stream._make_group()
    client.xadd(STREAM, {"event": event()})

    stream.read()

    assert [line["to"] for line in house.ledger()] == ["+12127365001"]
    assert house.hints == []


def test_the_next_turn_goes_on_where_the_last_one_ended_without_waiting_for_another_event(house, client, stream):
    listen(house)
    stream._make_group()
    client.xadd(STREAM, {"event": event()})
    stream.read()

    while stream.read() or stream._turns.are_due:
        pass

    assert [row.status for row in entered(house)] == [EnrollmentStatus.SETTLING]
    assert [hint for hint in house.hints if hint.urgent] == []


def test_work_that_raises_is_left_to_the_tick_and_the_next_event_is_read(house, client, stream, logged):
    listen(house)
    stream._make_group()
    stream._rt.channel = lambda *_: 1 / 0
    client.xadd(STREAM, {"event": event()})
    stream.read()
    del stream._rt.channel
    assert house.ledger() == []
    assert "urgent work left to the tick" in logged.getvalue()

    client.xadd(STREAM, {"event": event("k2", contact={**ANN, "phone": "+12127365002"})})
    stream.read()

    assert {line["to"] for line in house.ledger()} == {"+12127365001", "+12127365002"}


def test_nothing_is_kept_while_nobody_is_awake_to_take_it(turns):
    assert not turns.keep(urgent(Work.ADVANCE))
    turns.wake()
    assert turns.keep(urgent(Work.ADVANCE))
    assert turns.keep(urgent(Work.SMS))
    turns.drop()
    assert not turns.are_due
    assert not turns.keep(urgent(Work.ADVANCE))


def test_nobody_falls_asleep_over_what_is_due(turns):
    turns.wake()
    turns.keep(urgent(Work.ADVANCE))
    assert not turns.sleep()
    turns.drop()
    assert turns.sleep()


@pytest.mark.parametrize(
    "hint", [Hint(Work.ADVANCE, TENANT, "run_1"), urgent(Work.ENROLL), urgent(Work.CANCEL), urgent(Work.EVENTS, "")]
)
def test_only_steps_and_sends_of_urgent_runs_are_kept(turns, hint):
    turns.wake()

    assert not turns.keep(hint)


def test_a_stream_that_is_away_keeps_no_hints_from_the_others(house, client, stream):
    listen(house)
    stream._turns.wake()
    stream._turns.keep(urgent(Work.ADVANCE))
    stream._make_group = lambda: stream.stop() or client.execute_command("NO SUCH COMMAND")

    stream.run()

    assert not stream._turns.keep(urgent(Work.ADVANCE))
    assert not stream._turns.are_due


def test_a_turn_that_is_held_up_leaves_the_others_hints_to_them(turns, monkeypatch):
    moments = [0.0]
    monkeypatch.setattr(module, "elapsed", lambda: moments[-1])
    turns.wake()
    assert turns.keep(urgent(Work.ADVANCE))
    moments.append(1.1)  # as a provider that does not answer would do

    assert not turns.keep(urgent(Work.EMAIL))
    turns.wake()
    assert turns.keep(urgent(Work.EMAIL))
