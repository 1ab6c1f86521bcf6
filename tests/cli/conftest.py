"""The command line as an operator meets it: run in this process or as a real command, on a database of its own."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from worker.cli.errors import guarded
from worker.cli.main import app

ROOT = Path(__file__).parents[2]
RENEWAL = ROOT / "examples" / "renewal"
NOBODY = "redis://127.0.0.1:9/0"
"""No broker listens there."""
SANDBOX = {
    "TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
    "TWILIO_AUTH_TOKEN": "secret",
    "TWILIO_BASE_URL": "http://127.0.0.1:9",
    "SENDGRID_API_KEY": "SG.secret",
    "SENDGRID_BASE_URL": "http://127.0.0.1:9",
}
"""Credentials, and providers on this machine."""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON object and nothing else."""
        return json.loads(self.out)


class Desk:
    """An operator's folder, with an empty and migrated database."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.folder, self.database = folder, database
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.env = kept | {"DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": NOBODY, "COLUMNS": "80"}

    def process(self, *words: object, **env: str) -> Said:
        """Run the real command."""
        place = {"cwd": self.folder, "env": self.env | env}
        done = subprocess.run(self.command(*words), **place, check=False, capture_output=True, text=True, timeout=60)
        return Said(done.returncode, done.stdout, done.stderr)

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "worker.cli.main", *map(str, words)]

    def contents(self) -> str:
        """Everything the database holds."""
        with closing(sqlite3.connect(self.database)) as connection:
            return "\n".join(connection.iterdump())

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def renewal(self) -> Path:
        """A copy of the example, to be changed."""
        return Path(shutil.copytree(RENEWAL, self.folder / "renewal"))


@pytest.fixture
def desk(sqlite_template: Path, tmp_path: Path) -> Desk:
    folder = tmp_path / "desk"
    folder.mkdir()
    return Desk(folder, Path(shutil.copy(sqlite_template, tmp_path / "desk.db")))


@pytest.fixture
def run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """Run a command in this process, which is quicker: `run("status", "last", DATABASE_URL=...)`."""
    monkeypatch.chdir(desk.folder)
    for name in set(os.environ) - set(desk.env):
        monkeypatch.delenv(name)
    for name, value in desk.env.items():
        monkeypatch.setenv(name, value)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def in_process(*words: object, **env: str) -> Said:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as context:
            for name, value in env.items():
                context.setenv(name, value)
            code = guarded(app, [str(word) for word in words])
        return Said(code, *capfd.readouterr())

    yield in_process
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
