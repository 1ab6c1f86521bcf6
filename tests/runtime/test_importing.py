"""An audience file: every row is answered for, nobody twice, and an opt-out is never overlooked."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.messages import ChannelKind
from worker.runtime.contact_file import UnreadableFile
from worker.runtime.import_row import Imported, Rejected
from worker.runtime.importing import open_audience, read_contacts
from worker.runtime.reject_file import RejectFile

EXAMPLE = Path(__file__).parents[2] / "examples" / "renewal" / "contacts.csv"
HEADER = "customerId,firstName,mobile,email,country,timezone,optedOut"


@pytest.fixture
def audience(tmp_path):
    """Writes a CSV and gives what its import says."""

    def read(*lines, header=HEADER, encoding="utf-8", **options):
        path = tmp_path / "people.csv"
        path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
        return list(open_audience(path, **options).contacts())

    return read


def _suppressed(row):
    return {(suppression.channel, suppression.address) for suppression in row.suppressions}


def test_the_example_adds_up():
    rows = list(read_contacts(EXAMPLE))

    assert Counter(type(row) for row in rows) == {Imported: 965, Rejected: 35}
    assert sum("duplicate" in row.reason for row in rows if isinstance(row, Rejected)) == 15
    assert sum(bool(row.suppressions) for row in rows) == 25
    assert [row.row for row in rows] == list(range(2, 1002))


def test_a_row_becomes_a_contact(audience):
    (row,) = audience("C1,Ann,(212) 555-0123,Ann@Example.com,US,,")

    assert isinstance(row, Imported)
    assert (row.contact.external_id, row.contact.phone, row.contact.email, row.contact.timezone) == (
        "C1",
        "+12125550123",
        "ann@example.com",
        "America/New_York",
    )
    assert row.contact.fields == {"firstName": "Ann", "country": "US"}
    assert row.suppressions == ()


@pytest.mark.parametrize(
    "header",
    [
        "id;Vorname;Handy;E-Mail;Land;Zeitzone;opt-out",
        "External ID|First name|Mobile Phone|Email Address|Country Code|Time zone|Unsubscribed",
        "CRM_ID\tGIVEN NAME\tMSISDN\tmail\tcountry\ttz\tDNC",
    ],
)
def test_columns_are_known_by_the_names_people_give_them(audience, header):
    mark = next(character for character in ";|\t" if character in header)

    (row,) = audience(
        mark.join(["C1", "Ann", "020 7946 0123", "a@example.com", "UK", "europe/london", "yes"]), header=header
    )

    assert row.contact.phone == "+442079460123"
    assert (row.contact.external_id, row.contact.timezone) == ("C1", "Europe/London")
    assert row.contact.fields["firstName"] == "Ann"
    assert _suppressed(row) == {(None, "+442079460123"), (None, "a@example.com")}


def test_an_unknown_column_is_an_attribute_a_template_can_name(audience):
    (row,) = audience("+12125550123,7,gold,x", header="phone,Policy Number,PLAN,renewal_date")

    assert row.contact.fields == {"policyNumber": "7", "plan": "gold", "renewalDate": "x"}


def test_without_an_address_column_nothing_is_imported(audience):
    with pytest.raises(UnreadableFile, match="name one phone or email"):
        audience("Ann", header="firstName")


def test_two_columns_of_one_name_are_refused(audience):
    with pytest.raises(UnreadableFile, match="two columns are called"):
        audience("a,b,c", header="phone,E-mail,email")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("C1,Ann,,,,,", "neither phone nor email"),
        ("C1,Ann,555-0123,,US,,", "with the area code"),
        ("C1,Ann,020 7946 0123,,Britain,,", "two letters of ISO 3166"),
        ("C1,Ann,+12125550123,,,Eastern,", "timezone is no zone of the IANA database"),
        ("C1,Ann,+12125550123,,,EST,", "timezone does not say whether there is summer time; write America/New_York"),
        ("C1,Ann,+12125550123,,,,maybe", "opt-out cannot be understood"),
        ("C1,Ann,+12125550123", "has 3 columns where the header has 7"),
        ("C1,Ann,Lee,+12125550123,,,,", "needs quotes"),
        ('C1,"Ann,+12125550123,,,,', "never closed"),
        ('C1,"Ann" Lee,+12125550123,,,,', "after a closing quote"),
        ("C1,A\0nn,+12125550123,,,,", "zero byte"),
    ],
)
def test_a_row_that_cannot_be_used_is_given_back_with_its_reason(audience, line, reason):
    bad, good = audience(line, "C2,Ben,+12125550124,,,,")

    assert isinstance(bad, Rejected)
    assert bad.row == 2
    assert reason in bad.reason
    assert "12125550123" not in repr(bad)
    assert isinstance(good, Imported)


def test_people_behind_a_stray_quote_are_still_found(audience):
    rows = audience('C1,"Ann,+12125550123,,,,', *(f"C{n},Ben,+1212555{n:04d},,,," for n in range(100, 200)))

    assert [type(row) for row in rows] == [Rejected] + [Imported] * 100


def test_a_cell_of_several_lines_is_one_row(audience):
    first, second = audience('C1,"Ann\nMarie",+12125550123,,,,', "C2,Ben,+12125550124,,,,")

    assert first.contact.fields["firstName"] == "Ann\nMarie"
    assert second.row == 4


def test_a_broken_number_beside_a_good_mailbox_is_a_note(audience):
    (row,) = audience("C1,Ann,123,ann@example.com,US,,")

    assert isinstance(row, Imported)
    assert row.contact.phone == ""
    assert "area code" in row.notes[0].why


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ("C9,Ann,+1 212 555 0123,,US,,", "phone"),
        ("C9,Ann,,ANN@example.com,US,,", "email"),
        ("C1,Ann,,other@example.com,US,,", "external id"),
    ],
)
def test_the_same_person_twice_is_one_contact(audience, second, what):
    first, twin = audience("C1,Ann,(212) 555-0123,ann@example.com,US,,", second)

    assert isinstance(first, Imported)
    assert isinstance(twin, Rejected)
    assert twin.reason.startswith(f"is a duplicate of row 2: same {what}; ")


@pytest.mark.parametrize(
    ("cell", "closed"),
    [
        ("yes", {(None, "+12125550123"), (None, "ann@example.com")}),
        ("All", {(None, "+12125550123"), (None, "ann@example.com")}),
        ("sms", {(ChannelKind.SMS, "+12125550123")}),
        ("sms and email", {(ChannelKind.SMS, "+12125550123"), (ChannelKind.EMAIL, "ann@example.com")}),
        ("call", {(ChannelKind.VOICE, "+12125550123")}),
        ("no", set()),
        ("", set()),
    ],
)
def test_an_opt_out_closes_what_it_names(audience, cell, closed):
    (row,) = audience(f"C1,Ann,+12125550123,ann@example.com,,,{cell}")

    assert isinstance(row, Imported)
    assert _suppressed(row) == closed


def test_an_opt_out_in_a_duplicate_or_broken_row_is_heard(audience):
    _, twin, broken = audience(
        "C1,Ann,+12125550123,,,,", "C2,Ann,+12125550123,,,,yes", "C3,Ben,+12125550124,,,Nowhere,sms"
    )

    assert isinstance(twin, Rejected)
    assert _suppressed(twin) == {(None, "+12125550123")}
    assert isinstance(broken, Rejected)
    assert _suppressed(broken) == {(ChannelKind.SMS, "+12125550124")}


@pytest.mark.parametrize(("column", "closed"), [("Do not call", ChannelKind.VOICE), ("Opted out", None)])
def test_an_opt_out_protects_every_number_of_the_row(audience, column, closed):
    (row,) = audience("+12125550123,+12125550124,yes", header=f"mobile,phone,{column}")

    assert _suppressed(row) == {(closed, "+12125550123"), (closed, "+12125550124")}


def test_a_consent_that_was_refused_is_an_opt_out(audience):
    refused, given_ = audience("+12125550123,no", "+12125550124,2024-05-01", header="phone,SMS consent")

    assert _suppressed(refused) == {(ChannelKind.SMS, "+12125550123")}
    assert _suppressed(given_) == set()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_encoding_is_found(audience, encoding):
    names = ["Jörg Müller aus Köln", "Anja Groß aus Düsseldorf", "Sören Weiß aus Zürich", "Käthe Jäger aus Lübeck"]

    rows = audience(*(f"C{n},{name},+1212555012{n},,,," for n, name in enumerate(names)), encoding=encoding)

    assert [row.contact.fields["firstName"] for row in rows] == names


def test_an_encoding_that_cannot_be_told_is_refused(audience):
    with pytest.raises(UnreadableFile, match="save it as UTF-8, or name its encoding"):
        audience("C1,M\u00fcller,+12125550123,,,,", encoding="cp1252")


def test_a_named_encoding_is_taken_at_its_word(tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes("name,phone\nM\u00fcller,+12125550123\n".encode("cp1252"))

    (row,) = open_audience(path, encoding="cp1252").contacts()

    assert row.contact.fields == {"name": "Müller"}
    with pytest.raises(UnreadableFile, match="is not utf-8"):
        open_audience(path, encoding="utf-8")
    with pytest.raises(UnreadableFile, match="there is no encoding"):
        open_audience(path, encoding="utf-9")


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00" * 50, "is a workbook or an archive; save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 50, "is a workbook"),
        (b"\x1f\x8b\x08phone", "is compressed"),
        (b"PAR1\x15\x04", "--format parquet"),
        (b"\x7fELF\x00\x00\x01\x02\x00" * 50, "is not text"),
        (b"\x1b[2Jphone,name\x07\nx,y\n", "is not text"),
    ],
    ids=["workbook", "old workbook", "gzip", "parquet", "program", "control characters"],
)
def test_what_is_no_text_is_refused_with_what_to_do(tmp_path, content, remedy):
    path = tmp_path / "people.csv"
    path.write_bytes(content)

    with pytest.raises(UnreadableFile, match=remedy) as refusal:
        open_audience(path)

    assert str(refusal.value).isprintable()


def test_a_cell_beyond_every_limit_costs_its_row_and_says_why(audience):
    bad, good = audience(f"C1,{'x' * 140_000},+12125550123,,,,", "C2,Ben,+12125550124,,,,")

    assert (bad.row, good.row) == (2, 3)
    assert "has a cell of more than 131,072 characters; is a quote not closed" in bad.reason


def test_a_header_beyond_every_limit_says_why(audience):
    with pytest.raises(UnreadableFile, match=r"people\.csv: the first line has a cell of more than 131,072 characters"):
        audience("C1", header=f"phone,{'x' * 140_000}")


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    path = tmp_path / "people.csv"
    path.write_bytes(content)

    with pytest.raises(UnreadableFile, match="has no header"):
        open_audience(path)


def test_excels_own_delimiter_line_is_understood(audience):
    (row,) = audience("phone;firstName", "+12125550123;Ann", header="sep=;")

    assert (row.row, row.contact.fields) == (3, {"firstName": "Ann"})


def test_a_country_that_does_not_exist_is_refused(audience):
    with pytest.raises(UnreadableFile, match="there is no country"):
        audience("C1,Ann,+12125550123,,,,", default_region="XX")


def test_rejected_rows_can_be_corrected_and_imported_again(audience, tmp_path):
    rows = audience("C1,=SUM(A1),+1 212 555,,US,,", "C2,Ben,+12125550124,,,,")
    path = tmp_path / "rejected.csv"

    with RejectFile(path, HEADER.split(",")) as rejects:
        for row in rows:
            if isinstance(row, Rejected):
                rejects.write(row.row, row.reason, row.cells)

    with path.open(encoding="utf-8-sig") as file:
        (line,) = list(csv.reader(file))[1:]
    assert rejects.count == 1
    assert line[0] == "2"
    assert line[2:5] == ["C1", "'=SUM(A1)", "'+1 212 555"]
    path.write_text(path.read_text(encoding="utf-8-sig").replace("212 555", "212 555 0123"), encoding="utf-8")
    (again,) = read_contacts(path)
    assert (again.contact.phone, again.contact.fields["firstName"]) == ("+12125550123", "=SUM(A1)")


@settings(max_examples=200)
@given(body=st.text(alphabet="Ca1+5,;\"\n\r '=@.", max_size=200))
def test_whatever_is_in_a_file_every_line_is_answered_for(tmp_path_factory, body):
    path = tmp_path_factory.mktemp("csv") / "people.csv"
    path.write_text(f"phone,email\n{body}\n+12125550123,\n", encoding="utf-8", newline="")

    rows = list(read_contacts(path))

    numbers = [row.row for row in rows]
    assert numbers == sorted(set(numbers))
    assert isinstance(rows[-1], Imported)
    assert rows[-1].contact.phone == "+12125550123"
