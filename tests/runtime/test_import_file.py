"""A file becomes a list: all of it, once, however often it is started and wherever it was stopped."""

import csv
import gc
import itertools
import os
import sys
from dataclasses import replace

import pytest
from sqlalchemy import select

from worker.runtime import import_file as importing
from worker.runtime.bootstrap import Runtime
from worker.runtime.contact_file import UnreadableFile
from worker.runtime.import_batches import batches
from worker.runtime.import_file import import_file
from worker.runtime.importing import open_audience
from worker.runtime.settings import Settings
from worker.store.document_tables import contact_list_members, contacts
from worker.store.errors import ImportOvertaken
from worker.store.facade import Store
from worker.store.rows import ImportCounts

TENANT = "default"


@pytest.fixture
def rt(store, database_url):
    opened = Runtime(Settings(_env_file=None, database_url=database_url), store, lambda hint: None)
    yield opened
    opened.close()


@pytest.fixture
def people(tmp_path, monkeypatch):
    """Thirty rows in batches of five; the twelfth repeats the second, the twentieth cannot be used."""
    monkeypatch.setattr(importing, "BATCH", 5)
    path = tmp_path / "people.csv"
    lines = [f"+1202555{n:04d},p{n}@example.com,Ann{n}" for n in range(100, 130)]
    lines[11], lines[19] = lines[1].replace("p101", "other"), "123,,Nobody"
    path.write_text("phone,email,firstName\n" + "\n".join(lines) + "\n")
    return path


def load(rt, path, **options):
    options = {"list_name": "people", "region": "US", "rejects": path.with_suffix(".rejects")} | options
    return import_file(rt, path, **options)


def members(rt):
    with rt.store.engine.connect() as conn:
        return {row.contact_id: row.added_at for row in conn.execute(select(contact_list_members))}


class Killed(BaseException):
    """What ends a process in the middle."""


class Mortal(Store):
    """A store whose process dies when so many batches are committed."""

    lives = 0

    def import_contacts(self, *given, **options):
        if self.lives == 0:
            raise Killed
        self.lives -= 1
        return super().import_contacts(*given, **options)


def killed_after(batches, rt, path, **options):
    mortal = Mortal(rt.settings.database_url)
    mortal.lives = batches
    other = Runtime(rt.settings, mortal, lambda hint: None)
    with pytest.raises(Killed):
        load(other, path, **options)
    other.close()


def _everybody(rt):
    with rt.store.engine.connect() as conn:
        return set(conn.execute(select(contacts.c.contact_id, contacts.c.phone, contacts.c.email, contacts.c.fields)))


def rejected(path):
    with path.with_suffix(".rejects").open(encoding="utf-8-sig", newline="") as file:
        return [(row["rejectedRow"], row["rejectedReason"]) for row in csv.DictReader(file)]


def test_every_row_is_counted_and_whoever_is_new_is_on_the_list(rt, people):
    result = load(rt, people)

    assert (result.rows, result.accepted, result.rejected) == (30, 28, 2)
    assert result.counts == ImportCounts(new=28)
    assert len(members(rt)) == 28
    assert [row for row, _ in rejected(people)] == ["13", "21"]
    assert rejected(people)[0][1].startswith("is a duplicate of row 3: same phone; ")


@pytest.mark.parametrize("batches", [1, 3, 5])
def test_an_import_that_was_killed_goes_on_where_it_had_committed(rt, people, batches):
    killed_after(batches, rt, people)
    assert len(members(rt)) == 5 * batches
    joined = members(rt)

    result = load(rt, people)

    assert result.resumed_after > 0
    assert (result.rows, result.accepted, result.counts) == (30, 28, ImportCounts(new=28))
    assert len(members(rt)) == 28
    assert joined.items() <= members(rt).items()
    assert [row for row, _ in rejected(people)] == ["13", "21"]


def test_what_is_committed_is_not_sent_to_the_database_again(rt, people):
    killed_after(4, rt, people)
    mortal = Mortal(rt.settings.database_url)
    mortal.lives = 2
    other = Runtime(rt.settings, mortal, lambda hint: None)

    load(other, people)

    assert mortal.lives == 0
    other.close()


def test_a_file_that_was_changed_since_is_another_file(rt, people):
    killed_after(3, rt, people)
    people.write_text(people.read_text().replace("Ann100", "Anna"))

    result = load(rt, people)

    assert result.resumed_after == 0
    assert result.counts == ImportCounts(new=13, updated=1, unchanged=14)


def test_a_file_that_is_read_in_another_way_is_another_import(rt, people):
    killed_after(3, rt, people)

    assert load(rt, people, list_name="others").resumed_after == 0
    assert load(rt, people).resumed_after > 0


def test_the_same_file_twice_changes_nothing(rt, people):
    load(rt, people)
    joined = members(rt)

    result = load(rt, people)

    assert result.counts == ImportCounts(unchanged=28)
    assert (result.resumed_after, members(rt)) == (0, joined)


def test_known_people_among_new_ones_are_found(rt, people):
    load(rt, people)
    people.write_text(people.read_text().replace("+12025550103", "+12025550199").replace("p103@", "p199@"))

    assert load(rt, people).counts == ImportCounts(new=1, unchanged=27)


def test_of_two_imports_of_one_file_at_once_the_slower_ends(rt, people):
    """Nothing is counted twice, and nobody is lost: the other one goes on."""

    class Overtaken(Store):
        turns = itertools.count()

        def import_contacts(self, *given, **options):
            if next(self.turns) == 2:
                load(rt, people)
            return super().import_contacts(*given, **options)

    other = Runtime(rt.settings, Overtaken(rt.settings.database_url), lambda hint: None)

    with pytest.raises(ImportOvertaken, match="let that one end"):
        load(other, people)

    assert len(members(rt)) == 28
    other.close()


