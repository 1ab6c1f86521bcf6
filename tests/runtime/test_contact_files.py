"""Files of people in every form: what can be read is read, what cannot is refused with what to do."""

import json
import os
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from worker.runtime import csv_file
from worker.runtime.contact_file import FileFormat, UnreadableFile
from worker.runtime.import_row import Imported, Person, Rejected
from worker.runtime.import_seen import Seen
from worker.runtime.importing import open_audience


@pytest.fixture
def read(tmp_path):
    """Writes a file and gives what its import says."""

    def go(name, content, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(open_audience(path, **options).contacts())

    return go


def json_lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def test_json_lines_keep_numbers_and_nested_values_as_attributes(read):
    ann = {"phone": "+12025550100", "name": "Ann", "visits": 0, "vip": False, "tags": ["a"], "plan": {"name": "gold"}}

    (row,) = read("people.jsonl", json_lines(ann))

    assert row.contact.phone == "+12025550100"
    assert row.contact.fields == {"name": "Ann", "visits": 0, "vip": False, "tags": ["a"], "plan": {"name": "gold"}}


def test_keys_need_not_be_the_same_in_each_line(read):
    first, second = read("people.ndjson", json_lines({"phone": "+12025550100"}, {"email": "b@example.com", "x": 1}))

    assert first.contact.fields == {}
    assert (second.contact.email, second.contact.fields) == ("b@example.com", {"x": 1})


def test_addresses_that_are_numbers_in_json_are_addresses(read):
    (row,) = read("people.jsonl", json_lines({"phone": 2025550100, "id": 17, "optOut": True}))

    assert (row.contact.phone, row.contact.external_id) == ("+12025550100", "17")
    assert len(row.suppressions) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1, 2]", "is no JSON object; write one in each line"),
        ('"text"', "is no JSON object"),
        ('{"phone": "+1202', "is not JSON"),
        ('{"phone": "+12025550100", "phone": "+12025550101"}', "is there twice"),
        ('{"phone": "+12025550100", "n": 12345678901234567890}', "past 2^53"),
        ('{"phone": "+12025550100", "n": "\\u0000"}', "NUL"),
        ('{"phone": ["+12025550100"]}', "has a list or an object where a text is needed"),
        ('{"phone": "+12025550100", "x": ' + "[" * 80 + "]" * 80 + "}", "nested deeper than 64"),
    ],
)
def test_a_line_that_cannot_be_used_costs_itself_only(read, line, reason):
    bad, good = read("people.jsonl", f"{line}\n" + json_lines({"phone": "+12025550102"}))

    assert isinstance(bad, Rejected)
    assert bad.row == 1
    assert reason in bad.reason
    assert "2025550" not in bad.reason
    assert isinstance(good, Imported)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("phone,name\n+12025550100,Ann\n", "has no JSON object in any line; write one in each line"),
        ('[\n {"phone": "+12025550100"}\n]\n', "is one JSON text over many lines"),
        (json_lines({f"k{n}": n for n in range(2000)}), "different keys, of which at most 1,000 can be imported"),
        ('{"name": "Ann"}\n', "no column has an address"),
    ],
)
def test_a_file_that_is_no_json_lines_is_refused(read, content, answer):
    with pytest.raises(UnreadableFile, match=answer):
        read("people.jsonl", content)


@pytest.fixture
def table(tmp_path):
    def write(columns, **options):
        path = tmp_path / "people.parquet"
        parquet.write_table(pa.table(columns), path, **options)
        return path

    return write


def test_parquet_is_read_in_row_groups_with_its_types(table):
    path = table(
        {
            "phone": ["+12025550100", None],
            "email": [None, "b@example.com"],
            "since": [date(2026, 1, 2), None],
            "seen": [datetime(2026, 1, 2, 3, 4), None],  # noqa: DTZ001 - as files have them
            "debt": [Decimal("1.50"), None],
            "tags": [["a", "b"], None],
            "score": [1.5, float("nan")],
        },
        row_group_size=1,
    )

    first, second = open_audience(path).contacts()

    assert (first.row, second.row) == (1, 2)
    assert first.contact.fields == {
        "since": "2026-01-02",
        "seen": "2026-01-02T03:04:00",
        "debt": "1.50",
        "tags": ["a", "b"],
        "score": 1.5,
    }
    assert (second.contact.email, second.contact.fields) == ("b@example.com", {})


def test_numbers_that_a_table_keeps_as_floats_are_numbers(table):
    (row,) = open_audience(table({"phone": [12025550100.0]})).contacts()

    assert row.contact.phone == "+12025550100"


@pytest.mark.parametrize("damage", [lambda data: b"phone\n+1", lambda data: data[:-40], lambda data: data[:200]])
def test_a_parquet_that_is_none_or_is_cut_is_refused(table, damage):
    path = table({"phone": [f"+1202555{n:04d}" for n in range(1000)]})
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(UnreadableFile, match="is no Parquet, or is broken"):
        open_audience(path)


def test_a_page_that_is_broken_in_the_middle_is_found_before_anything_is_imported(table):
    path = table({"phone": [f"+1202555{n:04d}" for n in range(9000)]}, row_group_size=1000, compression="gzip")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)

    with pytest.raises(UnreadableFile, match="is broken"):
        open_audience(path)


