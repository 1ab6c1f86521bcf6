"""The guard at work: it pauses runs over their bounds, and lets the rest of an audience follow its canary."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.runtime.house import MAIL, TENANT, TEXT, House, person
from worker.domain.alert import AlertKind
from worker.domain.run import Canary
from worker.runtime import guarding
from worker.runtime import launch as launching
from worker.runtime.hints import Work
from worker.runtime.tick import tick
from worker.store import outcomes as filing
from worker.store.codec import millis
from worker.store.guards import Decision
from worker.store.tables import outcomes, runs


def landline(number: int):
    """Somebody whose texts are refused for good."""
    return person(number, phone=f"+120256{number % 10}21614")


def looked(house: House) -> int:
    house.later(seconds=3)
    return guarding.look(house.rt)


def send(house: House, rounds: int = 1) -> None:
    for _ in range(rounds):
        house.advance()
        house.dispatch()


def file(
    house: House, disposition: str, count: int, *, detail: str = "none", attempted: bool = True, ago: float = 0
) -> None:
    """Outcomes as settlements write them; `ago` in seconds."""
    at = millis(house.rt.now() - timedelta(seconds=ago))
    row = (TENANT, house.run_id, "e", "m", "a" if attempted else None, disposition, "", detail, at)
    with house.store.engine.begin() as conn:
        filing.file(conn, [row] * count)


def changes(house: House) -> list[tuple[str, str, str]]:
    return [(one.before, one.after, one.reason) for one in house.store.run_changes(TENANT, house.run_id)]


def alerts(house: House) -> list[AlertKind]:
    return [alert.kind for alert in house.store.alerts_of_run(TENANT, house.run_id)]


def on_trial(house: House, *actions, people: int = 10, **campaign) -> None:
    """A run whose canary is all of its people so far, and that waits for the guard."""
    house.launch(*actions, people=people, **campaign)
    with house.store.engine.begin() as conn:
        conn.execute(runs.update().values(canary=Canary.WATCHED, enrolled=False, guarding='{"canary":{"share":0.5}}'))


def canary(house: House) -> str:
    return house.store.get_run(TENANT, house.run_id).canary


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


def test_who_resumes_a_failed_canary_lets_the_rest_follow(house: House):
    on_trial(house, {"type": "terminate"}, people=3)
    house.advance()
    file(house, "SMS_FILTERED", 3)
    looked(house)

    launching.resume(house.rt, TENANT, house.run_id)
    looked(house)

    assert (house.status(), canary(house)) == ("running", Canary.PASSED)


def test_a_finished_run_tells_of_it(house: House):
    house.launch({"type": "terminate"}, people=1)
    house.advance()

    assert house.status() == "completed"
    assert alerts(house) == [AlertKind.FINISHED]
