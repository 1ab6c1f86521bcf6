"""The life of a run: what may follow what, who may do it, and that every change is kept with its author."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.runtime.house import TENANT, TEXT
from worker.domain.audience import Audience
from worker.domain.run import FINAL_RUN, TRANSITIONS, RunStatus, Who
from worker.runtime import launch as launching
from worker.runtime.errors import CannotLaunch
from worker.runtime.selecting import over
from worker.schema.errors import Forbidden
from worker.schema.scopes import Actor
from worker.store.errors import AlreadyRunning, IllegalTransition, NotOpen, NotYours
from worker.store.rows import WorkKind

ON_EVENTS = {"triggers": [{"event": "cart.abandoned"}]}


def life(house, run_id):
    return [(change.before, change.after, change.by) for change in house.store.run_changes(TENANT, run_id)]


def due(house):
    return {work.kind for work in house.store.due_work(TENANT, house.rt.now())}


def listening(house, **more):
    return launching.launch(house.rt, replace(house.save(TEXT, **ON_EVENTS), contact_list="", **more)).run


def test_what_ends_is_ended_for_good_and_everything_can_end():
    assert not {before for before, _ in TRANSITIONS} & FINAL_RUN
    for status in set(RunStatus) - FINAL_RUN:
        assert (status, RunStatus.CANCELLED) in TRANSITIONS
        assert Who.OPERATOR in TRANSITIONS[status, RunStatus.CANCELLED]


def test_every_pair_that_is_not_in_the_table_is_refused(house):
    for before in RunStatus:
        run = house.store.get_run(TENANT, house.launch(TEXT))
        run = replace(run, run_id=f"run_{before}", status=before)
        house.store.create_run(run, again=True)
        for after in set(RunStatus) - {before}:
            if (before, after) not in TRANSITIONS:
                with pytest.raises(IllegalTransition, match=f"run_{before} is {before} and cannot become {after}"):
                    house.store.change_run_status(TENANT, run.run_id, after, house.rt.now(), who=Who.SYSTEM)
        assert house.store.get_run(TENANT, run.run_id).status is before


def test_a_draft_is_checked_and_kept_and_nobody_is_enrolled_before_it_is_started(house):
    run = launching.launch(house.rt, replace(house.save(TEXT, people=2), draft=True)).run
    assert (run.status, house.hints, due(house)) == (RunStatus.DRAFT, [], set())

    launching.start(house.rt, TENANT, run.run_id)
    house.play()

    assert len(house.ledger()) == 2
    by = house.rt.actor.user_id
    assert life(house, run.run_id) == [("", "draft", by), ("draft", "running", by)]


def test_each_change_is_kept_with_who_made_it_and_completion_is_the_systems(house):
    run_id = house.launch({"type": "setDisposition", "disposition": "CALLBACK"})
    launching.pause(house.rt, TENANT, run_id)
    launching.resume(house.rt, TENANT, run_id)
    house.play()

    by = house.rt.actor.user_id
    assert life(house, run_id) == [
        ("", "running", by),
        ("running", "paused", by),
        ("paused", "running", by),
        ("running", "completed", ""),
    ]


def test_a_supervisor_stops_a_run_without_the_scope_and_others_do_not(house):
    house.launch(TEXT, supervisor=["usr_boss"])
    boss, stranger = (
        house.rt.acting_for(Actor(tenant_id=TENANT, user_id=user, scopes=frozenset({"campaigns:read"})))
        for user in ("usr_boss", "usr_other")
    )

    with pytest.raises(Forbidden, match="campaigns:admin"):
        launching.pause(stranger, TENANT, house.run_id)
    launching.pause(boss, TENANT, house.run_id)
    launching.resume(boss, TENANT, house.run_id)

    assert [by for _, _, by in life(house, house.run_id)][1:] == ["usr_boss", "usr_boss"]
    draft = launching.launch(house.rt, replace(house.save(TEXT, supervisor=["usr_boss"]), draft=True)).run
    with pytest.raises(NotYours, match="only operator may make run"):
        launching.start(boss, TENANT, draft.run_id)


def test_a_campaign_with_triggers_listens_and_waits_for_whoever_comes(house):
    run = listening(house)

    assert (run.open_ended, run.urgent, run.enrolled) == (True, True, False)
    assert house.hints == []
    assert due(house) == set()


def test_two_runs_do_not_take_the_same_events_unless_one_takes_the_place_of_the_other(house):
    first = listening(house)
    with pytest.raises(CannotLaunch, match=f"{first.run_id} of this campaign is running and takes its events"):
        listening(house)

    second = listening(house, replace=True)
    house.tick_only()
    house.play()

    assert house.store.get_run(TENANT, first.run_id).status is RunStatus.COMPLETED
    assert not house.store.get_run(TENANT, second.run_id).enrolled
    assert f"{second.run_id} took its place" in [
        change.reason for change in house.store.run_changes(TENANT, first.run_id)
    ]


def test_a_run_that_listens_ends_when_it_is_closed_and_its_people_have_finished(house):
    run = listening(house)

    launching.close(house.rt, TENANT, run.run_id)
    house.play()

    assert house.store.get_run(TENANT, run.run_id).status is RunStatus.COMPLETED


def test_a_paused_run_with_its_canary_watched_has_no_work(house):
    run = launching.launch(house.rt, replace(house.save(TEXT, people=40), canary="20%")).run
    house.play()

    assert 0 < len(house.ledger()) < 40
    assert WorkKind.ENROLL not in due(house)
    assert not house.store.get_run(TENANT, run.run_id).enrolled


@pytest.mark.parametrize("canary", ["", "0", "100%", "40", "some"])
def test_a_canary_that_is_no_part_of_the_audience_is_refused(house, canary):
    request = replace(house.save(TEXT, people=40), canary=canary)
    if not canary:
        assert launching.launch(house.rt, request).run.canary == ""
        return
    with pytest.raises(CannotLaunch, match="no part of the audience"):
        launching.launch(house.rt, request)


def test_a_canary_of_a_small_audience_is_at_least_somebody(house):
    run = launching.launch(house.rt, replace(house.save(TEXT, people=6), canary="1%")).run
    house.play()

    assert 0 < len(house.ledger()) < 6
    assert house.store.get_run(TENANT, run.run_id).canary == "watched"


def test_a_draft_that_is_started_beside_its_twin_is_refused(house):
    request = replace(house.save(TEXT, people=2), again=False)
    draft = launching.launch(house.rt, replace(request, draft=True)).run
    launching.launch(house.rt, request)

    with pytest.raises(AlreadyRunning):
        launching.start(house.rt, TENANT, draft.run_id)
    house.play()

    assert len(house.ledger()) == 2


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.DRAFT])
def test_only_a_run_whose_people_come_one_by_one_can_be_closed(house, status):
    run = launching.launch(house.rt, replace(house.save(TEXT, people=2), draft=status is RunStatus.DRAFT)).run

    with pytest.raises(NotOpen, match="there is nothing to close"):
        launching.close(house.rt, TENANT, run.run_id)
    assert not house.store.get_run(TENANT, run.run_id).enrolled


def test_everyone_means_everyone(house):
    request = house.save(TEXT, people=3)

    launching.launch(house.rt, replace(request, contact_list="", everyone=True))
    house.play()

    assert len(house.ledger()) == 3


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"limit": 1}, "people come one by one"),
        ({"canary": "1%"}, "people come one by one"),
        ({"audience": Audience(exclude_lists=("people",))}, "its audience and exclusions would do nothing"),
    ],
)
def test_what_would_do_nothing_for_a_run_that_listens_is_refused(house, said, reason):
    with pytest.raises(CannotLaunch, match=reason):
        listening(house, **said)


def test_what_a_campaign_leaves_out_stays_out_whatever_a_launch_adds():
    said = Audience(lists=("a",), exclude_lists=("x",), exclude_segments=("y",), exclude_runs=("r1",))
    own = Audience(lists=("b",), segment="s", exclude_lists=("vip",), exclude_segments=("z",), exclude_runs=("r2",))

    both = over(said, replace(own, contacted_within=timedelta(days=7)))
    shorter = over(replace(said, contacted_within=timedelta(days=1)), replace(own, contacted_within=timedelta(days=7)))

    assert (both.lists, both.segment) == (("a",), "")
    assert (both.exclude_lists, both.exclude_segments, both.exclude_runs) == (("vip", "x"), ("z", "y"), ("r2", "r1"))
    assert both.contacted_within == shorter.contacted_within == timedelta(days=7)
