"""The Procfile under honcho and the commands of docker-compose.yml run a campaign to its end, as ops run them."""

import json
import os
import shlex
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from channels.sandbox import read_ledger, summarize
from tests.acceptance.demos import ROOT, eventually
from worker.runtime.embedded import redis_binary
from worker.runtime.stack import free_port
from worker.runtime.supervisor import Program, Supervisor

pytestmark = pytest.mark.acceptance

PEOPLE = 40
BIN = Path(sys.executable).parent


class Site:
    """A machine with a sandbox provider, on which the product's processes are started by somebody else."""

    def __init__(self, folder: Path, supervisor: Supervisor, database_url: str, redis_url: str) -> None:
        self.folder, self.supervisor = folder, supervisor
        self.web_port, self.flower_port, sandbox_port = free_port(), free_port(), free_port()
        self.env = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PUBLIC_URL": f"http://127.0.0.1:{self.web_port}",
            "WEB_PORT": str(self.web_port),
            "FLOWER_PORT": str(self.flower_port),
            "DATA_DIR": str(folder),
            "CALLS_PER_SECOND": "50",
            "OUTCOME_DEADLINE_SECONDS": "200000",
        }
        words = f"--port {sandbox_port} --data-dir {folder / 'sandbox'} --speed 20 --callback {self.env['PUBLIC_URL']}"
        supervisor.start(Program(name="sandbox", command=(sys.executable, "-m", "channels.sandbox", *words.split())))
        key = folder / "sandbox" / "sendgrid_public_key.txt"
        eventually(key.exists, 20, "the sandbox's key")
        provider = f"http://127.0.0.1:{sandbox_port}"
        self.env |= {"TWILIO_BASE_URL": provider, "SENDGRID_BASE_URL": provider}
        self.env |= {"TWILIO_ACCOUNT_SID": "AC" + "5a" * 16, "TWILIO_AUTH_TOKEN": "sandbox-auth-token"}
        self.env |= {"SENDGRID_API_KEY": "SG.sandbox", "SENDGRID_WEBHOOK_PUBLIC_KEY": key.read_text().strip()}

    def campaigns(self, *words: str) -> dict[str, Any]:
        """Run a command with --json; its answer."""
        command = [BIN / "campaigns", *words, "--json"]
        done = subprocess.run(command, env=os.environ | self.env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def run_campaign(self) -> None:
        """A campaign over a few people, from import to the end, held against the ledger."""
        few = self.folder / "few.csv"
        with (ROOT / "examples/renewal/contacts.csv").open() as contacts:
            few.write_text("".join(islice(contacts, PEOPLE + 1)))
        self.campaigns("import", str(few), "--list", "few")
        run = self.campaigns("launch", "examples/renewal", "--list", "few", "--speed", "14400")["runId"]
        eventually(lambda: self.campaigns("status", run)["status"] == "completed", 90, "the run to complete")
        report = self.campaigns("report", run)
        ledger = summarize(read_ledger(self.folder / "sandbox" / "ledger.jsonl"))
        assert {name: count for name, count in report["messages"]["accepted"].items() if count} == ledger.accepted
        assert ledger.accepted_per_attempt_max == 1


def test_honcho_runs_the_procfile(tmp_path, sqlite_url, redis_url):
    with Supervisor(tmp_path) as supervisor:
        site = Site(tmp_path, supervisor, sqlite_url, redis_url)
        honcho = subprocess.Popen([BIN / "honcho", "start"], cwd=ROOT, env=os.environ | site.env)
        try:
            site.run_campaign()
        finally:
            honcho.send_signal(signal.SIGTERM)
            honcho.wait(60)


def test_the_commands_of_docker_compose_run_a_campaign(tmp_path, postgres_url):
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    redis_port = free_port()
    with Supervisor(tmp_path) as supervisor:
        words = shlex.split(services["redis"]["command"])
        supervisor.start(
            Program(
                name="redis",
                command=(redis_binary(), *words[1:], "--port", str(redis_port), "--dir", str(tmp_path)),
            )
        )
        site = Site(tmp_path, supervisor, postgres_url, f"redis://127.0.0.1:{redis_port}/0")
        environment = services["web"]["environment"]
        assert set(environment) - {"LOG_JSON"} <= set(site.env), "compose sets what this test does not"
        env = site.env | {"LOG_JSON": environment["LOG_JSON"]}
        site.campaigns(*shlex.split(services["migrate"]["command"])[1:])
        ours = [name for name, service in services.items() if "build" in service and name != "migrate"]
        for name in ours:
            command = services[name]["command"].replace("0.0.0.0", "127.0.0.1").replace("8080", str(site.web_port))
            supervisor.start(Program(name=name, command=("/usr/bin/env", *shlex.split(command)), env=env))

        site.run_campaign()

        supervisor.watch()  # raises if one of them has ended
