"""Wrong input is answered with the place, the remedy and exit code 2; nothing has changed."""

import time
from contextlib import suppress

import psutil
import pytest

from tests.cli.conftest import RENEWAL, SANDBOX

LIST = "phone,firstName,plan,price,renewalDate\n+14155550123,Ann,Basic,9,2026-12-20\n"


@pytest.mark.parametrize(
    "slip",
    [
        ("workflow.yaml", 15, "initialStateId: text", 'initialStateId: "text', "needs quotes"),
        ("workflow.yaml", 12, "type: sendSms", "type: sendSmss", "did you mean sendSms?"),
        ("workflow.yaml", 13, "{{ contact.plan }} plan", "{{ contct.plan }} plan", "did you mean contact?"),
        ("workflow.yaml", 19, "onTimeout: chooseSubject", "onTimeout: chooseSubjct", "did you mean chooseSubject?"),
        ("workflow.yaml", 62, "to: mail\n\n  mailWithQ", "to: chooseSubject\n\n  mailWithQ", "add a wait"),
        ("campaign.yaml", 2, "smsFromAddress: (212) 555-0100\n", "", "add smsFromAddress"),
        ("campaign.yaml", 9, "workflowId: renewal", "workflowId: renewl", "did you mean renewal?"),
    ],
    ids=["broken YAML", "action", "template", "target", "loop", "sender", "workflow"],
)
@pytest.mark.parametrize("command", ["validate", "save", "launch"])
def test_a_faulty_definition_is_shown_with_its_line_and_a_remedy(desk, run, command, slip):
    file, line, old, new, remedy = slip
    folder = desk.renewal()
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    before = desk.contents()

    said = run(command, folder)

    assert (said.code, said.out) == (2, "")
    assert f"{folder / file}:{line}: " in said.err
    assert remedy in said.err
    assert desk.contents() == before


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["validate", "nowhere"], "nowhere: is not there (check the path)"),
        (["validate", "."], "has no definitions (put .yaml or .json files there)"),
        (["import", "nowhere.csv"], "nowhere.csv: no such file or directory; check the path"),
        (["import", "."], ".: is a directory; check the path"),
        (["launch", "nowhere"], "there is no saved campaign, and no file or folder, 'nowhere'"),
        (["status", "last"], "there are no runs yet: `campaigns launch` starts one"),
        (["report", "run_x"], "no run 'run_x'; check the id"),
        (["pause", "run_x"], "no run 'run_x'; check the id"),
        (["demo", "--definitions", "nowhere"], "nowhere: is not there (check the path)"),
    ],
    ids=" ".join,
)
def test_what_does_not_exist_is_named(desk, run, words, answer):
    before = desk.contents()

    said = run(*words)

    assert (said.code, said.out) == (2, "")
    assert answer in said.err
    assert desk.contents() == before


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["lunch"], "No such command 'lunch'"),
        (["status", "last", "--wach"], "No such option: --wach"),
        (["validate"], "Missing argument 'PATH'"),
        (["launch", "x", "--speed", "fast"], "--speed"),
        (["launch", "x", "--speed", "0.5"], "greater than or equal to 1"),
        (["web", "--port", "99999"], "65535"),
    ],
    ids=" ".join,
)
def test_a_slip_on_the_command_line_is_explained(run, words, answer):
    said = run(*words)

    assert (said.code, said.out) == (2, "")
    assert answer in said.err
    assert "--help" in said.err


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", "has no header"),
        (b"+14155550123,Ann\n", "the first line is no header; put one above it, like phone,email,firstName"),
        (b"name,city\nAnn,Rome\n", "no column has an address; name one phone or email"),
        (b"phone,name\n", "no row can be used"),
        (b"phone,name\n02920180553,Ann\n", "no row can be used"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is not text; export it as CSV UTF-8"),
    ],
    ids=["empty", "no header", "no address", "no rows", "no country", "binary"],
)
def test_a_file_that_is_no_audience_is_refused(desk, run, content, answer):
    file, before = desk.write("people.csv", content), desk.contents()

    said = run("import", file)

    assert (said.code, said.out) == (2, "")
    assert f"{file}: " in said.err
    assert answer in said.err
    assert "5550123" not in said.err
    assert desk.contents() == before


def test_a_file_in_another_encoding_than_named_is_refused(desk, run):
    file, before = desk.write("people.csv", "phone,name\n+14155550123,Müller\n".encode("cp1252")), desk.contents()

    said = run("import", file, "--encoding", "utf-8")

    assert said.code == 2
    assert "people.csv: is not utf-8 (line 2); save it as UTF-8, or name its encoding" in said.err
    assert desk.contents() == before
    assert run("import", file, "--encoding", "cp1252").code == 0


