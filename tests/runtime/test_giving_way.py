"""Broadcasts give way while events come late: in small pieces and with rests, but never for good."""

import pytest

from tests.runtime.events_desk import ANN, event, listen, texts
from tests.runtime.house import TENANT, TEXT, until
from worker.runtime import events
from worker.runtime import launch as launching
from worker.runtime.embedded import start_redis
from worker.runtime.event_stream import EventStream, connect
from worker.runtime.events import Applying
from worker.runtime.giving_way import GivingWay
from worker.runtime.hints import Work
from worker.runtime.supervisor import Supervisor
from worker.runtime.urgent import UrgentTurns
from worker.store.enroll import Enrolled

STREAM = "campaigns:events"
PEOPLE = 130
PIECE = 100
"""What is done of so many people at once while events are late."""


class HandClock:
    """Measures what it is told to have measured."""

    seconds = 0.0

    def elapsed(self):
        return self.seconds


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def way(house, clock):
    """As another process sees it, whose clock is turned by hand."""
    return GivingWay(house.store, clock, TENANT, "another process")


def late(house):
    """Events are late; this process has not looked yet."""
    house.runtime().giving_way.events_are_late()


def test_while_no_event_is_late_a_broadcast_is_done_as_fast_as_it_can_be(way):
    assert [way.share(Work.ADVANCE, 500) for _ in range(3)] == [500, 500, 500]


def test_while_events_are_late_each_kind_of_work_is_done_in_a_small_piece_and_then_rests(house, way, clock):
    late(house)

    assert way.share(Work.ADVANCE, 500) == PIECE
    assert way.share(Work.ENROLL, 5000) == 1000
    assert way.share(Work.SMS, 20) == 20
    clock.seconds += 0.01
    assert [way.share(work, 500) for work in (Work.ADVANCE, Work.ENROLL, Work.SMS)] == [0, 0, 0]


def test_a_rest_ends_although_events_are_still_late(house, way, clock):
    late(house)
    assert way.share(Work.ADVANCE, 500) == PIECE

    clock.seconds += 1.0
    late(house)

    assert way.share(Work.ADVANCE, 500) == PIECE


def test_once_nobody_says_any_more_that_events_are_late_all_is_as_before(house):
    late(house)
    assert house.rt.giving_way.share(Work.ADVANCE, 500) == PIECE

    until(lambda: house.rt.giving_way.share(Work.ADVANCE, 500) == 500, "events to be on time again")


def test_another_tenants_events_hold_nobody_up(house, clock):
    late(house)

    assert GivingWay(house.store, clock, "another tenant", "a process").share(Work.ADVANCE, 500) == 500


def test_a_broadcast_is_stepped_and_sent_piece_by_piece_and_loses_nobody(house, way, clock):
    house.launch(TEXT, people=PEOPLE)
    house.store.take_lease(f"events:{TENANT}", "a worker", 60)
    house.rt.giving_way = way

    assert (house.advance(), house.advance()) == (PIECE, 0)
    assert [sum(house.dispatch().values()) for _ in range(2)] == [PIECE, 0]
    for _ in range(3):
        clock.seconds += 1.0
        house.advance()
        house.dispatch()
    assert len({line["to"] for line in house.ledger()}) == PEOPLE


def test_enrolling_rests_too_and_goes_on_where_it_was(house, way, clock):
    house.run_id = launching.launch(house.rt, house.save(TEXT, people=1100)).run.run_id
    house.store.take_lease(f"events:{TENANT}", "a worker", 60)
    house.rt.giving_way = way

    assert launching.enroll(house.rt, TENANT, house.run_id) == Enrolled(1000, more=True)
    assert launching.enroll(house.rt, TENANT, house.run_id) == Enrolled(0, more=True)
    clock.seconds += 1.0
    assert launching.enroll(house.rt, TENANT, house.run_id) == Enrolled(100, more=False)


@pytest.fixture
def client(tmp_path):
    with Supervisor(tmp_path / "redis") as supervisor, connect(start_redis(supervisor, tmp_path / "redis")) as opened:
        yield opened


@pytest.fixture
def stream(house, client):
    turns = UrgentTurns()
    rt = house.rt.beside(lambda hint: None if turns.keep(hint) else house.hints.append(hint))
    reader = EventStream(rt, client, turns)
    reader._make_group()
    yield reader
    rt.close_loop()


def test_a_reader_that_finds_an_event_waiting_too_long_says_so(house, client, stream):
    seconds, _ = client.time()
    client.xadd(STREAM, {"event": event()}, id=f"{1000 * (seconds - 5)}-0")

    stream.read()

    assert house.rt.giving_way.share(Work.ADVANCE, 500) == PIECE


def test_an_event_that_is_read_at_once_holds_nobody_up(house, client, stream):
    seconds, _ = client.time()
    client.xadd(STREAM, {"event": event()}, id=f"{1000 * (seconds + 5)}-0")

    stream.read()

    assert house.rt.giving_way.share(Work.ADVANCE, 500) == 500


def test_whoever_comes_by_an_event_does_not_give_way(house, client, stream):
    listen(house)
    house.store.take_lease(f"events:{TENANT}", "a worker", 60)
    for number in range(3):
        client.xadd(STREAM, {"event": event(f"k{number}", contact={**ANN, "phone": f"+1212736500{number}"})})
        stream.read()

    assert {line["to"] for line in house.ledger()} == {row.address for row in texts(house)}
    assert len(texts(house)) == 3


def test_events_that_pile_up_in_an_http_process_are_late_too(house, clock):
    listen(house)
    applying, held = Applying(house.rt), events.accept_texts(house.rt, [event(f"k{n}") for n in range(3)])
    applying.add(held * events.BATCH)
    applying.close()

    assert not house.store.lease_is_free(f"events:{TENANT}", "")
