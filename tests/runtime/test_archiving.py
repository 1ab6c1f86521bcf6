"""Archiving a run: its files, what a crash at any point leaves, and what is known of it afterwards."""

import itertools
import json
import os
import stat
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from channels.messages import ChannelKind
from channels.results import Receipt, ReceiptKind
from tests.runtime.house import MAIL, TENANT
from tests.store.builders import NOW
from tests.store.ended import ended_run, left_of, rows_of
from worker.domain.audience import Audience
from worker.runtime import archive_files, archiving, launch
from worker.runtime.archiving import Archived, Refused, archive, archive_older
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch, FolderInUse, Unfaithful
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import apply_inbox
from worker.runtime.reports import make_report
from worker.runtime.settings import Settings
from worker.store.errors import CannotArchive
from worker.store.facade import Store
from worker.store.inbox import KEEP_UNMATCHED
from worker.store.inbox_rows import InboxEntry
from worker.store.tables import tick_leases

GONE = {"enrollments": 0, "messages": 0, "attempts": 0}
PEOPLE = 3


class Crash(BaseException):
    """The process is killed here."""


def killed(*_, **__):
    raise Crash


class Place:
    """An installation with one ended run, and its archive."""

    def __init__(self, url, folder):
        self.store, self.folder = Store(url), folder
        self.rt = self.process()
        self.run_id = ended_run(self.store, PEOPLE, TENANT)
        self.rows, self.report = rows_of(self.store, self.run_id), make_report(self.rt, self.run_id).counts
        ended_run(self.store, 1, TENANT)  # it has the newest outcome

    def process(self):
        settings = Settings(_env_file=None, database_url=str(self.store.engine.url), data_dir=self.folder)
        rt = Runtime(settings, self.store, lambda _: None)
        rt.clock.sleep = lambda _: None
        return rt

    def archive(self, **more):
        return archive(self.rt, self.run_id, **more)

    def left(self):
        return left_of(self.store, self.run_id)

    def folders(self):
        base = self.folder / "archive"
        return sorted(one.name for one in base.iterdir()) if base.exists() else []

    def lease_ends(self):
        with self.store.engine.begin() as conn:
            conn.execute(tick_leases.update().values(until=0))


@pytest.fixture
def place(database_url, tmp_path):
    opened = Place(database_url, tmp_path / "data")
    yield opened
    opened.store.close()


@pytest.fixture
def on_sqlite(sqlite_url, tmp_path):
    opened = Place(sqlite_url, tmp_path / "data")
    yield opened
    opened.store.close()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(archiving, "READ_PEOPLE", 2)
    monkeypatch.setattr(archiving, "DROP_PEOPLE", 2)


def whole(place):
    """The archive holds every row of the run, once, and its description."""
    folder = place.folder / "archive" / place.run_id
    for name, rows in place.rows.items():
        found = [tuple(row.values()) for row in pq.read_table(folder / f"{name}.parquet").to_pylist()]
        assert sorted(found, key=str) == rows
    said = json.loads((folder / "run.json").read_text())
    assert said["run"]["run_id"] == place.run_id
    assert said["counts"]["enrollments"] == {"finished": PEOPLE}
    return True


def test_an_archive_holds_every_row_and_the_database_none(place):
    done = place.archive()

    assert done.rows == {"enrollments": 3, "messages": 6, "attempts": 6, "outcomes": 6}
    assert whole(place)
    assert (place.left(), place.folders()) == (GONE, [place.run_id])


def test_what_a_run_came_to_is_told_as_before_with_where_its_rows_are(place):
    place.archive()
    found = make_report(place.rt, place.run_id)
    assert found.counts == place.report
    assert found.as_json()["archive"] == str(place.folder / "archive" / place.run_id)


def test_only_its_owner_may_read_an_archive(on_sqlite):
    before = os.umask(0)
    try:
        folder = on_sqlite.folder / "archive" / on_sqlite.archive().run_id
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (stat.S_IMODE(folder.stat().st_mode), modes) == (0o700, {0o600})


STEPS = ("begin_archive", "read_for_archive", "run_report", "seal_archive", "drop_archived", "finish_archive")
"""What the act does to the database."""
FILES = ("write_run", "sync_folder", "verify")
"""And to files."""


def crash_at(store, number, monkeypatch):
    """Kill the process before (even) or after (odd) one of its steps. The list stays empty if it has no so many."""
    calls, reached = itertools.count(), []

    def counted(call):
        def made(*args, **options):
            for after in (False, True):
                if next(calls) == number:
                    reached.append(number)
                    raise Crash
                if not after:
                    result = call(*args, **options)
            return result

        return made

    for name in STEPS:
        monkeypatch.setattr(store, name, counted(getattr(store, name)), raising=False)
    for name in FILES:
        monkeypatch.setattr(archive_files, name, counted(getattr(archive_files, name)))
    for name in ("add", "close"):
        monkeypatch.setattr(archive_files.Files, name, counted(getattr(archive_files.Files, name)))
    return reached


def test_killed_between_any_two_steps_and_begun_again_it_comes_to_one_whole_archive(sqlite_url, tmp_path, monkeypatch):
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    empty = path.read_bytes()
    for number in itertools.count():
        path.write_bytes(empty)
        place = Place(sqlite_url, tmp_path / f"data{number}")
        with monkeypatch.context() as context:
            reached = crash_at(place.store, number, context)
            with suppress(Crash):
                place.archive()
        assert make_report(place.rt, place.run_id).counts == place.report
        place.lease_ends()
        if place.run_id in place.store.archive_candidates(TENANT, NOW):
            place.archive()
        assert whole(place)
        assert (place.left(), place.folders()) == (GONE, [place.run_id])
        place.store.close()
        if not reached:
            break
    assert number > 2 * len((*STEPS, *FILES))


