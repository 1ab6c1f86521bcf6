"""Canaries: the others follow when it goes well, or when somebody says so, and the log has their words."""

from dataclasses import replace

import pytest

from tests.runtime.house import MAIL, TENANT, TEXT, House
from tests.runtime.watched import alerts, canary, changes, file, followed, landline, looked, on_trial, send
from worker.domain.alert import AlertKind
from worker.domain.run import Canary
from worker.runtime import guarding
from worker.runtime import launch as launching
from worker.runtime.hints import Work
from worker.runtime.reports import make_report
from worker.runtime.tick import tick
from worker.store.errors import CanaryIsOver, NothingToRelease
from worker.store.tables import enrollments, runs


def test_a_canary_that_fails_lets_nobody_follow(house: House):
    on_trial(house, TEXT, people=[landline(n) for n in range(6)])
    send(house)

    looked(house)

    assert (house.status(), canary(house)) == ("paused", Canary.WATCHED)
    assert alerts(house) == [AlertKind.CANARY_FAILED]


def test_a_canary_is_let_go_on_once_every_test_says_so(house: House):
    on_trial(house, MAIL)
    file(house, "EMAIL_DELIVERED", 1000)
    assert looked(house) == 0  # enough for failures and opt-outs, too few for complaints

    file(house, "EMAIL_DELIVERED", 1000)
    assert looked(house) == 1

    assert canary(house) == Canary.PASSED
    assert changes(house)[-1][2] == "the canary keeps within the bounds"
    assert [hint.run_id for hint in house.hints if hint.work is Work.ENROLL] == [house.run_id]


@pytest.mark.parametrize(("failed", "status", "after"), [(1, "running", Canary.PASSED), (3, "paused", Canary.WATCHED)])
def test_an_undecided_canary_that_is_over_is_judged_by_what_was_seen(house: House, failed, status, after):
    on_trial(house, {"type": "terminate"}, people=3)
    file(house, "SMS_DELIVERED", 9)
    file(house, "SMS_FILTERED", failed)
    house.advance()  # everybody is final
    house.later(seconds=3)
    house.hints.clear()
    tick(house.rt)
    assert Work.GUARD in {hint.work for hint in house.hints}

    guarding.look(house.rt)

    assert (house.status(), canary(house)) == (status, after)


def test_an_idle_canary_is_judged_when_its_last_outcomes_are_counted(house: House):
    on_trial(house, {"type": "terminate"}, people=3)
    house.advance()
    file(house, "SMS_FILTERED", 3)

    assert guarding.look(house.rt) == 0
    assert looked(house) == 1
    assert house.status() == "paused"


def test_a_failed_canary_that_is_resumed_goes_on_being_watched_and_its_others_wait(house: House):
    on_trial(house, TEXT, people=3)
    file(house, "SMS_FILTERED", 9)
    looked(house)

    launching.resume(house.rt, TENANT, house.run_id, "the text was changed")
    file(house, "SMS_DELIVERED", 9)
    looked(house)

    assert (house.status(), canary(house)) == ("running", Canary.WATCHED)
    assert changes(house)[-1] == ("paused", "running", "the text was changed")
    file(house, "SMS_DELIVERED", 200)
    looked(house)
    assert followed(house), "every test has passed since"


def test_a_canary_that_was_resumed_and_ends_undecided_lets_nobody_follow(home: House):
    on_trial(home, {"type": "terminate"}, people=3)
    file(home, "SMS_FILTERED", 9)
    looked(home)
    launching.resume(home.rt, TENANT, home.run_id)
    home.advance()
    file(home, "SMS_DELIVERED", 3)

    looked(home)

    assert (home.status(), canary(home)) == ("paused", Canary.WATCHED)
    assert "what was seen since it was resumed does not pass its tests" in changes(home)[-1][2]
    assert "campaigns resume --release" in changes(home)[-1][2]


def test_a_failed_canary_of_which_nobody_is_left_is_resumed_with_its_others_or_not_at_all(house: House):
    on_trial(house, {"type": "terminate"}, people=3)
    house.advance()
    file(house, "SMS_FILTERED", 3)
    looked(house)
    before = changes(house)

    with pytest.raises(CanaryIsOver, match="nothing more to watch; `campaigns resume --release`"):
        launching.resume(house.rt, TENANT, house.run_id)
    assert (house.status(), changes(house)) == ("paused", before)
    house.hints.clear()
    launching.resume(house.rt, TENANT, house.run_id, "they were all from one city", release=True)
    looked(house)

    assert (house.status(), followed(house)) == ("running", True)
    assert Work.ENROLL in {hint.work for hint in house.hints}
    [*_, last] = house.store.run_changes(TENANT, house.run_id)
    assert (last.after, last.by) == ("running", house.rt.actor.user_id)
    assert last.reason == "lets the others follow the canary; they were all from one city"


def test_the_others_of_a_canary_are_enrolled_once_they_are_released(home: House):
    saved = replace(home.save({"type": "terminate"}, people=40), canary="20%")
    home.run_id = launching.launch(home.rt, saved).run.run_id
    home.play()
    some = len(home.rows(enrollments))
    launching.pause(home.rt, TENANT, home.run_id)
    launching.resume(home.rt, TENANT, home.run_id, release=True)
    home.play()

    assert 0 < some < 40
    assert len(home.rows(enrollments)) == 40


def test_while_a_run_goes_on_its_others_are_released_once_and_the_log_says_by_whom(home: House):
    on_trial(home, TEXT)
    for _ in range(2):
        launching.resume(home.rt, TENANT, home.run_id, release=True)

    assert (home.status(), followed(home)) == ("running", True)
    assert changes(home)[1:] == [("running", "running", "lets the others follow the canary")]
    assert home.store.run_changes(TENANT, home.run_id)[-1].by == home.rt.actor.user_id


@pytest.mark.parametrize(
    ("state", "why"), [(Canary.NONE, "it has no canary"), (Canary.ENROLLING, "still being enrolled")]
)
def test_where_nobody_waits_for_a_canary_nobody_is_released(home: House, state, why):
    on_trial(home, TEXT)
    with home.store.engine.begin() as conn:
        conn.execute(runs.update().values(canary=state))

    with pytest.raises(NothingToRelease, match=why):
        launching.resume(home.rt, TENANT, home.run_id, release=True)
    assert len(changes(home)) == 1


def test_a_report_of_a_canary_says_how_many_wait_for_it_and_the_log_names_it(house: House):
    request = replace(house.save(TEXT, people=40), canary="10%", limit=30)
    house.run_id = launching.launch(house.rt, request).run.run_id
    assert changes(house)[0][2] == "a canary of 10% goes first"
    launching.enroll(house.rt, TENANT, house.run_id)
    house.later(minutes=2)

    shown = make_report(house.rt, house.run_id).as_json()

    assert 0 < shown["audience"] < 30
    assert shown["behindCanary"] == 30 - shown["audience"]
    assert 120 <= shown["seconds"] < 180
    launching.pause(house.rt, TENANT, house.run_id, "ask Ann")
    assert make_report(house.rt, house.run_id).reason == "ask Ann"
    launching.resume(house.rt, TENANT, house.run_id, release=True)
    assert (make_report(house.rt, house.run_id).behind_canary, make_report(house.rt, house.run_id).reason) == (None, "")
