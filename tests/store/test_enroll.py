"""Enrolling: in chunks, as far as a limit, the canary first, each in their own time; nobody twice, nobody left out."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from tests.store.builders import NOW, TENANT, new_run, people
from worker.domain.audience import Selection
from worker.domain.run import Canary, RunStatus
from worker.store.codec import millis
from worker.store.tables import enrollments


def enrolled(store, run_id):
    with store.engine.connect() as conn:
        return conn.execute(select(enrollments).where(enrollments.c.run_id == run_id)).all()


def enroll_all(store, run_id, size=10, **more):
    total = 0
    while True:
        chunk = store.enroll_chunk(TENANT, run_id, size, NOW, **more)
        total += chunk.people
        if not chunk.more:
            return total


def test_a_limit_is_kept_whatever_the_chunks(store):
    run_id = new_run(store, 25, options={"limit": 13})

    assert enroll_all(store, run_id, size=5) == 13
    assert store.get_run(TENANT, run_id).enrolled
    assert store.enroll_chunk(TENANT, run_id, 5, NOW).people == 0


def test_a_limit_beyond_the_audience_changes_nothing(store):
    run_id = new_run(store, 7, options={"limit": 100})

    assert enroll_all(store, run_id, size=3) == 7
    assert store.get_run(TENANT, run_id).enrolled


def test_the_canary_goes_first_and_the_rest_only_once_it_has_passed(store):
    run_id = new_run(store, 200, canary=Canary.ENROLLING, guarding={"canary": {"share": 0.25}})

    first = enroll_all(store, run_id, size=30)
    waiting = store.get_run(TENANT, run_id)
    assert 20 < first < 80
    assert (waiting.canary, waiting.enrolled) == (Canary.WATCHED, False)
    assert enroll_all(store, run_id) == 0

    assert store.pass_canary(TENANT, run_id)
    assert first + enroll_all(store, run_id, size=30) == 200
    assert store.get_run(TENANT, run_id).enrolled
    assert len({row.contact_id for row in enrolled(store, run_id)}) == 200
    assert not store.pass_canary(TENANT, run_id)


def test_the_canary_is_the_same_people_every_time(store):
    canary = {"canary": Canary.ENROLLING, "guarding": {"canary": {"share": 0.3}}}
    first = store.get_run(TENANT, new_run(store, 50, **canary))
    again = replace(first, run_id="again")
    store.create_run(again, again=True)

    for run in (first, again):
        enroll_all(store, run.run_id)

    chosen = [{row.contact_id for row in enrolled(store, run.run_id)} for run in (first, again)]
    assert chosen[0] == chosen[1] != set()


def test_everybody_is_due_at_the_moment_of_their_own_zone_and_whose_moment_has_passed_is_told_so(store):
    run_id = new_run(store, 0)
    zones = ["Asia/Tokyo", "Europe/Berlin", "", "Asia/Tokyo"]
    rows = [replace(row, timezone=zone) for row, zone in zip(people(4), zones, strict=True)]
    store.import_contacts(TENANT, store.get_run(TENANT, run_id).contact_list_id, rows, NOW)
    moments = {"Asia/Tokyo": None, "Europe/Berlin": NOW + timedelta(hours=3), "": NOW}

    assert enroll_all(store, run_id, due_of=moments.__getitem__) == 4

    found = enrolled(store, run_id)
    assert Counter((row.status, row.disposition) for row in found) == {
        ("ready", ""): 2,
        ("cancelled", "SCHEDULE_MISSED"): 2,
    }
    assert sorted(row.due_at for row in found if row.due_at) == [millis(NOW), millis(NOW + timedelta(hours=3))]
    assert all(row.finished_at and "passed" in row.reason for row in found if row.status == "cancelled")


def test_who_comes_to_the_list_after_the_launch_does_not_belong(store):
    run_id = new_run(store, 3)
    list_id = store.get_run(TENANT, run_id).contact_list_id
    store.import_contacts(TENANT, list_id, people(2, prefix="1666"), NOW + timedelta(minutes=1))

    assert enroll_all(store, run_id, size=2) == 3


def test_all_contacts_belong_where_no_list_is_named(store):
    run_id = new_run(store, 3)
    store.import_contacts(TENANT, "another list", people(2, prefix="1666"), NOW)

    assert enroll_all(store, run_id, selection=Selection(as_of=NOW)) == 5


def test_an_open_run_and_one_that_is_not_running_enroll_nobody_by_themselves(store):
    listening = new_run(store, 2, open_ended=True)
    draft = new_run(store, 2, status=RunStatus.DRAFT)

    assert [enroll_all(store, run_id) for run_id in (listening, draft)] == [0, 0]
    assert not store.get_run(TENANT, listening).enrolled
