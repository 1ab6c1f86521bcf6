"""The guard at work: it pauses runs over their bounds, and lets the rest of an audience follow its canary."""

from pydantic import SecretStr

from tests.runtime.house import MAIL, TENANT, TEXT, House, person
from tests.runtime.watched import alerts, changes, file, landline, looked, send
from worker.domain.alert import AlertKind
from worker.domain.guard import Guard
from worker.engine.watch import Watch, judge
from worker.runtime import guarding
from worker.runtime import launch as launching
from worker.runtime.hints import Work
from worker.runtime.tick import tick
from worker.store.guards import Decision
from worker.store.tables import outcomes


def test_a_run_in_which_most_messages_fail_is_paused_with_the_reason_and_an_alert(house: House):
    house.launch(TEXT, people=[landline(n) for n in range(6)])
    send(house)

    assert looked(house) == 1

    before, after, reason = changes(house)[-1]
    assert (before, after) == ("running", "paused")
    assert "6 of 6 messages failed" in reason
    assert "guard.failureRate" in reason
    assert alerts(house) == [AlertKind.AUTO_PAUSED]
    assert house.store.run_changes(TENANT, house.run_id)[-1].by == ""
    assert Work.ALERT in {hint.work for hint in house.hints}


def test_the_tick_asks_for_a_look_once_outcomes_have_settled_and_not_again(house: House):
    house.launch(TEXT, people=2)
    file(house, "SMS_DELIVERED", 3)

    def asked() -> bool:
        house.hints.clear()
        tick(house.rt)
        return Work.GUARD in {hint.work for hint in house.hints}

    assert not asked()  # another commit may still bring a lower number
    house.later(seconds=3)
    assert asked()
    guarding.look(house.rt)
    assert not asked()
    file(house, "SMS_DELIVERED", 3, ago=10)
    assert not asked()  # it has just looked
    house.later(seconds=3)
    assert asked()
    guarding.look(house.rt)
    house.later(seconds=60)
    assert not asked()


def test_one_refusal_for_our_configuration_pauses_at_once(open_house):
    house = open_house()
    house.launch(TEXT, people=1)
    house.rt = house.runtime(twilio_auth_token=SecretStr("revoked"))
    send(house)

    looked(house)

    assert house.status() == "paused"
    assert "configuration (SMS_CONFIG)" in changes(house)[-1][2]


def test_a_country_that_is_switched_off_is_no_reason_to_pause_the_others(house: House):
    house.launch(TEXT, people=[person(1, phone="+12025621408")])
    send(house)

    looked(house)

    assert [row.disposition for row in house.rows(outcomes)] == ["SMS_CONFIG"]
    assert house.status() == "running"


def test_readers_who_say_stop_pause_it(house: House):
    house.launch(TEXT)
    file(house, "SMS_DELIVERED", 40)
    file(house, "SMS_OPTED_OUT", 8, attempted=False)

    looked(house)

    assert "8 of 40 readers said stop (20.0%); the bound is 5.00% (guard.optOutRate)" in changes(house)[-1][2]


def test_complaints_pause_it_under_whatever_bound_the_campaign_sets(house: House):
    house.launch(MAIL, guard={"complaintRate": 0.5})
    file(house, "EMAIL_DELIVERED", 100)
    file(house, "EMAIL_SPAM_REPORT", 20)
    file(house, "SMS_DELIVERED", 10_000)  # so many that the opt-outs are few

    looked(house)

    assert house.status() == "running"


def test_switched_off_it_tells_once_and_lets_the_run_go_on(house: House):
    house.launch(TEXT, people=8, guard="off")
    for _ in range(3):
        file(house, "SMS_FILTERED", 20, detail="configuration")
        looked(house)

    assert house.status() == "running"
    assert alerts(house) == [AlertKind.ERROR_RATE]


def test_looks_add_up_and_outcomes_are_counted_once(house: House):
    house.launch(TEXT, people=2)
    for _ in range(4):
        file(house, "SMS_FILTERED", 1)
        assert looked(house) == 0
        assert looked(house) == 0

    file(house, "SMS_FILTERED", 2)

    assert looked(house) == 1
    assert "6 of 6" in changes(house)[-1][2]


