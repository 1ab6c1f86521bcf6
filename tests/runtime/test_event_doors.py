"""The Celery door and the stream door: what happens between a sender, Redis, a worker and the database."""

import json
import threading
from contextlib import redirect_stderr
from types import SimpleNamespace

import pytest
from celery.exceptions import Reject
from sqlalchemy.exc import OperationalError

from tests.runtime.events_desk import ANN, entered, event, listen
from tests.runtime.failing_doors import Away, CannotHold, LosesPipelines, Trips
from tests.runtime.house import TENANT, until
from tests.runtime.shop import abandon_cart, make_shop
from worker.runtime import event_stream, events
from worker.runtime.embedded import start_redis
from worker.runtime.event_stream import GROUP, EventStream, connect
from worker.runtime.stack import program
from worker.runtime.supervisor import Supervisor
from worker.runtime.urgent import UrgentTurns
from worker.tasks import process
from worker.tasks.trigger import Quiet, trigger

STREAM = "campaigns:events"


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis")
    with Supervisor(folder) as supervisor:
        yield start_redis(supervisor, folder)


@pytest.fixture
def client(redis_url):
    with connect(redis_url) as opened:
        opened.flushall()
        yield opened


@pytest.fixture
def read_stream(house, redis_url):
    """A consumer of the stream, as the thread of a worker is one."""
    opened = []

    def make(owner="consumer", client=None, **options):
        rt = house.runtime()
        rt.owner = owner
        stream = EventStream(rt, client or connect(redis_url), **options)
        opened.append(stream)
        return stream

    yield make
    for stream in opened:
        stream._client.close()


def add(client, *sent):
    for text in sent:
        client.xadd(STREAM, {"event": text})


def environment(house, redis_url):
    """The settings of an installation as a process has them."""
    env = {"REDIS_URL": redis_url}
    for name, value in house.settings.model_dump().items():
        secret = getattr(value, "get_secret_value", lambda value=value: value)()
        if secret is not None and name != "redis_url":
            env[name.upper()] = str(secret)
    return env


def test_what_another_celery_application_and_a_stream_send_reaches_the_person(house, client, redis_url, tmp_path):
    listen(house)
    with Supervisor(tmp_path, environment(house, redis_url)) as supervisor:
        supervisor.start(program("events"))
        abandon_cart(make_shop(redis_url), "from the shop", ANN, cartId="c-881")
        add(client, event("from the stream", contact={"phone": "+12127365002", "firstName": "Bob"}))
        until(lambda: len(house.ledger()) == 2, "two texts", 20)

    assert {line["to"] for line in house.ledger()} == {ANN["phone"], "+12127365002"}
    assert client.xlen(STREAM) == 0
    assert "Ann" not in (tmp_path / "logs" / "events.log").read_text()


def test_an_entry_stays_in_the_stream_until_its_event_is_committed(house, client, read_stream):
    listen(house)
    stream = read_stream()
    stream._make_group()
    add(client, event("k1"), event("k2", contact={"phone": "+12127365002"}), "no json")

    assert stream.read() == 3

    assert len(entered(house)) == 2
    assert (client.xlen(STREAM), client.xpending(STREAM, GROUP)["pending"]) == (0, 0)
    assert [one.note[:6] for one in house.store.list_events(TENANT, dead=True, limit=9)] == ["is not"]


def test_a_worker_killed_between_commit_and_acknowledgment_leaves_an_entry_that_does_nothing_more(
    house, client, read_stream, redis_url
):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])
    dying = read_stream("dying", LosesPipelines(connect(redis_url)))
    dying._make_group()
    add(client, event("k1"))
    with pytest.raises(ConnectionError):
        dying.read()
    assert client.xpending(STREAM, GROUP)["pending"] == 1

    assert read_stream("next", idle_seconds=0).read() == 1
    assert client.xlen(STREAM) == 0
    with house.store.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE events SET due_at = 0")  # what the dead one held
    house.tick_only()

    assert len(entered(house)) == 1
    assert len(house.ledger()) == 1


def test_the_stream_goes_on_when_redis_was_emptied_or_away(house, client, read_stream):
    listen(house)
    stream = read_stream()
    reading = threading.Thread(target=stream.run)
    reading.start()
    try:
        add(client, event("k1"))
        until(lambda: entered(house), "the first")
        client.flushall()  # the group is gone
        client.client_kill_filter(_type="normal", skipme=True)
        add(client, event("k2", contact={"phone": "+12127365002"}))
        until(lambda: len(entered(house)) == 2, "the second")
    finally:
        stream.stop()
        reading.join()


