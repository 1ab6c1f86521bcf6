"""Doing the next piece of work while the last one is being used: an iterator that runs in a thread of its own.

Python lets a thread that comes back from the database wait five milliseconds for one that computes; at each round trip
that is more than the trip takes. While items are made ahead it is half a millisecond.
"""

import sys
import threading
from collections.abc import Generator
from contextlib import closing
from queue import Full, Queue
from typing import Final, TypeVar

T = TypeVar("T")

_LOOK_SECONDS: Final = 0.1
_SWITCH_SECONDS: Final = 0.0005


class _End:
    """What comes after the last item. `error`: why it was the last one, None if there are no more."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Generator[T], *, by: int = 1) -> Generator[T]:
    """The same items in order; up to `by` of them wait ready. Whatever making them raises is raised here.

    Whoever leaves early has the maker stopped and closed: nothing of it runs any more when this one is closed.
    """
    ready: Queue[T | _End] = Queue(by)
    over = threading.Event()

    def hand_over(item: T | _End) -> None:
        while not over.is_set():
            try:
                return ready.put(item, timeout=_LOOK_SECONDS)
            except Full:
                continue
        return None

    def make() -> None:
        error: BaseException | None = None
        try:
            with closing(items):
                for item in items:
                    hand_over(item)
                    if over.is_set():
                        break
        except BaseException as caught:  # noqa: BLE001 - raised where the items are used
            error = caught
        hand_over(_End(error))

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(usual)