def test_a_number_without_a_country_is_rejected_with_its_line_and_taken_with_a_region(desk, run):
    file = desk.write("people.csv", "phone,name\n02920180553,Ann\n")

    assert run("import", file).code == 2
    rejected = (desk.folder / "people.rejects.csv").read_text()
    assert '\n2,"phone has too many digits' in rejected
    assert run("import", file, "--region", "GB").code == 0


@pytest.mark.parametrize("name", ["", " "])
def test_a_list_without_a_name_is_refused(desk, run, name):
    file, before = desk.write("people.csv", LIST), desk.contents()

    said = run("import", file, "--list", name)

    assert (said.code, said.out) == (2, "")
    assert "leave --list out" in said.err
    assert desk.contents() == before


def test_a_missing_folder_for_rejected_rows_is_named(desk, run):
    file, before = desk.write("people.csv", LIST), desk.contents()

    said = run("import", file, "--rejects", "missing/rejects.csv")

    assert (said.code, said.out) == (2, "")
    assert "there is no folder missing for rejected rows" in said.err
    assert desk.contents() == before


def test_rejected_rows_never_overwrite_the_file_they_come_from(desk, run):
    file, before = desk.write("people.csv", LIST), desk.contents()

    said = run("import", file, "--rejects", file)

    assert said.code == 2
    assert "name another with --rejects" in said.err
    assert file.read_text() == LIST
    assert desk.contents() == before


def test_a_large_file_is_imported_in_bounded_memory(desk):
    rows = (f"+1415{n:07d},{n},{'x' * 200}\n" for n in range(2_000_000, 2_030_000))
    file = desk.write("people.csv", "phone,customerId,note\n" + "".join(rows))
    assert file.stat().st_size > 5_000_000

    process = psutil.Popen(desk.command("import", file, "--json"), cwd=desk.folder, env=desk.env)
    peak = 0.0  # sampled: what the system counts for a process begins with the size of the one that started it
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, process.memory_info().rss / 2**20)
        time.sleep(0.02)  # between two samples; nothing is waited for

    assert process.returncode == 0
    assert 20 < peak < 250, f"{peak:.0f} MiB"


class TestALaunch:
    @pytest.fixture
    def people(self, desk, run):
        assert run("import", desk.write("people.csv", LIST)).code == 0

    def test_without_credentials_is_refused_and_saves_nothing(self, desk, run, people):
        before = desk.contents()

        said = run("launch", RENEWAL)

        assert said.code == 2
        for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "SENDGRID_API_KEY"):
            assert f"{name} is not set; put it into the environment or .env" in said.err
        assert desk.contents() == before

    def test_at_another_speed_is_refused_where_somebody_real_could_be_reached(self, desk, run, people):
        before = desk.contents()

        said = run("launch", RENEWAL, "--speed", 60, **SANDBOX | {"TWILIO_BASE_URL": "https://api.twilio.com"})

        assert said.code == 2
        assert "TWILIO_BASE_URL and SENDGRID_BASE_URL point elsewhere" in said.err
        assert desk.contents() == before

    def test_whose_texts_need_a_column_that_the_list_has_not_is_refused(self, desk, run):
        run("import", desk.write("people.csv", LIST.replace("plan", "tariff")))
        before = desk.contents()

        said = run("launch", RENEWAL, **SANDBOX)

        assert said.code == 2
        assert "plan" in said.err
        assert desk.contents() == before

    def test_of_which_a_run_goes_on_is_refused_unless_it_is_meant(self, desk, run, people):
        assert run("launch", RENEWAL, **SANDBOX).code == 0
        before = desk.contents()

        said = run("launch", RENEWAL, **SANDBOX)

        assert said.code == 2
        assert "is running; cancel it, or launch with --again" in said.err
        assert desk.contents() == before
        assert run("launch", RENEWAL, "--again", **SANDBOX).code == 0

    def test_names_the_lists_there_are(self, desk, run, people):
        assert "there are people" in run("launch", RENEWAL, "--list", "nobody", **SANDBOX).err
        run("import", desk.write("others.csv", LIST))
        assert (
            "name the contact list with --list, or a segment with --segment; there are others, people"
            in run("launch", RENEWAL, **SANDBOX).err
        )

    def test_of_a_folder_with_no_campaign_says_so(self, desk, run, people):
        folder = desk.renewal()
        (folder / "campaign.yaml").unlink()

        said = run("launch", folder, **SANDBOX)

        assert said.code == 2
        assert "defines 0 campaigns; name a file or folder that defines one" in said.err
