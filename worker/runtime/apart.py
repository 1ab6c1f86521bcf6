"""Doing the next piece of work on another core: an iterator that runs in a process of its own.

1. It is a fresh interpreter that imports what the work needs and no more: it starts in a tenth of a second, and has
   neither our connections nor our locks.
2. It never outlives its use: whoever leaves early has it killed, and where we were killed its next item finds nobody.
3. Ctrl-C is ours to answer.
"""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from os import dup, dup2, fdopen
from struct import Struct
from typing import IO, Any, Final, ParamSpec, TypeVar

from worker.runtime.ahead import ahead

T = TypeVar("T")
P = ParamSpec("P")

_HEAD: Final = Struct("!Q?")
"""Of an answer: how many bytes it has, and whether it is the last one."""


class ProcessEnded(RuntimeError):
    """The process ended before its work did: somebody killed it, or memory ran out."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the process that read ahead ended early (code {code}); start again: what is done is kept")


def apart(make: Callable[P, Generator[T]], *given: P.args, **named: P.kwargs) -> Generator[T]:
    """The items of `make(*given, **named)`, in order. Whatever making them raises is raised here.

    `make` is a function of a module; all that it takes and gives can be pickled. Raises ProcessEnded.
    """
    command = (sys.executable, "-m", __name__)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own words
    try:
        with suppress(BrokenPipeError), process.stdin as work:  # type: ignore[union-attr] # both are pipes
            pickle.dump((make, given, named), work)
        with closing(ahead(_received(process))) as answers:
            for answer in answers:
                is_last, value = pickle.loads(answer)  # noqa: S301 - from our own process
                if not is_last:
                    yield value
                elif value is not None:
                    raise value
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def _received(process: subprocess.Popen[bytes]) -> Generator[bytes]:
    """Answers as they come. They stay bytes until they are used, which are a fifth of the objects in them."""
    source: IO[bytes] = process.stdout  # type: ignore[assignment]
    is_last = False
    while not is_last:
        head = source.read(_HEAD.size)
        length, is_last = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, True)
        answer = source.read(length)
        if not length or len(answer) < length:
            raise ProcessEnded(process.wait())
        yield answer


def _serve() -> None:
    """In the other process: make the items, and hand each over."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = fdopen(dup(sys.stdout.fileno()), "wb")
    dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints must not speak in between
    make, given, named = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one

    def answer(value: Any, *, is_last: bool) -> None:
        text = pickle.dumps((is_last, value), pickle.HIGHEST_PROTOCOL)
        answers.write(_HEAD.pack(len(text), is_last))
        answers.write(text)
        answers.flush()

    with suppress(BrokenPipeError):
        try:
            with closing(make(*given, **named)) as items:
                for item in items:
                    answer(item, is_last=False)
        except BrokenPipeError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised where the items are used
            answer(error, is_last=True)
        else:
            answer(None, is_last=True)


if __name__ == "__main__":
    _serve()
