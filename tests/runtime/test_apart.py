"""Work in a process of its own: its items in order, its errors as they were, and no process left behind."""

import os
import signal

import psutil
import pytest

from worker.runtime.apart import ProcessEnded, apart
from worker.runtime.contact_file import UnreadableFile


def numbers(count, *, then=""):
    yield from ((os.getpid(), number) for number in range(count))
    if then:
        raise UnreadableFile(then)


def chatter():
    print("this is no item")
    yield 1


def endless():
    while True:
        yield os.getpid()


def suicide():
    yield 1
    os.kill(os.getpid(), signal.SIGKILL)
    yield 2


def test_items_come_in_order_from_another_process():
    found = list(apart(numbers, 100))

    assert [number for _, number in found] == list(range(100))
    assert os.getpid() not in {process for process, _ in found}


def test_what_is_raised_there_is_raised_here_after_the_items_before_it():
    items = apart(numbers, 2, then="line 3 cannot be read")

    assert [number for _, number in (next(items), next(items))] == [0, 1]
    with pytest.raises(UnreadableFile, match="line 3 cannot be read"):
        next(items)


def test_whoever_prints_there_does_not_speak_in_between():
    assert list(apart(chatter)) == [1]


def test_a_process_that_is_left_early_is_gone():
    items = apart(endless)
    process = next(items)

    items.close()

    assert not psutil.pid_exists(process)


def test_a_process_that_is_killed_is_told_from_one_that_is_done():
    items = apart(suicide)

    assert next(items) == 1
    with pytest.raises(ProcessEnded, match="what is done is kept"):
        next(items)
