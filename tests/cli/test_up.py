"""The walk of the README: a system in one terminal, commands in another."""

import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import RENEWAL
from worker.runtime.machine import free_port
from worker.runtime.supervisor import wait_until

pytestmark = pytest.mark.acceptance


@pytest.fixture
def env_file(desk):
    """What `campaigns up --sandbox` says other terminals should source; it is stopped at the end."""
    del desk.env["DATABASE_URL"]
    desk.env["REDIS_URL"] = f"redis+socket://{desk.folder.resolve()}/.campaigns/sandbox/redis.sock"  # of the last time
    desk.env["SMS_PER_SECOND"] = "15"  # a minute of texts, so that there is something to pause
    ports = [word for name in ("--web-port", "--flower-port") for word in (name, str(free_port()))]
    log = desk.folder / "up.log"
    with log.open("w") as out:
        up = subprocess.Popen(
            desk.command("up", "--sandbox", *ports), cwd=desk.folder, env=desk.env, stdout=out, stderr=out
        )
    try:
        ends = time.monotonic() + 60
        while not (found := re.search(r"source (\S+)", log.read_text())):
            assert up.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        yield Path(found[1])
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(30) == 130, log.read_text()
    assert not Path(found[1]).exists()


def test_the_commands_of_the_readme_work_from_another_terminal(desk, env_file):
    lines = (line.partition("=") for line in env_file.read_text().splitlines())
    exports = {name.removeprefix("export "): shlex.split(value)[0] for name, _, value in lines}
    assert env_file.stat().st_mode & 0o077 == 0
    assert {"DATABASE_URL", "DATA_DIR", "REDIS_URL"} <= exports.keys()

    def campaigns(*words):
        said = desk.process(*words, **exports)
        assert said.code == 0, said.err
        return said

    campaigns("validate", RENEWAL)
    campaigns("import", RENEWAL / "contacts.csv", "--list", "renewal", "--rejects", "rejects.csv")
    run_id = campaigns("launch", RENEWAL, "--list", "renewal", "--speed", 600, "--json").json["runId"]

    def accepted():
        return campaigns("report", run_id, "--json").json["messages"]["accepted"]

    wait_until(lambda: accepted()["sms"] > 20, seconds=60, what="twenty texts")
    campaigns("pause", run_id)
    stopped = accepted()
    assert accepted() == stopped
    campaigns("resume", run_id)
    wait_until(lambda: accepted()["sms"] > stopped["sms"], seconds=60, what="texts after the resume")
    campaigns("cancel", "last")
    report = campaigns("report", "last", "--json").json
    assert sum(report["enrollments"].values()) == report["audience"]
