"""The Celery tasks: doorways that may be entered twice, and hints that show ids and counts and nothing else."""

import base64
import json
import socket
import time
from collections import Counter
from contextlib import redirect_stderr
from types import SimpleNamespace

import pytest
import redis

from tests.channels.loopback import closed_port
from tests.runtime.house import CALL, MAIL, TENANT, TEXT, House
from worker.runtime import launch as launching
from worker.runtime.embedded import start_redis
from worker.runtime.hints import Hint, Work
from worker.runtime.supervisor import Supervisor
from worker.store.codec import millis
from worker.tasks import flowerconfig, process, tasks
from worker.tasks.app import app


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis")
    with Supervisor(folder) as supervisor:
        yield start_redis(supervisor, folder)


@pytest.fixture
def broker():
    """Let this process publish to the broker with this URL."""
    before = app.conf.broker_url

    def connect(url):
        app.conf.broker_url = url
        app._after_fork()  # forget the connections to another one, as a new process would
        process._process.muted_until = 0.0
        process._process.next_hint.clear()
        process._process.looked.clear()

    yield connect
    connect(before)


@pytest.fixture
def client(redis_url, broker):
    broker(redis_url)
    with redis.Redis(unix_socket_path=redis_url.removeprefix("redis+socket://")) as opened:
        opened.flushall()
        yield opened


@pytest.fixture
def worker(house, client, logged, monkeypatch):
    """This process as a Celery worker of the installation."""
    for name, value in house.settings.model_dump().items():
        secret = getattr(value, "get_secret_value", lambda value=value: value)()
        if secret is not None:
            monkeypatch.setenv(name.upper(), str(secret))
    with redirect_stderr(logged):
        rt = process.process_runtime()
    yield rt
    process.stop_process()


def published(client, queue):
    """The messages that lie in a queue."""
    return [json.loads(message) for message in client.lrange(f"camp:{queue}", 0, -1)]


def test_every_task_done_twice_does_no_harm(house: House, worker):
    run_id = launching.launch(house.rt, house.save(TEXT, MAIL, CALL, people=4)).run.run_id
    house.run_id = run_id

    def twice(task, *args):
        first = task(*args)
        again = task(*args)
        assert not sum(again.values()), f"{task.name} had nothing left to do"
        return first

    assert twice(tasks.enroll, TENANT, run_id, 0) == {"enrolled": 4}
    assert twice(tasks.advance, TENANT, run_id, 4) == {"stepped": 4}
    for send in (tasks.send_sms, tasks.send_email, tasks.place_calls):  # whose answers take the next step with them
        assert twice(send, TENANT, run_id, 4) == {"accepted": 4}
        assert twice(tasks.advance, TENANT, run_id, 4) == {"stepped": 0}
    twice(tasks.apply_inbox, TENANT, "", 1)
    twice(tasks.resolve, TENANT, "", 1)
    house.store.change_run_status(TENANT, run_id, "cancelled", house.rt.now())
    assert twice(tasks.cancel, TENANT, run_id, 1) == {"cancelled": 4}
    assert tasks.beat_tick() == {"hints": 0}

    assert Counter(line["channel"] for line in house.ledger()) == {"sms": 4, "email": 4, "voice": 4}


@pytest.mark.parametrize("work", list(Work))
def test_a_hint_lies_in_the_queue_of_its_kind_and_shows_ids_and_counts_only(client, work):
    process.send_hint(Hint(work, TENANT, "run_1", 100))

    [message] = published(client, work.partition(".")[0])
    headers = message["headers"]
    assert headers["task"] == work
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("(run=run_1, n=100)", "{}")
    assert headers["expires"] is not None


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        (Hint(Work.INBOX, TENANT, count=3), "(n=3)"),
        (Hint(Work.ADVANCE, TENANT, "run_1"), "(run=run_1)"),
        (Hint(Work.RECONCILE, TENANT), "()"),
    ],
)
def test_what_a_hint_lacks_is_left_out_and_flower_shows_the_rest(hint, shown):
    assert process.hint_repr(hint) == shown
    task = flowerconfig.format_task(SimpleNamespace(args=shown, kwargs="{}", result="{'stepped': 3}"))
    assert (task.args, task.kwargs, task.result) == (shown, "{}", None)


