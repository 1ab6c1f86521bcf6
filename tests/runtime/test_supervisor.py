"""The supervisor starts programs and leaves nothing running, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from worker.runtime.errors import ProgramDied, TookTooLong
from worker.runtime.supervisor import Program, Supervisor, wait_until

FOREVER = (sys.executable, "-c", "import time; time.sleep(600)")
WITH_CHILD = (
    sys.executable,
    "-c",
    (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    ),
)
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
)


def test_leaving_stops_a_program_and_the_children_it_started(tmp_path: Path):
    with Supervisor(tmp_path) as supervisor:
        parent = supervisor.start(Program(name="family", command=WITH_CHILD))
        wait_until(lambda: parent.log.read_text().strip() != "", seconds=10, what="the child to start")
        child = int(parent.log.read_text())

    assert not _alive(parent.process.pid)
    wait_until(lambda: not _alive(child), seconds=5, what="the child to end")


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path):
    supervisor = Supervisor(tmp_path)
    with supervisor:
        deaf = supervisor.start(Program(name="deaf", command=STUBBORN))
        wait_until(lambda: "deaf" in deaf.log.read_text(), seconds=10, what="the program to be deaf")
        supervisor.stop(patience=0.2)

    assert not _alive(deaf.process.pid)


def test_a_program_dies_with_a_supervisor_that_is_killed(tmp_path: Path):
    script = (
        "import sys, time; from pathlib import Path; from worker.runtime.supervisor import Program, Supervisor\n"
        f"with Supervisor(Path({str(tmp_path)!r})) as s:\n"
        f"    print(s.start(Program(name='orphan', command={FOREVER!r})).process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        orphan = int(killed.stdout.readline())
        killed.kill()

    wait_until(lambda: not _alive(orphan), seconds=5, what="the orphan to end")


def test_the_next_start_ends_what_a_killed_predecessor_left(tmp_path: Path):
    left = subprocess.Popen(FOREVER, start_new_session=True)
    (tmp_path / "pids").mkdir()
    born = psutil.Process(left.pid).create_time()
    (tmp_path / "pids" / "left").write_text(f"{left.pid} {born}")

    with Supervisor(tmp_path):
        assert left.wait(5) == -signal.SIGKILL


def test_a_process_id_that_belongs_to_somebody_else_by_now_is_left_alone(tmp_path: Path):
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "stale").write_text(f"{os.getpid()} {time.time() - 86_400}")

    with Supervisor(tmp_path):
        assert not (tmp_path / "pids" / "stale").exists()


def test_a_program_that_may_be_restarted_is(tmp_path: Path):
    with Supervisor(tmp_path) as supervisor:
        first = supervisor.start(Program(name="worker", command=FOREVER, restart=True))
        first.process.kill()
        first.process.wait()
        supervisor.watch()

        assert supervisor.running["worker"].process.poll() is None
        assert supervisor.running["worker"].process.pid != first.process.pid


def test_a_program_that_has_worked_is_started_again_when_it_fails_at_its_next_start_but_not_for_ever(tmp_path: Path):
    once = tmp_path / "has worked"
    command = (sys.executable, "-c", f"import pathlib, sys; sys.exit(pathlib.Path({str(once)!r}).exists())")
    with Supervisor(tmp_path) as supervisor:
        running = supervisor.start(Program(name="worker", command=command, restart=True))
        running.started -= 10
        once.touch()
        for _ in range(6):
            supervisor.running["worker"].process.wait()
            supervisor.watch()
        supervisor.running["worker"].process.wait()

        with pytest.raises(ProgramDied):
            supervisor.watch()


def test_a_program_that_fails_at_its_first_start_is_not_started_again(tmp_path: Path):
    with Supervisor(tmp_path) as supervisor:
        running = supervisor.start(Program(name="worker", command=(sys.executable, "-c", "1 / 0"), restart=True))
        running.process.wait()

        with pytest.raises(ProgramDied, match="ZeroDivisionError"):
            supervisor.watch()


def test_a_program_that_ends_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path):
    with Supervisor(tmp_path) as supervisor:
        gone = supervisor.start(Program(name="gone", command=(sys.executable, "-c", "raise SystemExit('no disk')")))
        gone.process.wait()

        with pytest.raises(ProgramDied, match="no disk"):
            supervisor.watch()


def test_waiting_names_what_it_waited_for():
    with pytest.raises(TookTooLong, match="the moon"):
        wait_until(lambda: False, seconds=0.1, what="the moon")


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
