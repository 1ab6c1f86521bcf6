"""One run of `campaigns demo`, and what is known about it from outside: its output, its files, its processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 240


class Demo:
    """One run of `campaigns demo` in a folder of its own."""

    def __init__(self, folder: Path, options: tuple[str, ...], env: dict[str, str]) -> None:
        self.data_dir = folder / "demo"
        self._output = (folder / "demo.out").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "worker.cli.main", "demo", *options],
            cwd=ROOT,
            env=os.environ | {"DATA_DIR": str(folder), "FLOWER_PORT": "0"} | env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    @property
    def output(self) -> str:
        self._output.seek(0)
        return self._output.read()

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.data_dir / "report.json").read_text())

    def finish(self) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(PATIENCE_SECONDS)

    def ledger_lines(self) -> int:
        ledger = self.data_dir / "ledger.jsonl"
        return ledger.read_bytes().count(b'"kind":"accepted"') if ledger.exists() else 0

    def left_running(self) -> list[str]:
        """Processes that belong to this demo, by the folder in their command line or environment."""
        mark = str(self.data_dir.parent)
        return [" ".join(p.info["cmdline"]) for p in psutil.process_iter(["cmdline"]) if _belongs(p, mark)]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        self._output.close()


def _belongs(process: psutil.Process, mark: str) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        words = " ".join(process.info["cmdline"] or ())
        return alive and process.pid != os.getpid() and (mark in words or mark in process.environ().get("DATA_DIR", ""))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
