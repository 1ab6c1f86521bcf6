"""Starts the programs of one machine, watches them, and stops every one of them, whatever happens.

1. Each program leads its own process group, so that a Ctrl-C in the terminal reaches only us and we stop the rest.
2. A program dies with us even when we are killed with -9: PR_SET_PDEATHSIG on Linux; else the next start cleans up.
3. Output goes to one log file per program.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from worker.runtime.errors import ProgramDied, TookTooLong

_PR_SET_PDEATHSIG = 1
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHORTEST_LIFE = 5.0
"""Seconds. What ends sooner by itself, and never lived longer, cannot work at all: that is not to be hidden."""
_SHORT_LIVES = 5
"""So often in a row one that has worked before is started again; Celery ends when a child dies while it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to start. `env` is added to ours. `restart`: start it again when it ends by itself.

    `serves`: others need it until they have ended, so it is stopped after them.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    restart: bool = False
    serves: bool = False


class Running:
    """A started program."""

    def __init__(self, program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
        self.program = program
        self.process = process
        self.log = log
        self.started = time.monotonic()

    def require_alive(self) -> None:
        """Raise ProgramDied, with the end of its log, if it has ended."""
        code = self.process.poll()
        if code is not None:
            raise ProgramDied(self.program.name, code, last_lines(self.log), self.log)

    def signal_group(self, number: int) -> None:
        """Signal it and everything it started."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


class Supervisor:
    """Use as a context manager: leaving it stops everything, in the reverse order of the start."""

    def __init__(self, data_dir: Path, env: Mapping[str, str] | None = None) -> None:
        self._logs = data_dir / "logs"
        self._pids = data_dir / "pids"
        self.env: dict[str, str] = dict(env or {})
        self.running: dict[str, Running] = {}
        self._short_lives: dict[str, int] = {}
        """Of programs that have worked: how many lives in a row were short. The others may have none."""
        self.afterwards = contextlib.ExitStack()
        """What is to be undone when everything has ended, such as temporary folders."""

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._pids.mkdir(parents=True, exist_ok=True)
        self._stop_leftovers()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, program: Program) -> Running:
        """Start a program; its environment is ours, the supervisor's and its own, in that order."""
        # An interrupt inside fork would be lost: Python drops what its fork hooks raise. So it waits until the program
        # is registered, and then strikes where it will be stopped.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
        try:
            return self._start(program)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start(self, program: Program) -> Running:
        log = self._logs / f"{program.name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own commands
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self.env | dict(program.env),
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - two system calls, no locks taken
            )
        running = Running(program, process, log)
        self.running[program.name] = running
        born = psutil.Process(process.pid).create_time()
        (self._pids / program.name).write_text(f"{process.pid} {born}")
        return running

    def watch(self) -> None:
        """Start again what ended and may be restarted; raise ProgramDied for what may not."""
        for running in list(self.running.values()):
            name = running.program.name
            has_worked = time.monotonic() - running.started >= _SHORTEST_LIFE
            if has_worked:
                self._short_lives[name] = 0
            if running.process.poll() is None:
                continue
            if not has_worked and running.process.returncode >= 0:  # nobody killed it
                self._short_lives[name] = self._short_lives.get(name, _SHORT_LIVES) + 1
            if not running.program.restart or self._short_lives.get(name, 0) > _SHORT_LIVES:
                running.require_alive()
            running.signal_group(signal.SIGKILL)
            self.start(running.program)

    def stop(self, patience: float = 8.0) -> None:
        """Ask all to end, then insist. Signals of the terminal are ignored meanwhile: stopping must finish."""
        previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for serves in (False, True):
                self._end([r for r in self.running.values() if r.program.serves is serves], patience)
            self.running.clear()
            self.afterwards.close()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _end(self, ending: Sequence[Running], patience: float) -> None:
        """Ask the leader of each group, who knows how to bring its children home; then kill what is left of it."""
        for running in ending:
            if running.process.poll() is None:
                running.process.terminate()
        deadline = time.monotonic() + patience
        for running in ending:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(max(0.05, deadline - time.monotonic()))
            running.signal_group(signal.SIGKILL)
            running.process.wait()
            (self._pids / running.program.name).unlink(missing_ok=True)

    def _stop_leftovers(self) -> None:
        """End what a killed predecessor left behind; a process id that now belongs to another program is left alone."""
        for file in self._pids.iterdir():
            pid, _, born = file.read_text().partition(" ")
            try:
                process = psutil.Process(int(pid))
                if abs(process.create_time() - float(born)) < 1:
                    os.killpg(process.pid, signal.SIGKILL)
            except (psutil.NoSuchProcess, ProcessLookupError, ValueError):
                pass
            file.unlink(missing_ok=True)


def wait_until(holds: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll until it holds. Raises TookTooLong naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TookTooLong(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log file."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def _die_with_parent() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
