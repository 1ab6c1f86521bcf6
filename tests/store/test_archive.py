"""Which runs may be archived, what is deleted of them, and what stays because others ask for it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from channels.messages import ChannelKind
from tests.store.builders import NOW, STRANGER, TENANT, accepted, claim_texts, new_run, queued_run
from tests.store.ended import ended_run, left_of, rows_of
from worker.domain.attempt import Suppress
from worker.domain.audience import Selection
from worker.domain.run import RunStatus
from worker.store.archive import START, Content, Place
from worker.store.document_rows import Document
from worker.store.errors import CannotArchive, NotFound, PeopleArchived
from worker.store.tables import attempts

HERE = Place(folder="/archive/run", host="here", token="1")
CONTENTS = {"enrollments": Content(rows=3, sha256="0")}


def seal(store, run_id, tenant=TENANT):
    store.begin_archive(tenant, run_id, HERE)
    counts = store.run_report(tenant, run_id)
    store.seal_archive(tenant, run_id, NOW, place=HERE, contents=CONTENTS, counts=counts, by="ann")


def drop(store, run_id, size=100, tenant=TENANT):
    after = START
    while after is not None:
        after = store.drop_archived(tenant, run_id, after=after, size=size)
    store.finish_archive(tenant, run_id)


def archived(store, *args, **changes):
    run_id = ended_run(store, *args, **changes)
    seal(store, run_id)
    drop(store, run_id)
    return run_id


def refused(store, run_id):
    with pytest.raises(CannotArchive) as caught:
        store.begin_archive(TENANT, run_id, HERE)
    assert store.archive_state(TENANT, run_id).place is None
    return caught.value.reason


def test_all_that_is_read_of_a_run_is_all_its_rows_in_steps_of_any_size(store):
    run_id = ended_run(store, 5)
    ended_run(store, 5)
    found, after = {name: [] for name in rows_of(store, run_id)}, START
    while batch := store.read_for_archive(TENANT, run_id, after=after, size=2):
        after = batch.last
        for name, rows in batch.rows.items():
            found[name] += rows

    assert {name: sorted(rows, key=str) for name, rows in found.items()} == rows_of(store, run_id)


def test_of_a_dropped_run_nothing_is_left_but_what_it_came_to_and_who_archived_it(store):
    other, run_id = ended_run(store, 2), ended_run(store, 5)
    ended_run(store, 1)
    before, others = store.run_report(TENANT, run_id), rows_of(store, other)

    seal(store, run_id)
    drop(store, run_id, size=2)

    assert left_of(store, run_id) == {"enrollments": 0, "messages": 0, "attempts": 0}
    assert rows_of(store, run_id)["outcomes"] == []
    assert (store.run_report(TENANT, run_id), rows_of(store, other)) == (before, others)
    assert store.run_progress(TENANT, run_id).open == 0
    run = store.get_run(TENANT, run_id)
    assert (run.archived_at, run.archive, run.status) == (NOW, "/archive/run", RunStatus.COMPLETED)
    [*_, line] = store.run_changes(TENANT, run_id)
    assert (line.by, line.reason) == ("ann", "archived in /archive/run on here")


def test_while_it_is_half_deleted_a_run_says_what_it_came_to(store):
    run_id = ended_run(store, 5)
    before = store.run_report(TENANT, run_id)
    seal(store, run_id)
    store.drop_archived(TENANT, run_id, after=START, size=2)
    assert store.run_report(TENANT, run_id) == before
    assert store.archive_candidates(TENANT, NOW) == [run_id]


def test_the_newest_outcome_of_all_stays_so_that_its_number_is_not_given_again(store):
    run_id = ended_run(store, 2)
    newest = max(row[0] for row in rows_of(store, run_id)["outcomes"])
    seal(store, run_id)
    drop(store, run_id)
    other = ended_run(store, 1)
    assert min(row[0] for row in rows_of(store, other)["outcomes"]) > newest


def test_what_is_not_sealed_is_not_deleted(store):
    run_id = ended_run(store)
    before = rows_of(store, run_id)
    store.begin_archive(TENANT, run_id, HERE)
    with pytest.raises(CannotArchive, match="not sealed"):
        store.drop_archived(TENANT, run_id, after=START, size=2)
    assert rows_of(store, run_id) == before


def test_whoever_was_overtaken_seals_nothing_and_abandons_nothing(store):
    run_id = ended_run(store)
    later = replace(HERE, token="2")
    store.begin_archive(TENANT, run_id, HERE)
    store.begin_archive(TENANT, run_id, later)
    counts = store.run_report(TENANT, run_id)
    with pytest.raises(CannotArchive, match="somebody else"):
        store.seal_archive(TENANT, run_id, NOW, place=HERE, contents=CONTENTS, counts=counts, by="")
    assert not store.abandon_archive(TENANT, run_id, HERE)
    assert store.archive_state(TENANT, run_id).place == later
    assert store.abandon_archive(TENANT, run_id, later)
    assert store.archive_state(TENANT, run_id).place is None


def test_a_run_that_goes_on_is_refused(store):
    assert (
        refused(store, new_run(store)) == "it is running; only what is completed, cancelled or failed can be archived"
    )


def test_a_cancelled_run_that_waits_for_receipts_is_refused(store):
    run_id = queued_run(store)
    store.change_run_status(TENANT, run_id, RunStatus.CANCELLED, NOW)
    assert "not all of its people and messages" in refused(store, run_id)


def test_what_never_started_has_nothing_to_archive(store):
    assert "never started" in refused(store, ended_run(store, 0, started_at=None))


def test_what_is_archived_is_not_archived_again(store):
    run_id = archived(store)
    with pytest.raises(CannotArchive, match="in an archive already"):
        store.begin_archive(TENANT, run_id, HERE)
    assert store.archive_candidates(TENANT, NOW) == []


def test_runs_of_a_campaign_that_takes_events_stay_until_it_is_deleted(store):
    store.put_documents(TENANT, [Document(type="campaign", id="campaign", name="Autumn", data={})], NOW)
    run_id = ended_run(store, open_ended=True)
    assert "campaign campaign knows by it who has been in before" in refused(store, run_id)

    store.delete_document(TENANT, store.get_document(TENANT, "campaign", "campaign"), NOW, by="ann", users=())
    store.begin_archive(TENANT, run_id, HERE)


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.SCHEDULED, RunStatus.DRAFT])
def test_a_run_whose_people_another_one_leaves_out_stays_as_long_as_that_one_lives(store, status):
    run_id = ended_run(store)
    other = new_run(store, status=status, selection={"excludeRuns": [run_id]})
    assert f"run {other} leaves its people out" in refused(store, run_id)
    store.change_run_status(TENANT, other, RunStatus.CANCELLED, NOW)
    if status is RunStatus.RUNNING:
        store.cancel_chunk(TENANT, other, 10, NOW)
    store.begin_archive(TENANT, run_id, HERE)


def test_people_of_an_archived_run_cannot_be_left_out_of_a_launch(store):
    run_id = ended_run(store)
    store.begin_archive(TENANT, run_id, HERE)
    with pytest.raises(PeopleArchived):
        new_run(store, selection={"excludeRuns": [run_id]})
    store.abandon_archive(TENANT, run_id, HERE)
    new_run(store, selection={"excludeRuns": [run_id]})


def test_an_attempt_in_doubt_that_is_as_old_keeps_a_run_whose_records_could_be_taken_for_it(store):
    run_id = ended_run(store)
    [doubtful] = claim_texts(store, queued_run(store, 1)).attempts
    store.begin_archive(TENANT, run_id, HERE)
    store.abandon_archive(TENANT, run_id, HERE)

    with store.engine.begin() as conn:
        row = attempts.c
        conn.execute(attempts.update().where(row.attempt_id == doubtful.attempt_id).values(dispatched_at=0))

    assert "an older attempt of another run is in doubt" in refused(store, run_id)


def test_whoever_an_archived_run_has_contacted_lately_is_left_out_as_before(store):
    run_id = ended_run(store, 2)
    dispatched = {row[attempts.c.keys().index("dispatched_at")] for row in rows_of(store, run_id)["attempts"]}
    [at] = {NOW.fromtimestamp(value / 1000, NOW.tzinfo) for value in dispatched}
    lately, longer_ago = (Selection(as_of=NOW, contacted_since=when) for when in (at, at + timedelta(seconds=1)))
    before = [store.audience_size(TENANT, one) for one in (lately, longer_ago)]

    for one in (run_id, ended_run(store, 2, finished_at=at - timedelta(days=1)), ended_run(store, 2, texts=0)):
        seal(store, one)
        drop(store, one, size=1)

    assert [store.audience_size(TENANT, one) for one in (lately, longer_ago)] == before == [0, 2]
    counts = store.count_audience(TENANT, lately)
    assert [count for _, count in counts.excluded] == [2]


def test_late_news_of_an_archived_run_changes_nothing_and_an_opt_out_holds(store):
    run_id = queued_run(store, 2)
    claimed = claim_texts(store, run_id).attempts
    stop = Suppress(channel=ChannelKind.SMS, address="+15550000001", reason="SMS_OPTED_OUT")
    news = [accepted(facts, suppress=(stop,)) for facts in claimed]
    with store.engine.begin() as conn:  # as if it were over: what matters is that nobody may write any more
        conn.exec_driver_sql(f"UPDATE runs SET archive = '{{\"place\": null}}' WHERE run_id = '{run_id}'")
    before = rows_of(store, run_id)

    settled = store.settle(news, NOW)

    assert (settled.applied, settled.lost, rows_of(store, run_id)) == ((), (), before)
    assert store.unsuppress(TENANT, ChannelKind.SMS, "+15550000001")


def test_another_tenant_sees_and_deletes_nothing(store):
    run_id = ended_run(store)
    seal(store, run_id)
    before = rows_of(store, run_id)
    for asks in (
        lambda: store.archive_state(STRANGER, run_id),
        lambda: store.begin_archive(STRANGER, run_id, HERE),
        lambda: store.finish_archive(STRANGER, run_id),
    ):
        with pytest.raises(NotFound):
            asks()
    with pytest.raises(CannotArchive):
        store.drop_archived(STRANGER, run_id, after=START, size=10)
    assert store.read_for_archive(STRANGER, run_id, after=START, size=10) is None
    assert store.archive_candidates(STRANGER, NOW) == []
    assert rows_of(store, run_id) == before
