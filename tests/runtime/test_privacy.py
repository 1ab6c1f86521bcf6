"""Nobody's number, address, name or message is in a log line or in Celery's messages, in a whole small run."""

import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import redis

from tests.api.conftest import serve
from tests.api.web import Port
from tests.runtime.house import ASK, CALL, MAIL, House, person, until
from worker.runtime.embedded import start_redis
from worker.runtime.supervisor import Program, Supervisor

__all__ = ["serve"]
pytestmark = pytest.mark.acceptance

PERSON = person(1, phone="+12025557867", email="wilhelmina@example.com", fields={"firstName": "Wilhelmina"})
"""Says STOP."""
OTHER = person(2, phone="+12025550937", email="bounce@example.com", fields={"firstName": "Bartholomew"})
"""Says YES; has no mailbox."""
SECRETS = ("2025557867", "2025550937", "example.com", "Wilhelmina", "Bartholomew", "Hello", "STOP", "5550001111")


class Wire(threading.Thread):
    """Listens to everything that is said to Redis."""

    def __init__(self, socket: str) -> None:
        super().__init__(daemon=True)
        self.said: list[str] = []
        self._client = redis.Redis(unix_socket_path=socket)
        self._monitor = self._client.monitor()
        self._monitor.__enter__()

    def run(self) -> None:
        try:
            for command in self._monitor.listen():
                self.said.append(command["command"])
        except (redis.ConnectionError, OSError, ValueError):
            return  # the server has ended

    def close(self) -> None:
        self._client.close()


def test_a_whole_run_leaves_nothing_personal_in_logs_and_messages(sqlite_url, beside, tmp_path, serve, logged):
    port = Port()
    hooks = {
        "sms_inbound_url": f"{port.url}/webhooks/twilio/sms",
        "sendgrid_events_url": f"{port.url}/webhooks/sendgrid/events",
    }
    house = House(sqlite_url, beside, tmp_path / "sandbox", sandbox=hooks | {"speed": 50}, public_url=port.url)
    with closing(house), Supervisor(tmp_path) as supervisor:
        redis_url = start_redis(supervisor, tmp_path)
        wire = Wire(redis_url.removeprefix("redis+socket://"))
        wire.start()
        env = {
            name.upper(): str(getattr(value, "get_secret_value", lambda value=value: value)())
            for name, value in house.settings.model_dump().items()
            if value is not None
        }
        command = (sys.executable, "-m", "celery", "-A", "worker.tasks.app", "worker", "-P", "solo", "-l", "debug")
        queues = ("-Q", "control,sms,email,voice,inbox,reconcile,events", "--without-mingle", "--without-gossip")
        env |= {
            "REDIS_URL": redis_url,
            "LOG_LEVEL": "DEBUG",
            "LEASE_SECONDS": "20",
            "HTTP_TIMEOUT_SECONDS": "5",
            "PYTHONPATH": str(Path.cwd()),
        }
        supervisor.start(Program(name="worker", command=(*command, *queues), env=env))
        serve(house, port)
        states = {**ASK, "answered": {"actions": [MAIL, CALL]}, "silent": {"actions": [MAIL, CALL]}}
        house.faults(next=["refuse_429", "accept_then_500", "accept_then_500"])
        house.launch(states=states, people=[PERSON, OTHER])

        def is_over():
            supervisor.running["worker"].require_alive()
            return {"finished"} == set(house.counts()) and len(house.ledger()) >= 4

        until(is_over, "the run to end", seconds=60)
        wire.close()
        worker_log = (tmp_path / "logs" / "worker.log").read_text()

    on_the_wire = "\n".join(wire.said)
    assert "control.advance" in on_the_wire, "it must have listened"
    assert house.run_id in on_the_wire
    assert "[debug" in worker_log, "it must have said all it can"
    assert [word for word in SECRETS if word in on_the_wire] == []
    assert [word for word in SECRETS if word in worker_log] == []
    assert [word for word in SECRETS if word in logged.getvalue()] == []
