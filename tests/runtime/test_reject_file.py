"""A reject file is corrected and imported again: what is ours in it reaches nobody, what was taken stays as it was."""

import csv
import json

import pytest

from channels.messages import ChannelKind
from worker.runtime.import_row import Imported, Rejected
from worker.runtime.importing import open_audience
from worker.runtime.reject_file import RejectFile

LINES = "phone,firstName,plan\n+12125550123,First,a\n+12125550123,Second,b\n555-0123,Ben,c\n"


@pytest.fixture
def rejects(tmp_path):
    """Imports a file and gives what it says, and the path of its reject file."""

    def go(path, **options):
        audience = open_audience(path, **options)
        rows = list(audience.contacts())
        target = tmp_path / f"{path.stem}.rejects.csv"
        with RejectFile(target, audience.file.header) as file:
            for row in rows:
                if isinstance(row, Rejected):
                    file.write(row.row, row.reason, row.cells)
        return rows, target

    return go


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(LINES)
    return path


def correct(path, old, new):
    text = path.read_text(encoding="utf-8-sig")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def reasons(rows):
    return [row.reason if isinstance(row, Rejected) else "" for row in rows]


def test_a_corrected_row_brings_only_what_it_brought_before(rejects, people):
    _, path = rejects(people)
    correct(path, "555-0123", "+12125550124")

    rows, _ = rejects(path)

    assert isinstance(rows[1], Imported)
    assert rows[1].contact.fields == {"firstName": "Ben", "plan": "c"}


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_reject_file_in_another_format_is_one_too(rejects, tmp_path, suffix):
    row = {"rejectedRow": 3, "rejectedReason": "is a duplicate of row 2: same phone", "phone": "+12125550123", "x": 1}
    good = row | {"rejectedReason": None, "phone": "+12125550124"}
    path = tmp_path / f"people.{suffix}"
    if suffix == "jsonl":
        path.write_text(json.dumps(row) + "\n" + json.dumps(good) + "\n")
    else:
        import pyarrow as pa  # noqa: PLC0415 - one case of two needs it
        from pyarrow import parquet  # noqa: PLC0415

        parquet.write_table(pa.Table.from_pylist([row, good]), path)

    rows, _ = rejects(path)

    assert reasons(rows)[0].startswith("was a duplicate of row 2")
    assert rows[1].contact.fields == {"x": 1}


def test_a_duplicate_that_is_imported_again_as_it_is_stays_rejected(rejects, people):
    _, path = rejects(people)
    for _ in range(3):  # and so does that of a reject file's reject file
        rows, path = rejects(path)

        assert reasons(rows)[0].startswith("was a duplicate of row 2 of an earlier file")
        assert "clear this cell" in reasons(rows)[0]


def test_a_duplicate_is_taken_when_its_reason_is_cleared(rejects, people):
    rows, path = rejects(people)
    correct(path, reasons(rows)[1], "")

    again, _ = rejects(path)

    assert isinstance(again[0], Imported)
    assert again[0].contact.fields["firstName"] == "Second"


def test_an_opt_out_in_a_duplicate_is_heard_again(rejects, people):
    people.write_text("phone,optOut\n+12125550123,\n+12125550123,sms\n")
    _, path = rejects(people)

    (row,), _ = rejects(path)

    assert isinstance(row, Rejected)
    assert [(item.channel, item.address) for item in row.suppressions] == [(ChannelKind.SMS, "+12125550123")]


def test_a_reject_file_of_a_reject_file_has_our_columns_once(rejects, people):
    _, path = rejects(people)
    _, path = rejects(path)

    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *lines = csv.reader(file)

    assert header == ["rejectedRow", "rejectedReason", "phone", "firstName", "plan"]
    assert [line[2:] for line in lines] == [["'+12125550123", "Second", "b"], ["555-0123", "Ben", "c"]]


def test_a_column_of_the_operators_own_of_nearly_that_name_is_kept(rejects, people):
    people.write_text("phone,Rejected Reason\n+12125550123,price\n")

    (row,), _ = rejects(people)

    assert row.contact.fields == {"rejectedReason": "price"}
