"""What is not ready around us is named with exit code 3; what can wait is a warning; Ctrl-C is 130."""

import signal
import socket
import subprocess
import time

import pytest

from tests.cli.conftest import RENEWAL, SANDBOX
from worker.runtime.machine import free_port, own


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("nonsense", "DATABASE_URL: is not a URL; use sqlite:///file or postgresql://user@host/name"),
        ("mysql://root:secret@localhost/x", "DATABASE_URL: no support for 'mysql' databases"),
        ("sqlite:////proc/nowhere/x.db", "cannot write to /proc/nowhere (No such file or directory)"),
        ("postgresql://u:secret@127.0.0.1:9/x", "the database cannot be used: connection failed"),
    ],
    ids=["no URL", "MySQL", "read-only", "nobody there"],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(run, url, answer):
    said = run("status", "last", DATABASE_URL=url)

    assert (said.code, said.out) == (3, "")
    assert answer in said.err
    assert "secret" not in said.err


def test_a_database_that_is_none_is_left_as_it_is(desk, run):
    file = desk.write("notes.txt", "no database, and longer than the header of one " * 20)
    before = file.read_bytes()

    said = run("status", "last", DATABASE_URL=f"sqlite:///{file}")

    assert said.code == 3
    assert "file is not a database" in said.err
    assert file.read_bytes() == before


def test_an_unmigrated_server_is_not_migrated_in_passing(run, blank_url):
    said = run("status", "last", DATABASE_URL=blank_url)

    if blank_url.startswith("sqlite"):
        assert "there are no runs yet" in said.err
    else:
        assert said.code == 3
        assert "`campaigns migrate`" in said.err
        assert run("migrate", DATABASE_URL=blank_url).code == 0
    assert run("status", "last", DATABASE_URL=blank_url).code == 2


@pytest.mark.parametrize("command", ["demo", "up", "status last"])
def test_a_folder_that_cannot_be_written_to_is_named(desk, run, monkeypatch, command):
    monkeypatch.delenv("DATABASE_URL")
    words = command.split() if command != "demo" else ["demo", "--definitions", RENEWAL]

    said = run(*words, DATA_DIR=str(desk.write("file", "") / "data"))

    assert said.code == 3
    assert f"cannot write to {desk.folder / 'file'}" in said.err
    assert "(Not a directory); set " in said.err


@pytest.mark.parametrize("option", ["--web-port", "--flower-port"])
def test_up_refuses_a_port_that_is_taken_before_it_starts_anything(desk, run, taken_port, option):
    said = run("up", option, taken_port, DATA_DIR=str(desk.folder / "data"))

    assert said.code == 3
    assert f"port {taken_port} on 127.0.0.1 cannot be used" in said.err
    assert not (desk.folder / "data" / "pids").exists()


@pytest.mark.parametrize("command", ["web", "sandbox"])
def test_a_server_refuses_a_port_that_is_taken(run, taken_port, command):
    said = run(command, "--port", taken_port)

    assert said.code == 3
    assert f"port {taken_port} on 127.0.0.1 cannot be used" in said.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFAULT_REGION", "Germany"),
        ("DEFAULT_TIMEZONE", "Mars"),
        ("LOG_LEVEL", "loud"),
        ("REDIS_URL", "http://localhost"),
        ("TWILIO_BASE_URL", "localhost:4010"),
        ("SLICE_SIZE", "many"),
    ],
)
def test_a_wrong_setting_is_named(run, name, value):
    said = run("status", "last", **{name: value})

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"campaigns: {name}: ")


def test_without_redis_a_launch_is_a_launch_and_the_hint_a_warning(desk, run):
    run("import", RENEWAL / "contacts.csv", "--rejects", "rejects.csv")

    said = desk.process("launch", RENEWAL, "--json", **SANDBOX)

    assert said.code == 0, said.err
    assert "broker away, hint dropped; the tick repeats it" in said.err
    status = run("status", said.json["runId"], "--json")
    assert status.json["status"] == "running"


def test_ctrl_c_ends_a_watch_with_130_and_without_a_traceback(desk, run):
    run("import", RENEWAL / "contacts.csv", "--rejects", "rejects.csv")
    run("launch", RENEWAL, **SANDBOX)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(desk.command("status", "last", "--watch"), cwd=desk.folder, env=desk.env, **pipes) as watch:
        assert b"running" in watch.stdout.readline()

        watch.send_signal(signal.SIGINT)

        assert watch.wait(20) == 130
        assert b"Traceback" not in watch.stderr.read()


def test_two_systems_never_share_a_folder(desk, run):
    with own(desk.folder / "data" / "sandbox"):
        said = run("up", "--sandbox", DATA_DIR=str(desk.folder / "data"))

    assert said.code == 3
    assert "is in use by another `campaigns`" in said.err


def test_help_is_quick(desk):
    """300 ms on a machine at rest; a busy one gets three tries."""
    took = []
    for _ in range(3):
        started = time.monotonic()
        assert desk.process("--help").code == 0
        took.append(time.monotonic() - started)

    assert min(took) < 0.6, took


@pytest.mark.parametrize(
    ("setting", "place"),
    [
        ({"REDIS_URL": "redis://:secret@127.0.0.1:9/0"}, "REDIS_URL: the Redis at 127.0.0.1:9 cannot be used"),
        ({"REDIS_URL": "redis+socket:///nowhere/redis.sock"}, "the Redis at /nowhere/redis.sock cannot be used"),
        ({"REDIS_URL": "redis://:secret@localhost:many"}, "REDIS_URL is no address of a Redis"),
        ({"REDIS_URL": "", "DATABASE_URL": "postgresql://u:secret@127.0.0.1:9/x"}, "check DATABASE_URL"),
    ],
    ids=["nobody there", "no socket", "no address", "no database"],
)
def test_up_refuses_a_redis_or_a_database_that_does_not_answer_before_it_starts_anything(desk, run, setting, place):
    ports = [word for name in ("--web-port", "--flower-port") for word in (name, free_port())]

    said = run("up", *ports, DATA_DIR=str(desk.folder / "data"), **setting)

    assert said.code == 3
    assert place in said.err
    assert "secret" not in said.err
    assert list((desk.folder / "data" / "logs").iterdir()) == []