def test_names_of_columns_are_shown_without_what_a_terminal_would_obey(read):
    with pytest.raises(UnreadableFile, match=r"The columns are: \?\[2Jname, x$"):
        read("people.jsonl", json_lines({"\x1b[2Jname": "Ann", "x": 1}))


def test_the_format_can_be_named_where_the_suffix_is_another(read):
    (row,) = read("export.txt", json_lines({"phone": "+12025550100"}), file_format=FileFormat.JSON_LINES)

    assert row.contact.phone == "+12025550100"


def test_a_column_is_what_the_map_says(read):
    (row,) = read(
        "people.csv",
        "Kontakt 1,Tarif 2026,Notiz,phone\n+12025550100,gold,secret,555\n",
        called={"Kontakt 1": "mobile", "tarif2026": "plan", "Notiz": "", "phone": "extension"},
    )

    assert row.contact.phone == "+12025550100"
    assert row.contact.fields == {"plan": "gold", "extension": "555"}


@pytest.mark.parametrize(
    ("called", "answer"),
    [
        ({"Handy": "phone"}, "there is no column 'Handy' to map; the columns are: phone, name"),
        ({"name": "phone"}, "two columns are called 'phone'; rename or remove one, or map one"),
        ({"phone": ""}, "no column has an address"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(read, called, answer):
    with pytest.raises(UnreadableFile, match=answer):
        read("people.csv", "phone,name\n+12025550100,Ann\n", called=called)


@pytest.mark.parametrize("delimiter", [";", "semicolon", "SEMICOLON"])
def test_a_delimiter_that_is_named_is_taken(read, delimiter):
    (row,) = read("people.csv", "phone;a,b\n+12025550100;1,2\n", delimiter=delimiter)

    assert row.contact.fields == {"aB": "1,2"}


@pytest.mark.parametrize(
    ("delimiter", "answer"),
    [(";", "the first line has no ';', but ','; leave --delimiter out"), ("ab", "is no delimiter"), ('"', "is no del")],
)
def test_a_delimiter_that_is_wrong_is_refused(read, delimiter, answer):
    with pytest.raises(UnreadableFile, match=answer):
        read("people.csv", "phone,name\n+12025550100,Ann\n", delimiter=delimiter)


def test_a_file_in_two_encodings_is_refused_with_the_lines(read):
    german = "".join(f"+120255501{n},Jörg Müller aus Köln und Sören Weiß aus Zürich\n" for n in range(10, 20))

    with pytest.raises(UnreadableFile, match="in two encodings: line 12 is UTF-8 and line 2 is not"):
        read("people.csv", b"phone,name\n" + german.encode("cp1252") + german.encode())


def test_a_wrong_byte_is_named_by_its_line(read):
    lines = ["phone,name", *(f"+120255501{n},Ann" for n in range(10, 90)), "+12025550190,J\xf6rg"]

    with pytest.raises(UnreadableFile, match=r"is not utf-8 \(line 82\)"):
        read("people.csv", "\n".join(lines).encode("cp1252"), encoding="utf-8")


def test_ten_thousand_columns_are_refused(read):
    with pytest.raises(UnreadableFile, match=r"has 10,001 columns, of which at most 1,000"):
        read("people.csv", "phone," + ",".join(f"c{n}" for n in range(10_000)) + "\n")


def test_what_can_be_read_only_once_is_refused(tmp_path):
    pipe = tmp_path / "people.csv"
    os.mkfifo(pipe)

    with pytest.raises(UnreadableFile, match="is no file on a disk"):
        open_audience(pipe)


def test_quoted_cells_may_reach_from_one_piece_of_the_file_into_the_next(read, monkeypatch):
    monkeypatch.setattr(csv_file, "BLOCK", 64)
    lines = [f'+1202555{n:04d},"Ann\nMarie {n}"' if n % 3 else f"+1202555{n:04d},Ben" for n in range(100, 200)]

    rows = read("people.csv", "phone,name\n" + "\n".join(lines) + "\n")

    assert [row.contact.fields["name"] for row in rows] == [
        f"Ann\nMarie {n}" if n % 3 else "Ben" for n in range(100, 200)
    ]


def person(n):
    return Person(phone=f"+1{n}", email=f"p{n}@example.com", external_id=str(n))


@pytest.mark.parametrize("slots", [4, 1024, 4096], ids=["on disk", "half of them on disk", "in memory"])
def test_whoever_was_seen_is_known_however_many_there_are(slots):
    seen = Seen(slots)

    assert [seen.twin(n, person(n)) for n in range(1, 500)] == [None] * 499
    assert seen.twin(600, person(7)) == (7, "phone")
    assert seen.twin(601, Person(email="p400@example.com", phone="+1new")) == (400, "email")
    assert seen.twin(602, Person(phone="+1new")) is None
    assert seen.twin(603, Person(external_id="+1new")) is None
    seen.close()


def test_a_row_that_is_a_duplicate_keeps_nobody_out():
    seen = Seen(64)

    assert seen.twin(1, Person(phone="+1")) is None
    assert seen.twin(2, Person(phone="+1", email="b@example.com")) == (1, "phone")
    assert seen.twin(3, Person(email="b@example.com")) is None
    assert seen.twin(1 << 30, Person(phone="+2")) is None
    assert seen.twin(1 << 31, Person(phone="+2")) == (1 << 30, "phone")
    seen.close()
