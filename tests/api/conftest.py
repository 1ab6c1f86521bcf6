"""An installation with its HTTP process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.web import PUBLIC, Port, Web
from tests.loop_thread import LoopThread
from tests.runtime.conftest import beside, logged, open_house, provider
from tests.runtime.house import House

__all__ = ["beside", "logged", "open_house", "provider"]


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house(public_url=PUBLIC)


@pytest.fixture
def serve(beside: LoopThread) -> Iterator[Callable[..., Web]]:
    """Start the HTTP process of an installation."""
    opened: list[Web] = []

    def serve_one(house: House, port: Port | None = None, **runtime: Any) -> Web:
        opened.append(Web(beside, port or Port(), lambda: house.runtime(**runtime)))
        return opened[-1]

    yield serve_one
    for web in opened:
        web.close()


@pytest.fixture
def web(house: House, serve: Callable[..., Web]) -> Web:
    return serve(house)
