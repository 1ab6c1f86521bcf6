"""Whole systems as processes, run as a newcomer runs them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.demos import Demo
from worker.runtime.embedded import start_redis
from worker.runtime.supervisor import Supervisor


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Start a demo with these options and environment variables; it is stopped at the end whatever happens."""
    started: list[Demo] = []

    def start(*options: str, **env: str) -> Demo:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Demo(folder, options, env))
        return started[-1]

    yield start
    for demo in started:
        demo.close()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis that is not the demo's own."""
    with Supervisor(tmp_path / "redis") as supervisor:
        yield start_redis(supervisor, tmp_path / "redis")