def test_a_file_that_does_not_hold_what_was_written_leaves_the_run_as_it_was(place, monkeypatch):
    read_back = archive_files._read_back
    monkeypatch.setattr(archive_files, "_read_back", lambda *given: replace(read_back(*given), sha256="another"))
    with pytest.raises(Unfaithful, match="does not hold what was written"):
        place.archive()
    monkeypatch.undo()

    assert (rows_of(place.store, place.run_id), place.folders()) == (place.rows, [])
    assert place.archive().rows["messages"] == 6


def test_a_sealed_archive_that_was_spoiled_is_noticed_before_more_is_deleted(on_sqlite, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(on_sqlite.store, "drop_archived", killed, raising=False)
        with pytest.raises(Crash):
            on_sqlite.archive()
    assert on_sqlite.store.archive_state(TENANT, on_sqlite.run_id).contents
    on_sqlite.lease_ends()
    (on_sqlite.folder / "archive" / on_sqlite.run_id / "messages.parquet").write_bytes(b"PAR1")

    with pytest.raises(Unfaithful, match=r"messages\.parquet: cannot be read back"):
        on_sqlite.archive()

    assert rows_of(on_sqlite.store, on_sqlite.run_id) == on_sqlite.rows


def test_a_folder_that_is_there_already_is_not_touched(on_sqlite, tmp_path):
    (tmp_path / on_sqlite.run_id).mkdir()
    with pytest.raises(FolderInUse, match="move it away"):
        on_sqlite.archive(to=tmp_path)
    assert on_sqlite.archive().folder == str(on_sqlite.folder / "archive" / on_sqlite.run_id)


def test_two_at_once_take_turns(on_sqlite):
    other = on_sqlite.process()
    other.owner = "another"
    assert other.store.take_lease(f"archive:{TENANT}", other.owner, 60)
    with pytest.raises(CannotArchive, match="another command archives"):
        on_sqlite.archive()
    assert rows_of(on_sqlite.store, on_sqlite.run_id) == on_sqlite.rows


def test_all_runs_that_ended_so_long_ago_are_archived_and_the_others_stay_with_the_reason(on_sqlite):
    store = on_sqlite.store
    with store.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM runs WHERE run_id <> ?", (on_sqlite.run_id,))
    listened = ended_run(store, 1, TENANT, open_ended=True)
    young = ended_run(store, 1, TENANT, finished_at=on_sqlite.rt.now())

    found = {one.run_id: one for one in archive_older(on_sqlite.rt, timedelta(minutes=5))}

    assert isinstance(found[on_sqlite.run_id], Archived)
    assert isinstance(found[listened], Refused)
    assert young not in found
    assert on_sqlite.left() == GONE
    assert [one.run_id for one in archive_older(on_sqlite.rt, timedelta(minutes=5))] == [listened]


def test_a_launch_that_leaves_out_people_of_an_archived_run_is_refused_with_the_reason(home):
    run_id = ended_run(home.store, 1, TENANT)
    archive(home.rt, run_id, home.folder / "archive")
    request = replace(home.save(MAIL), audience=Audience(exclude_runs=(run_id,)))
    with pytest.raises(CannotLaunch, match=f"run {run_id} is archived, its people cannot be left out"):
        launch.launch(home.rt, request)


def hear(house, attempt_id, kind, key, address=""):
    receipt = Receipt(event_key=key, kind=kind, attempt_id=attempt_id, code="unsubscribe", address=address)
    payload = encode(ChannelKind.EMAIL, receipt)
    entry = InboxEntry(tenant_id=TENANT, provider="sendgrid", event_key=key, payload=payload)
    house.store.inbox_add([entry], house.rt.now())


@pytest.fixture
def mailed(house):
    """A real run of one mail that was delivered; the attempt's id."""
    house.launch(MAIL)
    house.advance()
    house.dispatch(ChannelKind.EMAIL)
    [attempt] = house.attempts()
    hear(house, attempt.attempt_id, ReceiptKind.DELIVERED, "first")
    house.tick_only()
    assert house.status() == "completed"
    return attempt.attempt_id


def test_late_receipts_of_an_archived_run_are_given_up_after_a_day_and_hold_up_nothing(house, mailed):
    archive(house.rt, house.run_id)
    hear(house, mailed, ReceiptKind.OPENED, "late")
    assert apply_inbox(house.rt) == 1

    house.later(seconds=KEEP_UNMATCHED.total_seconds() + 60)
    with house.store.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE inbox SET due_at = 0")
    apply_inbox(house.rt)

    assert [row.note for row in house.inbox() if row.event_key == "late"] == ["given up: nobody knows its attempt"]
    assert not any(row.processed_at is None for row in house.inbox())


def test_whoever_unsubscribes_by_a_mail_of_an_archived_run_is_never_written_to_again(house, mailed):
    archive(house.rt, house.run_id)
    hear(house, mailed, ReceiptKind.OPTED_OUT, "late", address="P0@example.com")
    apply_inbox(house.rt)

    assert house.store.unsuppress(TENANT, ChannelKind.EMAIL, "p0@example.com")
    assert not any(row.processed_at is None for row in house.inbox())


def test_whoever_unsubscribes_while_the_files_are_written_is_suppressed_and_the_rows_stay_as_they_were(house, mailed):
    before = rows_of(house.store, house.run_id)
    house.store.begin_archive(TENANT, house.run_id, archiving.Place(folder="/x", host="h"))
    hear(house, mailed, ReceiptKind.OPTED_OUT, "late")
    apply_inbox(house.rt)

    assert house.store.unsuppress(TENANT, ChannelKind.EMAIL, "p0@example.com")
    assert rows_of(house.store, house.run_id) == before
