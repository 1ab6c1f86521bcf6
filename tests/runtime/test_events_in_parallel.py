"""Several processes apply events of the same people in different orders, on PostgreSQL, where they truly meet."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import event as hook

from tests.runtime.events_desk import WAIT, entered, event, listen
from tests.runtime.house import TENANT, House, person
from worker.runtime import events
from worker.runtime.advance import advance
from worker.store.document_tables import contacts

PEOPLE, PROCESSES, ROUNDS = 100, 4, 6
COMES_AND_GOES = {
    "triggers": [{"event": "cart.abandoned", "reentry": "oneAtATime"}],
    "cancelOn": [{"event": "order.placed"}],
}


@pytest.fixture
def database_url(postgres_url):
    return postgres_url


def sent_by(process: int, turn: int) -> list[str]:
    """What one process has of everybody, in an order of its own. Every other one tells something new of them.

    Orders come in every other turn, so that somebody who was brought in twice is seen in the one between.
    """
    sent = []
    for n in range(PEOPLE):
        about = {"phone": person(n).phone, **({"city": f"{process} {turn}"} if process % 2 else {})}
        kinds = ("cart.abandoned",) if turn % 2 else ("order.placed", "cart.abandoned", "order.placed")
        sent += [event(f"{process} {turn} {n} {place}", kind, about) for place, kind in enumerate(kinds)]
    random.Random(f"{process} {turn}").shuffle(sent)
    return sent


def test_who_comes_and_goes_in_many_orders_is_in_once_at_most_and_nobody_waits_in_a_circle(house: House):
    listen(house, WAIT, people=PEOPLE // 2, **COMES_AND_GOES)
    others, deadlocks = [house.runtime() for _ in range(PROCESSES)], []
    for rt in others:
        hook.listen(rt.store.engine, "handle_error", lambda met: deadlocks.append(met.original_exception))

    with ThreadPoolExecutor(PROCESSES) as pool:
        for turn in range(ROUNDS):
            meet = Barrier(PROCESSES)

            def work(process: int, turn: int = turn, meet: Barrier = meet) -> None:
                rows = events.accept_texts(others[process], sent_by(process, turn))
                meet.wait()
                events.apply(others[process], rows)
                advance(others[process], TENANT, house.run_id)

            list(pool.map(work, range(PROCESSES)))
            open_of = Counter(row.contact_id for row in entered(house) if row.finished_at is None)
            assert set(open_of.values()) <= {1}
            assert turn % 2 == 0 or len(open_of) == PEOPLE

    assert [error for error in deadlocks if isinstance(error, DeadlockDetected)] == []
    assert len(house.rows(contacts)) == PEOPLE
    assert not house.store.events_are_waiting(TENANT)
    assert Counter(one.status for one in house.store.list_events(TENANT, dead=True, limit=9)) == {}
