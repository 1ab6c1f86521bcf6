"""Archiving on the command line: what is moved where, what stays and why, and what is still told of it."""

import pytest

from tests.store.ended import ended_run
from worker.store.facade import Store

TENANT = "default"


@pytest.fixture
def ended(desk):
    """An ended run of three people."""
    store = Store(desk.env["DATABASE_URL"])
    run_id = ended_run(store, 3, TENANT)
    store.close()
    return run_id


def test_a_run_is_archived_and_its_report_says_what_it_came_to_and_where_its_rows_are(desk, run, ended):
    before = run("report", ended, "--json").json
    said = run("archive", ended, "--to", desk.folder / "old")
    folder = desk.folder / "old" / ended

    assert (said.code, said.err) == (0, "")
    assert said.out == f"{ended} is archived in {folder}: 3 enrollments, 6 messages, 6 attempts, 6 outcomes\n"
    after = run("report", ended, "--json").json
    assert after.pop("archive") == str(folder)
    assert after.pop("archivedAt")
    assert after == before
    assert f"its people and messages are in {folder}" in run("status", ended).out
    assert f"archived in {folder} on " in run("log", ended).out


def test_old_runs_are_archived_without_being_named_and_a_second_time_there_are_none(run, ended):
    first, second = (run("archive", "--older-than", "90d", "--json").json["runs"] for _ in range(2))
    assert [one["runId"] for one in first] == [ended]
    assert second == []
    assert "no run ended more than 90d ago" in run("archive", "--older-than", "90d").out


def test_a_run_that_stays_is_told_with_the_reason_and_the_others_are_archived(run, ended, desk):
    store = Store(desk.env["DATABASE_URL"])
    listened = ended_run(store, 1, TENANT, open_ended=True)
    store.close()
    said = run("archive", listened, ended)
    assert said.code == 4
    first, second = said.out.splitlines()
    assert first.startswith(f"{listened} stays: campaign campaign knows by it who has been in before")
    assert second.startswith(f"{ended} is archived in ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name the runs to archive, or say --older-than 90d"),
        (["last", "--older-than", "90d"], "name the runs to archive, or say --older-than 90d"),
        (["--older-than", "90"], "Say a unit, as in 90d"),
        (["--older-than", "soon"], "is no duration"),
        (["run_none"], "no run 'run_none'"),
    ],
)
def test_what_is_not_clear_changes_nothing(desk, run, ended, words, says):
    before = desk.contents()
    said = run("archive", *words)
    assert (said.code, desk.contents()) == (2, before)
    assert says in said.err
