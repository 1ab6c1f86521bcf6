"""Time is the database's: what a machine's own clock shows changes nothing."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from channels.elapsed import elapsed
from tests.runtime.house import until
from worker.runtime.bootstrap import Runtime
from worker.runtime.clock import READINGS, SYNC_SECONDS, DatabaseClock
from worker.runtime.settings import Settings
from worker.store.facade import Store

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Server:
    """A database's clock, and the time that passes here; both are set by hand."""

    def __init__(self):
        self.at, self.passed, self.asked = NOON, 0.0, 0
        self.away = False
        self.connecting_takes = 0.0
        self.clock = DatabaseClock(self.read, lambda: self.passed)

    def read(self):
        self.asked += 1
        if self.away:
            raise OperationalError("SELECT", None, ConnectionRefusedError())
        self.passes(self.connecting_takes)
        self.connecting_takes = 0.0
        return self.at

    def passes(self, seconds, *, and_is_set_by=0.0):
        self.passed += seconds
        self.at += timedelta(seconds=seconds + and_is_set_by)


@pytest.fixture
def server():
    return Server()


@pytest.mark.parametrize("minutes_off", [-5, 5])
def test_a_worker_goes_by_the_databases_clock_however_far_its_own_is_off(sqlite_url, minutes_off):
    off = minutes_off * 60
    store = Store(sqlite_url, clock_ns=lambda: time.time_ns() + off * 10**9)
    rt = Runtime(Settings(_env_file=None), store, lambda _: None)

    shown = rt.now() - datetime.now(UTC)

    assert abs(shown - timedelta(seconds=off)) < timedelta(seconds=1)
    rt.close()


def test_between_two_looks_at_it_time_goes_on_without_asking(server):
    assert server.clock.now() == NOON
    server.passes(SYNC_SECONDS - 1)

    assert server.clock.now() == server.at
    assert server.asked == READINGS


def test_a_first_look_that_had_to_connect_puts_no_worker_ahead_of_the_others(server):
    server.connecting_takes = 0.4

    assert server.clock.now() == server.at


def test_a_database_whose_clock_is_set_is_followed_soon(server):
    server.clock.now()
    server.passes(SYNC_SECONDS + 1, and_is_set_by=120)
    server.clock.now()

    until(lambda: server.clock.now() == server.at, "the new time")


def test_while_the_database_is_away_time_goes_on(server):
    server.clock.now()
    server.away = True
    server.passes(SYNC_SECONDS + 1)

    assert server.clock.now() == server.at
    until(lambda: server.asked == READINGS + 1, "the look that failed")
    until(lambda: not any(thread.name == "clock" for thread in threading.enumerate()), "its end")
    assert server.clock.now() == server.at


def test_who_never_saw_the_database_has_no_time_to_go_by(server):
    server.away = True
    with pytest.raises(OperationalError):
        server.clock.now()

    server.away = False
    assert server.clock.now() == NOON


def test_what_passed_is_measured_on_a_clock_that_nobody_sets():
    before = elapsed()
    time.sleep(0.01)

    assert 0.01 <= elapsed() - before < 5
