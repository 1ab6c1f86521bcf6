"""A machine with a sandbox provider, on which the product's processes are started by somebody else."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from channels.sandbox import read_ledger, summarize
from tests.acceptance.demos import ROOT
from worker.runtime.machine import free_port
from worker.runtime.supervisor import Program, Supervisor, wait_until

BIN = Path(sys.executable).parent
PEOPLE = 40
HURRIED = ("--speed", "36000")
"""A day of the campaign takes two seconds and a half: few people need no more."""


class Site:
    """What such a machine has, and the commands an operator gives there."""

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
            "CALLS_PER_SECOND": "200",
            "OUTCOME_DEADLINE_SECONDS": "100000",
        }
        words = f"--port {sandbox_port} --data-dir {folder / 'sandbox'} --speed 20 --callback {self.env['PUBLIC_URL']}"
        supervisor.start(Program(name="sandbox", command=(sys.executable, "-m", "channels.sandbox", *words.split())))
        key = folder / "sandbox" / "sendgrid_public_key.txt"
        wait_until(key.exists, seconds=20, what="the sandbox's key")
        provider = f"http://127.0.0.1:{sandbox_port}"
        self.env |= {"TWILIO_BASE_URL": provider, "SENDGRID_BASE_URL": provider}
        self.env |= {"TWILIO_ACCOUNT_SID": "AC" + "5a" * 16, "TWILIO_AUTH_TOKEN": "sandbox-auth-token"}
        self.env |= {"SENDGRID_API_KEY": "SG.sandbox", "SENDGRID_WEBHOOK_PUBLIC_KEY": key.read_text().strip()}

    def campaigns(self, *words: str) -> dict[str, Any]:
        """Run a command with --json; its answer."""
        command = [BIN / "campaigns", *words, "--json"]
        env = os.environ | self.env
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def run_campaign(self) -> dict[str, Any]:
        """The example over a few people, from import to the end, held against the ledger. Returns the report."""
        few = self.folder / "few.csv"
        with (ROOT / "examples/renewal/contacts.csv").open() as contacts:
            few.write_text("".join(islice(contacts, PEOPLE + 1)))
        self.campaigns("import", str(few), "--list", "people", "--rejects", str(self.folder / "rejects.csv"))
        run = self.campaigns("launch", "examples/renewal", "--list", "people", *HURRIED)["runId"]
        assert self.campaigns("status", run, "--watch")["status"] == "completed"
        report = self.campaigns("report", run)
        ledger = summarize(read_ledger(self.folder / "sandbox" / "ledger.jsonl"))
        assert {name: count for name, count in report["messages"]["accepted"].items() if count} == ledger.accepted
        assert ledger.accepted_per_attempt_max == 1
        assert sum(report["enrollments"].values()) == report["audience"]
        return report
