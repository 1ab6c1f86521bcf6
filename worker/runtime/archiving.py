"""Archives old runs: writes all of their rows to files, reads them back, and only then deletes them.

1. One at a time in a tenant, under a lease. Whoever is killed is followed by the next `campaigns archive`: what was not
   sealed is written anew, what was is deleted on.
2. Files are written beside their place and moved there when they are whole, before the run is sealed: a folder that has
   the name of a run is a whole archive.
3. Between two steps it rests, and longer than the step took while a run is running, so that one hardly notices.
4. `store.archive` says which runs may be archived, and what stays of them.
"""

import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from worker.domain.run import Run, RunStatus
from worker.runtime import archive_files
from worker.runtime.archive_files import Files
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import FolderInUse, Unfaithful
from worker.store.archive import START, ArchiveState, Content, Cursor, Place
from worker.store.archived import report_as_json
from worker.store.codec import millis_or_none
from worker.store.errors import CannotArchive
from worker.store.rows import RunReport

READ_PEOPLE: Final = 500
DROP_PEOPLE: Final = 300
"""People in one step; each has five to ten rows."""
REST: Final = 6.0
"""So many times as long as a step it rests after it: a seventh of a core at most is missed by who works beside it."""
REST_ALONE: Final = 1.0
"""The same while no run of the tenant is running: others may be at the same database."""
LEASE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A run whose rows are in the files of a folder now. `rows`: by table."""

    run_id: str
    folder: str
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A run that stays where it is, and why."""

    run_id: str
    reason: str


def archive_older(rt: Runtime, age: timedelta, to: Path | None = None) -> Iterator[Archived | Refused]:
    """Archive every run that ended so long ago; those that may not be archived are told of. Raises as `archive`."""
    for run_id in rt.store.archive_candidates(rt.settings.tenant_id, rt.now() - age):
        yield try_to_archive(rt, run_id, to)


def try_to_archive(rt: Runtime, run_id: str, to: Path | None = None) -> Archived | Refused:
    """The same as `archive`, but a run that may not be archived is an answer."""
    try:
        return archive(rt, run_id, to)
    except CannotArchive as error:
        return Refused(run_id=run_id, reason=error.reason)


def archive(rt: Runtime, run_id: str, to: Path | None = None) -> Archived:
    """Archive a run into a folder of its name below `to`, by default below `archive` in the data folder.

    Raises NotFound, CannotArchive, FolderInUse, Unfaithful, OSError; then the run is as it was, or can be gone on with.
    """
    run = rt.store.get_run(rt.settings.tenant_id, run_id)
    turn = _Turn(rt, run_id)
    turn.keep()
    try:
        found = rt.store.archive_state(run.tenant_id, run_id)
        if found.dropped:
            raise CannotArchive(run_id, f"it is archived in {run.archive}")
        if found.contents:
            _require_here(found, run_id)
            contents = found.contents
            archive_files.verify(Path(run.archive), contents, turn.keep)
        else:
            _clear(found)
            contents = _write(rt, run, (to or rt.settings.data_dir / "archive").resolve() / run_id, turn)
        _drop(rt, run, turn)
    finally:
        turn.end()
    folder = rt.store.get_run(run.tenant_id, run_id).archive
    return Archived(run_id=run_id, folder=folder, rows={name: one.rows for name, one in contents.items()})


class _Turn:
    """The lease under which one run is archived, and the pace at which."""

    def __init__(self, rt: Runtime, run_id: str) -> None:
        self._rt, self._run_id = rt, run_id
        self._name = f"archive:{rt.settings.tenant_id}"
        self._renew_at = self._began = rt.clock.elapsed()
        self._rest = REST

    def keep(self) -> None:
        """Take or renew the lease. Raises CannotArchive where somebody else has it."""
        if self._rt.clock.elapsed() < self._renew_at:
            return
        if not self._rt.store.take_lease(self._name, self._rt.owner, LEASE_SECONDS):
            raise CannotArchive(self._run_id, "another command archives, or was killed just now; try again in a minute")
        self._rest = REST if self._anything_runs() else REST_ALONE
        self._renew_at = self._rt.clock.elapsed() + LEASE_SECONDS / 3

    def step(self) -> None:
        """A step begins."""
        self.keep()
        self._began = self._rt.clock.elapsed()

    def rest(self) -> None:
        """It has ended."""
        self._rt.clock.sleep(self._rest * (self._rt.clock.elapsed() - self._began))

    def _anything_runs(self) -> bool:
        return bool(self._rt.store.find_runs(self._rt.settings.tenant_id, statuses=[RunStatus.RUNNING], limit=1))

    def end(self) -> None:
        """Let the next one go on at once."""
        self._rt.store.take_lease(self._name, self._rt.owner, 0)