def test_whoever_resumes_a_run_begins_anew_and_what_came_in_meanwhile_is_not_held_against_it(house: House):
    house.launch(TEXT, people=2)
    file(house, "SMS_FILTERED", 9)
    looked(house)
    file(house, "SMS_FILTERED", 9)
    looked(house)

    launching.resume(house.rt, TENANT, house.run_id)
    file(house, "SMS_FILTERED", 4)
    looked(house)

    assert house.status() == "running"


def test_resuming_after_a_pause_by_hand_begins_anew_too(house: House):
    house.launch(TEXT, people=2)
    file(house, "SMS_FILTERED", 4)
    looked(house)
    launching.pause(house.rt, TENANT, house.run_id)
    launching.resume(house.rt, TENANT, house.run_id)
    file(house, "SMS_FILTERED", 4)

    assert looked(house) == 0


def test_what_came_in_just_before_a_resume_is_not_held_against_it(house: House):
    house.launch(TEXT, people=2)
    file(house, "SMS_FILTERED", 9)
    looked(house)
    file(house, "SMS_FILTERED", 9)  # too young to be counted when the run is resumed
    launching.resume(house.rt, TENANT, house.run_id)

    assert looked(house) == 0
    assert house.status() == "running"
    file(house, "SMS_FILTERED", 9)
    assert looked(house) == 1
    assert "9 of 9 messages failed" in changes(house)[-1][2]


def test_of_two_runs_only_what_is_old_of_the_resumed_one_is_forgotten(home: House):
    other = home.launch(TEXT, people=2)
    home.launch(TEXT, people=2)
    launching.pause(home.rt, TENANT, home.run_id)
    resumed = home.run_id
    for home.run_id in (other, resumed):
        file(home, "SMS_FILTERED", 9)
    launching.resume(home.rt, TENANT, resumed)

    looked(home)

    assert home.status() == "running"
    assert home.store.get_run(TENANT, other).status == "paused"


def test_a_look_that_began_before_a_resume_does_not_pause_the_run_after_it(house: House):
    house.launch(TEXT, people=2)
    file(house, "SMS_FILTERED", 9)
    house.later(seconds=3)
    slow = house.store.guard_news(TENANT, house.rt.now())
    launching.pause(house.rt, TENANT, house.run_id)
    launching.resume(house.rt, TENANT, house.run_id)
    late = Decision(run_id=house.run_id, state=Watch().to_json(), pause="9 of 9 messages failed")

    assert house.store.commit_guard(TENANT, slow, [late], house.rt.now()) == []
    assert house.status() == "running"


def test_what_a_look_remembers_that_began_before_a_resume_is_forgotten(home: House):
    home.launch(TEXT, people=2)
    file(home, "SMS_FILTERED", 5)
    home.later(seconds=3)
    slow = home.store.guard_news(TENANT, home.rt.now())
    launching.pause(home.rt, TENANT, home.run_id)
    launching.resume(home.rt, TENANT, home.run_id)
    seen = judge(Watch(), slow.filed[home.run_id], home.rt.definition(TENANT, home.run_id).book, Guard()).watch
    home.store.commit_guard(TENANT, slow, [Decision(run_id=home.run_id, state=seen.to_json())], home.rt.now())
    file(home, "SMS_FILTERED", 4)

    assert looked(home) == 0


def test_a_look_that_was_overtaken_by_another_changes_nothing(house: House):
    """A worker that stood still does not pause what somebody has resumed meanwhile."""
    house.launch(TEXT, people=2)
    file(house, "SMS_FILTERED", 9)
    house.later(seconds=3)
    slow = house.store.guard_news(TENANT, house.rt.now())
    guarding.look(house.rt)
    launching.resume(house.rt, TENANT, house.run_id)

    late = Decision(run_id=house.run_id, state={}, pause="9 of 9 messages failed")

    assert house.store.commit_guard(TENANT, slow, [late], house.rt.now()) == []
    assert house.status() == "running"


def test_a_finished_run_tells_of_it(house: House):
    house.launch({"type": "terminate"}, people=1)
    house.advance()

    assert house.status() == "completed"
    assert alerts(house) == [AlertKind.FINISHED]
