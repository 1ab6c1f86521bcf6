"""Installations for tests of the runtime."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.channels.loopback import LoopbackProvider
from tests.loop_thread import LoopThread
from tests.runtime.house import House
from worker.runtime.logs import configure_logging
from worker.runtime.settings import Settings


@pytest.fixture
def beside() -> Iterator[LoopThread]:
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture
def open_house(database_url: str, beside: LoopThread, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """An installation with these settings, on each kind of database."""
    opened: list[House] = []

    def open_one(**settings: Any) -> House:
        opened.append(House(database_url, beside, tmp_path / "sandbox", **settings))
        return opened[-1]

    yield open_one
    for house in opened:
        house.close()


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()


@pytest.fixture
def home(sqlite_url: str, beside: LoopThread, tmp_path: Path) -> Iterator[House]:
    """An installation on SQLite, for what is the same on both."""
    opened = House(sqlite_url, beside, tmp_path / "sandbox")
    yield opened
    opened.close()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What our processes would have logged, with their own configuration."""
    root, lines = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    with redirect_stderr(lines):
        configure_logging(Settings(_env_file=None, log_level="DEBUG"))
    yield lines
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def provider(beside: LoopThread) -> Iterator[LoopbackProvider]:
    """Takes every text; what it should look at when a request arrives, a test says."""
    opened = LoopbackProvider()
    opened.passes_over = lambda request: request.method == "GET" and "/Messages" not in request.target
    beside.run(opened.start())
    yield opened
    beside.run(opened.stop())