def _write(rt: Runtime, run: Run, folder: Path, turn: _Turn) -> Mapping[str, Content]:
    """Write, read back and seal. Whatever goes wrong before that leaves the run as it was."""
    if folder.exists():
        raise FolderInUse(f"{folder} is there already; move it away, or name another folder with --to")
    place = Place(folder=str(folder), host=socket.gethostname(), token=rt.store.new_id())
    rt.store.begin_archive(run.tenant_id, run.run_id, place)
    try:
        contents, counts = _write_files(rt, run, _partial(folder), turn)
        archive_files.verify(_partial(folder), contents, turn.keep)
        _partial(folder).rename(folder)
        archive_files.sync_folder(folder.parent)
        rt.store.seal_archive(
            run.tenant_id,
            run.run_id,
            rt.now(),
            place=place,
            contents=contents,
            counts=counts,
            by=rt.actor.user_id,
        )
    except (Exception, KeyboardInterrupt):
        if rt.store.abandon_archive(run.tenant_id, run.run_id, place):
            _remove(folder)
            _remove(_partial(folder))
        raise
    return contents


def _write_files(rt: Runtime, run: Run, folder: Path, turn: _Turn) -> tuple[dict[str, Content], RunReport]:
    _remove(folder)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    with Files(folder) as files:
        after: Cursor = START
        while True:
            turn.step()
            batch = rt.store.read_for_archive(run.tenant_id, run.run_id, after=after, size=READ_PEOPLE)
            if batch is None:
                break
            files.add(batch.rows)
            after = batch.last
            turn.rest()
        contents = files.close()
    counts = rt.store.run_report(run.tenant_id, run.run_id)
    _require_all(folder, contents, counts)
    archive_files.write_run(folder, _described(rt, run, contents, counts))
    return contents, counts


def _require_all(folder: Path, contents: Mapping[str, Content], counts: RunReport) -> None:
    """What was found person by person is all that the run has."""
    for name, content in contents.items():
        if (there := sum(getattr(counts, name).values())) != content.rows:
            raise Unfaithful(folder / archive_files.file_of(name), f"has {content.rows} rows of {there}")


def _described(rt: Runtime, run: Run, contents: Mapping[str, Content], counts: RunReport) -> Mapping[str, Any]:
    times = ("occurrence", "next_at", "created_at", "started_at", "finished_at")
    changes = rt.store.run_changes(run.tenant_id, run.run_id)
    return {
        "version": 1,
        "run": asdict(run) | {name: millis_or_none(getattr(run, name)) for name in times},
        "changes": [asdict(change) for change in changes],
        "counts": report_as_json(counts),
        "files": {archive_files.file_of(name): asdict(content) for name, content in contents.items()},
    }


def _drop(rt: Runtime, run: Run, turn: _Turn) -> None:
    after: Cursor | None = START
    while after is not None:
        turn.step()
        after = rt.store.drop_archived(run.tenant_id, run.run_id, after=after, size=DROP_PEOPLE)
        turn.rest()
    rt.store.finish_archive(run.tenant_id, run.run_id)


def _require_here(found: ArchiveState, run_id: str) -> None:
    place = found.place
    if place is not None and place.host != socket.gethostname():
        raise CannotArchive(run_id, f"its archive is {place.folder} on {place.host}; go on there")


def _clear(found: ArchiveState) -> None:
    """Remove what an attempt that was cut short has left. Its folder was free when it began."""
    if found.place is not None and found.place.host == socket.gethostname():
        _remove(Path(found.place.folder))
        _remove(_partial(Path(found.place.folder)))


def _partial(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