@pytest.mark.parametrize(
    ("args", "kwargs"), [("('default', '+12025550142')", "{}"), ("()", "{'to': 'ann@example.com'}"), (None, None)]
)
def test_flower_shows_nothing_that_we_have_not_written(args, kwargs):
    task = flowerconfig.format_task(SimpleNamespace(args=args, kwargs=kwargs, result="Hello Ann"))

    assert not {"2025550142", "ann@example.com", "Ann"} & {
        word for word in ("2025550142", "ann@example.com", "Ann") if word in f"{task.args}{task.kwargs}{task.result}"
    }


def test_the_same_hint_is_published_once_in_a_moment_unless_the_work_is_shared(client):
    for _ in range(50):
        process.send_hint(Hint(Work.INBOX, TENANT, count=1))
    process.send_hint(Hint(Work.SMS, TENANT, "run_1", 9000, share=1))
    process.send_hint(Hint(Work.SMS, TENANT, "run_1", 9000, share=2))

    assert 1 <= len(published(client, "inbox")) < 10
    assert len(published(client, "sms")) == 2


def test_a_hint_given_before_the_last_look_at_the_same_work_is_passed_over(house: House, worker):
    house.launch(TEXT, people=2)
    given = millis(house.rt.now()) - 1000
    assert tasks.advance(TENANT, house.run_id, 2, given) == {"stepped": 2}

    assert tasks.advance(TENANT, house.run_id, 2, given) == {}
    assert tasks.send_sms(TENANT, house.run_id, 2, given) == {"accepted": 2}
    assert tasks.advance(TENANT, house.run_id, 2, millis(house.rt.now()) + 1000) == {"stepped": 0}


def test_a_hint_of_a_worker_says_when_it_was_given_by_the_clock_of_the_database(house: House, worker, client):
    worker.hint(Hint(Work.ADVANCE, TENANT, "run_1", 1))

    [message] = published(client, "control")
    [_tenant, _run, _count, given] = json.loads(base64.b64decode(message["body"]))[0]
    assert abs(given - millis(house.store.now())) < 5000


def test_a_task_nobody_declared_is_not_published_to_a_queue_nobody_reads(client):
    with pytest.raises(Exception, match="nowhere"):
        app.send_task("nowhere.at_all", queue="nowhere")


def test_while_the_broker_is_away_hints_are_dropped_quickly_and_then_at_once(broker, logged):
    broker(closed_port().replace("http", "redis") + "/0")

    assert _seconds(Hint(Work.SMS, TENANT, "run_1", 3)) < 2
    assert _seconds(Hint(Work.EMAIL, TENANT, "run_1", 3)) < 0.01

    assert logged.getvalue().count("broker away, hint dropped") == 1


def test_a_broker_that_hangs_is_waited_for_once(broker, logged):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

        assert _seconds(Hint(Work.SMS, TENANT, "run_1", 3)) < 8
        assert _seconds(Hint(Work.EMAIL, TENANT, "run_1", 3)) < 0.01


def test_work_goes_on_while_the_broker_is_away(house: House, worker, broker):
    house.launch(TEXT, people=5)
    broker(closed_port().replace("http", "redis") + "/0")

    assert tasks.advance(TENANT, house.run_id) == {"stepped": 5}
    assert tasks.send_sms(TENANT, house.run_id) == {"accepted": 5}


def test_hints_are_published_again_when_the_broker_is_back(client, redis_url, broker):
    broker(closed_port().replace("http", "redis") + "/0")
    process.send_hint(Hint(Work.SMS, TENANT, "run_1", 3))
    muted = process._process.muted_until
    broker(redis_url)
    process._process.muted_until = muted

    ends = time.monotonic() + 10
    while not published(client, "sms") and time.monotonic() < ends:
        process.send_hint(Hint(Work.SMS, TENANT, "run_1", 3))
        time.sleep(0.05)

    assert published(client, "sms")


def _seconds(hint):
    started = time.monotonic()
    process.send_hint(hint)
    return time.monotonic() - started