def test_progress_reaches_the_end_of_the_file(rt, people):
    told = []

    load(rt, people, progress=told.append)

    assert told == sorted(told)
    assert told[-1] == people.stat().st_size


def test_a_file_without_a_usable_row_leaves_no_trace_but_its_opt_outs(rt, tmp_path):
    path = tmp_path / "nobody.csv"
    path.write_text("phone,timezone,optOut\n+12025550100,Nowhere,yes\n")

    result = load(rt, path)

    assert (result.accepted, result.suppressed) == (0, 1)
    assert rt.store.list_documents(TENANT, "contactlist") == []
    assert rt.store.unsuppress(TENANT, None, "+12025550100")


def test_a_refused_file_imports_nothing(rt, people):
    people.write_bytes(people.read_bytes() + "+12025550150,x@example.com,Jörg\n".encode("cp1252"))

    with pytest.raises(UnreadableFile):
        load(rt, people, encoding="utf-8")

    assert members(rt) == {}
    assert not people.with_suffix(".rejects").exists()


@pytest.mark.parametrize(
    ("place", "remedy"),
    [
        ("people.csv", "would overwrite the file itself"),
        ("missing/x.csv", "there is no folder"),
        (".", "is a folder"),
    ],
)
def test_where_rejected_rows_cannot_go_is_said_before_the_file_is_read(rt, people, monkeypatch, place, remedy):
    monkeypatch.setattr(importing, "open_audience", lambda *_, **__: pytest.fail("the file was read"))

    with pytest.raises(UnreadableFile, match=remedy):
        load(rt, people, rejects=people.parent / place)


def test_rejected_rows_can_be_thrown_away(rt, people):
    people.write_text("phone\n+12025550100\n")
    (people.parent / "nowhere").symlink_to(os.devnull)

    assert load(rt, people, rejects=people.parent / "nowhere").rejected == 0
    assert (people.parent / "nowhere").is_symlink()


def test_afterwards_the_interpreter_is_as_it_was(rt, people):
    before = (sys.getswitchinterval(), gc.get_threshold())

    load(rt, people)
    killed_after(0, rt, people, list_name="again")

    assert (sys.getswitchinterval(), gc.get_threshold()) == before


def test_a_result_says_what_came_of_the_file(rt, people):
    said = load(rt, people).as_json()

    assert said["rows"] == said["accepted"] + said["rejected"]
    assert said["accepted"] == said["new"] + said["updated"] + said["unchanged"] + said["ofOthers"]
    assert "28 of them new" in replace(load(rt, people), counts=ImportCounts(new=28)).sentence()


def test_a_large_file_is_read_in_a_process_of_its_own_with_the_same_result(rt, people, monkeypatch):
    small = load(rt, people, list_name="small")
    rejects = rejected(people)
    monkeypatch.setattr(importing, "LARGE", 0)

    killed_after(2, rt, people)
    large = load(rt, people)

    assert large.resumed_after > 0
    assert (large.rows, large.accepted, large.rejected) == (small.rows, small.accepted, small.rejected)
    assert large.counts == ImportCounts(unchanged=28)
    assert rejected(people) == rejects


def test_a_file_of_nothing_but_rejected_rows_is_not_kept_in_memory(rt, people):
    people.write_text("phone\n" + "12\n" * 23)

    sizes = [len(batch.rejects) for batch in batches(open_audience(people), 5)]

    assert sizes == [5, 5, 5, 5, 3]


def test_what_is_left_out_of_rows_that_are_taken_is_told_by_column(rt, people):
    lines = [f"{'123' if n < 9 else '1' * 30},p{n}@example.com,,en_US" for n in range(10)]
    people.write_text(
        "phone,email,homephone,language\n" + "\n".join(lines) + "\n+12025550100,a@,12,x y\n+12025550101,b@x.org,,\n"
    )

    result = load(rt, people)

    assert (result.accepted, result.rejected) == (12, 0)
    assert [(item.column, item.rows, item.first) for item in result.left_out] == [
        ("phone", 11, (2, 3, 4, 5, 6)),
        ("email", 1, (12,)),
        ("language", 1, (12,)),
    ]
    assert (
        "\n11 rows were taken without a phone number that cannot be read (rows 2, 3, 4, 5, 6, …): it mostly has too few"
        " digits for a phone number; write it in full, with the area code; is --region the country of these numbers?\n"
        "1 row was taken without an email address that cannot be read (row 12): it is not an email"
    ) in result.sentence()
    assert result.as_json()["leftOut"][1] == {
        "column": "email",
        "rows": 1,
        "firstRows": [12],
        "mostly": "is not an email address; it has the form name@example.com",
    }


@pytest.mark.parametrize("large", [0, 1 << 30], ids=["in a process", "in a thread"])
def test_an_import_that_goes_on_tells_of_what_was_left_out_before(rt, people, monkeypatch, large):
    monkeypatch.setattr(importing, "LARGE", large)
    people.write_text(people.read_text().replace("+1202555010", "555010"))
    killed_after(4, rt, people)

    result = load(rt, people)

    assert result.resumed_after > 0
    assert [(item.rows, item.first) for item in result.left_out] == [(11, (2, 3, 4, 5, 6))]


def test_a_rejected_duplicate_that_is_imported_again_changes_nobody(rt, people):
    load(rt, people)
    before = _everybody(rt)
    people.with_suffix(".rejects").rename(people.with_name("again.csv"))

    result = load(rt, people.with_name("again.csv"))

    assert (result.accepted, result.rejected) == (0, 2)
    assert _everybody(rt) == before