def test_a_database_that_is_away_leaves_events_in_the_stream_until_it_is_back(house, client, read_stream):
    listen(house)
    stream = read_stream()
    stream._make_group()
    add(client, event("k1"))
    away = Away(stream._rt.store, 1)
    stream._rt.store = away

    stream.read()

    assert away.failed == 1
    assert (len(entered(house)), client.xlen(STREAM)) == (1, 0)


def test_reading_goes_on_after_whatever_happens(house, client, read_stream, monkeypatch, logged):
    monkeypatch.setattr(event_stream, "_PAUSE_SECONDS", 0.01)
    listen(house)
    stream = read_stream(client=Trips(client, 2))
    clock, away = stream._rt.now, [OperationalError("SELECT", {}, Exception("away"))]
    monkeypatch.setattr(stream._rt, "now", lambda: clock() if not away else raises(away.pop()))
    add(client, event())
    reading = threading.Thread(target=stream.run)
    reading.start()
    try:
        until(lambda: entered(house), "the event")
    finally:
        stream.stop()
        reading.join()
    assert "could not be read" in logged.getvalue()


def raises(error):
    raise error


def test_an_event_that_the_database_cannot_hold_is_dead_and_does_not_stop_the_others(house, client, read_stream):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])
    stream = read_stream()
    stream._make_group()
    stream._rt.store = CannotHold(stream._rt.store, "k2")
    add(client, event("k1"), event("k2"), event("k3"))

    assert stream.read() == 3

    assert (len(entered(house)), client.xlen(STREAM)) == (2, 0)
    [dead] = house.store.list_events(TENANT, dead=True, limit=9)
    assert dead.note == "cannot be kept: DataError; see the log"


def test_losing_all_of_redis_after_an_event_was_accepted_loses_nothing(house, client):
    listen(house)
    events.accept(house.rt, [events.read_text(house.rt, event())])

    client.flushall()
    house.hints.clear()
    with house.store.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE events SET due_at = 0")
    house.tick_only()

    assert len(house.ledger()) == 1


@pytest.fixture
def worker(house, client, redis_url, logged, monkeypatch):
    """This process as a Celery worker of the installation."""
    for name, value in environment(house, redis_url).items():
        monkeypatch.setenv(name, value)
    with redirect_stderr(logged):
        rt = process.process_runtime()
    yield rt
    process.stop_process()


def test_a_process_ends_after_what_it_is_sending_for_an_event_has_been_answered(house, worker, client, monkeypatch):
    listen(house)
    sending, ends = threading.Event(), threading.Event()
    finish = UrgentTurns.take

    def slow_provider(turns, rt):
        sending.set()
        ends.wait()
        finish(turns, rt)

    monkeypatch.setattr(UrgentTurns, "take", slow_provider)
    process._process.reader = threading.Thread(target=process._read_events)
    process._process.reader.start()
    add(client, event("k1"))
    sending.wait()
    threading.Timer(0.2, ends.set).start()

    process.stop_process()

    assert [line["to"] for line in house.ledger()] == [ANN["phone"]]


def test_the_task_takes_an_event_as_keywords_as_an_object_or_as_json(house, worker):
    listen(house, triggers=[{"event": "cart.abandoned", "reentry": "always"}])
    sent = json.loads(event("k1"))

    assert trigger(**sent) == {"accepted": 1}
    assert trigger({**sent, "key": "k2"}) == {"accepted": 1}
    assert trigger(event("k3")) == {"accepted": 1}
    assert trigger(event("k3")) == {"accepted": 0}
    assert trigger(type="cart.abandoned", key="k4", contact=ANN, data={"n": float("nan")}) == {"accepted": 0}

    assert len(entered(house)) == 3
    assert "no finite number" in house.store.list_events(TENANT, dead=True, limit=1)[0].note


def test_an_event_that_cannot_be_committed_goes_back_to_the_queue(house, worker, monkeypatch):
    listen(house)
    monkeypatch.setattr(worker, "store", Away(worker.store, 1))

    with pytest.raises(Reject) as rejected:
        trigger(event("k1"))
    assert rejected.value.requeue

    assert trigger(event("k1")) == {"accepted": 1}


def test_a_request_shows_nothing_of_its_event_whatever_the_sender_says():
    said = "+12127365001"
    message = SimpleNamespace(
        headers={"id": "1", "task": "campaigns.trigger", "argsrepr": said, "kwargsrepr": said},
        payload=([], {"contact": {"phone": said}}, {}),
        body=b"",
        delivery_info={},
        properties={},
        content_type="application/json",
        content_encoding="utf-8",
    )
    request = Quiet(message, app=trigger.app, task=trigger)

    shown = (request.argsrepr, request.kwargsrepr, request.info(), request.info(safe=True), request, str(request))
    assert said not in repr(shown)
    assert request.kwargs == {"contact": {"phone": said}}
