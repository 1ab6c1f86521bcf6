"""Scheduled runs: each moment once, however many look at the clock; late within the grace, else skipped and said so."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest

from tests.runtime.house import TENANT, TEXT, person
from worker.domain.run import RunStatus
from worker.runtime import date_looks, scheduling
from worker.runtime import launch as launching
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch
from worker.store.codec import from_json
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import AlreadyStarted
from worker.store.queue_tables import alerts
from worker.store.rows import WorkKind
from worker.store.tables import enrollments, messages, runs

MONDAYS = {"rrule": "FREQ=WEEKLY;BYDAY=MO", "start": "2027-03-01T09:00", "end": "2027-12-31"}
BERLIN = {**MONDAYS, "timezone": "Europe/Berlin", "grace": "2 hours"}

VISITS = {"date": {"field": "visit", "offset": "-1 day", "time": "09:00"}, "grace": "2 hours"}


def visitor(number, visit, zone="Europe/Berlin"):
    return person(number, timezone=zone, fields={"firstName": "Ann", **({"visit": visit} if visit else {})})


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def set_clock(house, *parts):
    ahead = utc(*parts) - Runtime.now(house.rt)
    for rt in house._runtimes:
        rt.ahead = ahead


def launch(house, *parts, **more):
    """Launch at this moment, with `schedule` and so on in the campaign."""
    set_clock(house, *parts)
    saved = replace(house.save(TEXT, **more), again=False)
    house.run_id = launching.launch(house.rt, saved).run.run_id
    return house.run_id


def change_campaign(house, **changes):
    found = house.store.get_document(TENANT, DocumentType.CAMPAIGN, "cmp_1")
    document = Document(type=found.type, id=found.id, name=found.name, data={**found.data, **changes})
    house.store.put_documents(TENANT, [document], house.rt.now())


def tick_at(house, *parts):
    set_clock(house, *parts)
    house.hints.clear()
    house.tick_only()


def run_of(house, run_id=""):
    return house.store.get_run(TENANT, run_id or house.run_id)


def series(house):
    """All runs, in the order of their moments."""
    found = house.store.find_runs(TENANT, "cmp_1")
    return [(run.status.value, run.occurrence) for run in sorted(found, key=lambda run: run.occurrence)]


def changes(house, run_id=""):
    return [change.reason for change in house.store.run_changes(TENANT, run_id or house.run_id) if change.reason]


# Starting


def test_a_scheduled_run_starts_when_its_moment_comes_and_not_before(home):
    launch(home, 2027, 3, 1, 6, schedule={"at": "2027-03-01T09:00", "timezone": "Europe/Berlin"}, people=2)
    assert (run_of(home).status, run_of(home).next_at) == (RunStatus.SCHEDULED, utc(2027, 3, 1, 8))
    assert home.hints == []
    tick_at(home, 2027, 3, 1, 7, 59, 59)
    assert run_of(home).status is RunStatus.SCHEDULED
    tick_at(home, 2027, 3, 1, 8, 0, 1)
    assert run_of(home).status is RunStatus.RUNNING
    assert len(home.ledger()) == 2
    assert changes(home) == ["on time"]
    assert len(home.rows(runs)) == 1, "one moment, one run"


def test_two_that_look_at_once_start_it_once_and_make_one_successor(house):
    launch(house, 2027, 3, 1, 6, schedule=BERLIN)
    others = [house.runtime() for _ in range(3)]
    set_clock(house, 2027, 3, 1, 8)
    together = Barrier(4)

    def follow(rt):
        together.wait()
        return scheduling.follow(rt, TENANT, house.run_id)

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(follow, [house.rt, *others]))
    assert sorted(started) == [0, 0, 0, 1]
    assert series(house) == [("running", utc(2027, 3, 1, 8)), ("scheduled", utc(2027, 3, 8, 8))]
    assert changes(house) == ["on time"]


def test_a_weekly_series_keeps_its_time_of_day_over_a_month_with_a_clock_change(home):
    launch(home, 2027, 3, 1, 6, schedule={**BERLIN, "blackout": ["2027-03-29"]})
    for day in range(36):
        if day % 7 in (0, 3):
            for hour in (7, 8):
                tick_at(home, *(utc(2027, 3, 1, hour) + timedelta(days=day)).timetuple()[:4])
    assert [at for _, at in series(home)] == [
        utc(2027, 3, 1, 8),
        utc(2027, 3, 8, 8),
        utc(2027, 3, 15, 8),
        utc(2027, 3, 22, 8),
        utc(2027, 4, 5, 7),
        utc(2027, 4, 12, 7),
    ]
    assert len(home.ledger()) == 5
    assert {run.series for run in home.store.find_runs(TENANT, "cmp_1")} == {home.run_id}


def test_in_the_night_the_clock_goes_back_it_starts_once(home):
    launch(home, 2026, 10, 31, 20, schedule={"cron": "30 1 * * *", "timezone": "America/New_York"})
    for minutes in range(5 * 60, 8 * 60, 15):
        tick_at(home, *(utc(2026, 11, 1) + timedelta(minutes=minutes)).timetuple()[:5])
    assert [at for _, at in series(home)] == [utc(2026, 11, 1, 5, 30), utc(2026, 11, 2, 6, 30)]
    assert len(home.ledger()) == 1


def test_it_starts_with_what_is_saved_at_its_moment(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN, people=1)
    change_campaign(home, smsFromAddress="+15550009999")
    home.store.import_contacts(TENANT, "lst_1", [person(7)], home.rt.now())
    tick_at(home, 2027, 3, 1, 8)
    assert run_of(home).campaign["smsFromAddress"] == "+15550009999"
    assert len(home.ledger()) == 2


def test_an_operator_may_start_it_before_its_time_and_the_series_goes_on(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    launching.start(home.rt, TENANT, home.run_id)
    home.play()
    assert len(home.ledger()) == 1
    assert series(home) == [("running", utc(2027, 3, 1, 8)), ("scheduled", utc(2027, 3, 8, 8))]


def test_the_launch_can_name_a_moment_of_its_own(home):
    set_clock(home, 2027, 3, 1, 6)
    saved = home.save(TEXT)
    run = launching.launch(home.rt, replace(saved, at=datetime(2027, 3, 1, 8, tzinfo=ZoneInfo("Europe/Berlin")))).run
    assert (run.status, run.next_at, run.series) == (RunStatus.SCHEDULED, utc(2027, 3, 1, 7), "")
    tick_at(home, 2027, 3, 1, 8)
    assert changes(home, run.run_id) == ["1 hour late"]
    with pytest.raises(CannotLaunch, match="2027-03-01 05:00 UTC has passed; leave --at out"):
        launching.launch(home.rt, replace(saved, at=utc(2027, 3, 1, 5)))


def test_what_a_launch_says_of_its_audience_holds_for_the_whole_series(home):
    people = [person(1, fields={"firstName": "Ann", "plan": "gold"}), person(2)]
    set_clock(home, 2027, 3, 1, 6)
    saved = home.save(TEXT, schedule=BERLIN, people=people)
    said = replace(saved.audience, segment="plan:gold")
    launching.launch(home.rt, replace(saved, audience=said, limit=5))
    for day in (1, 8):
        tick_at(home, 2027, 3, day, 8)
    assert len(home.ledger()) == 2, "one of the two, twice"
    assert [run.options["limit"] for run in home.store.find_runs(TENANT, "cmp_1")] == [5, 5, 5]


def test_a_second_launch_of_what_is_scheduled_already_is_refused(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    saved = home.save(TEXT, schedule=BERLIN)
    with pytest.raises(CannotLaunch, match=f"{home.run_id} of this campaign over this list is scheduled"):
        launching.launch(home.rt, replace(saved, again=False))
    assert launching.launch(home.rt, saved).run.status is RunStatus.SCHEDULED


def test_a_launch_whose_schedule_is_over_is_refused(home):
    with pytest.raises(CannotLaunch, match="its schedule has nothing more after now"):
        launch(home, 2028, 3, 1, 6, schedule=BERLIN)
    assert home.rows(runs) == []


def test_who_cancels_the_run_that_waits_ends_the_series(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    launching.cancel(home.rt, TENANT, home.run_id)
    tick_at(home, 2027, 3, 1, 8)
    assert series(home) == [("cancelled", utc(2027, 3, 1, 8))]
    assert home.ledger() == []


def test_whoever_starts_a_wave_before_its_time_means_everybody_now(home):
    launch(home, 2027, 2, 27, 12, schedule=MORNING, people=around())
    [warning] = launching.start(home.rt, TENANT, home.run_id, "the news is out")
    home.play()
    assert len(home.ledger()) == len(AROUND)
    assert warning == "everybody is due now, whatever the time where they live"
    assert changes(home) == ["before its time; the news is out"]
    assert [row.disposition for row in home.rows(enrollments)] == [""] * len(AROUND)


def test_the_next_wave_of_a_series_keeps_its_times_though_the_one_before_was_started_early(home):
    people = [person(1, timezone="Asia/Tokyo"), person(2, timezone="Europe/Berlin")]
    launch(home, 2027, 2, 28, 12, schedule={"cron": "0 9 * * *", "timezone": "contact"}, people=people)
    launching.start(home.rt, TENANT, home.run_id)
    home.play()
    assert len(home.ledger()) == 2
    tick_at(home, 2027, 3, 1, 19)
    assert len(home.ledger()) == 2
    tick_at(home, 2027, 3, 2, 0)
    assert len(home.ledger()) == 3


def test_a_run_that_has_been_started_meanwhile_is_not_started_again(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    seen = run_of(home)
    launching.start(home.rt, TENANT, home.run_id)
    with pytest.raises(AlreadyStarted):
        scheduling.start_now(home.rt, seen)


# Missed, refused, changed


def test_what_was_missed_by_less_than_the_grace_starts_late(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    tick_at(home, 2027, 3, 1, 9, 30)
    assert run_of(home).status is RunStatus.RUNNING
    assert changes(home) == ["90 minutes late"]


def test_what_was_missed_by_more_than_the_grace_is_skipped_and_the_run_says_so(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    tick_at(home, 2027, 3, 10, 12)
    assert series(home) == [("scheduled", utc(2027, 3, 15, 8))]
    told = "2 firings skipped: missed by more than the grace of 2 hours; now at 2027-03-15 08:00 UTC"
    assert changes(home) == [told]
    assert [(row.kind, from_json(row.detail)["reason"]) for row in home.rows(alerts)] == [("missedSchedule", told)]
    assert home.ledger() == []
    tick_at(home, 2027, 3, 15, 8)
    assert run_of(home).status is RunStatus.RUNNING


def test_whoever_tells_of_a_missed_moment_sends_what_is_saved_at_the_next_one(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    tick_at(home, 2027, 3, 8, 12)  # told of what was missed
    change_campaign(home, smsFromAddress="+15550009999")

    tick_at(home, 2027, 3, 15, 8, 0, 1)

    assert {row.sender for row in home.rows(messages)} == {"+15550009999"}


def test_of_several_that_were_missed_one_starts(home):
    launch(home, 2027, 3, 1, 6, schedule={"cron": "0 * * * *", "grace": "3 hours"})
    tick_at(home, 2027, 3, 1, 12, 30)
    assert series(home) == [("running", utc(2027, 3, 1, 12)), ("scheduled", utc(2027, 3, 1, 13))]
    assert changes(home) == ["5 firings skipped: a later one has come, 30 minutes late"]


@pytest.mark.parametrize("schedule", [{"at": "2027-03-01T09:00"}, {**BERLIN, "end": "2027-03-02"}])
def test_what_was_missed_and_has_no_other_moment_fails_with_the_reason(home, schedule):
    launch(home, 2027, 3, 1, 6, schedule=schedule)
    tick_at(home, 2027, 3, 1, 12)
    assert run_of(home).status is RunStatus.FAILED
    assert run_of(home).finished_at is not None
    assert [row.kind for row in home.rows(alerts)] == ["failed"]
    assert changes(home) == ["missed by more than the grace of 2 hours"]


def test_what_the_checks_refuse_fails_and_the_series_goes_on(house):
    launch(house, 2027, 3, 1, 6, schedule=BERLIN)
    change_campaign(house, useForSMS=False, useForEmail=False, useForOutbound=False)
    tick_at(house, 2027, 3, 1, 8)
    assert series(house) == [("failed", utc(2027, 3, 1, 8)), ("scheduled", utc(2027, 3, 8, 8))]
    assert "nothing to send" in changes(house)[0]
    change_campaign(house, useForSMS=True)
    tick_at(house, 2027, 3, 8, 8)
    assert [status for status, _ in series(house)] == ["failed", "running", "scheduled"]


def test_a_schedule_that_was_changed_is_followed_and_one_that_was_taken_out_ends(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    change_campaign(home, schedule={**BERLIN, "start": "2027-03-01T11:00"})
    tick_at(home, 2027, 3, 1, 8)
    assert series(home) == [("scheduled", utc(2027, 3, 1, 10))]
    assert changes(home) == ["its schedule was changed; now at 2027-03-01 10:00 UTC"]
    change_campaign(home, schedule=None)
    tick_at(home, 2027, 3, 1, 10)
    assert [status for status, _ in series(home)] == ["failed"]
    assert changes(home)[-1] == "its campaign has no times at which it starts any more"


def test_a_campaign_whose_people_come_one_by_one_by_now_does_not_start_over_all_of_them(home):
    set_clock(home, 2027, 3, 1, 6)
    saved = replace(home.save(TEXT, people=[visitor(1, "2027-06-01")]), at=utc(2027, 3, 3, 8))
    home.run_id = launching.launch(home.rt, saved).run.run_id
    change_campaign(home, schedule=VISITS)
    tick_at(home, 2027, 3, 3, 8)
    assert run_of(home).status is RunStatus.FAILED
    assert home.rows(enrollments) == []
    assert "people come one by one now" in changes(home)[-1]


def test_a_system_of_the_other_kind_leaves_a_scheduled_run_alone(home):
    launch(home, 2027, 3, 1, 6, schedule=BERLIN)
    real = home.runtime(twilio_base_url="https://api.twilio.com")
    set_clock(home, 2027, 3, 1, 8)
    assert scheduling.follow(real, TENANT, home.run_id) == 0
    assert run_of(home).status is RunStatus.SCHEDULED


# In each contact's own time

AROUND = ("Pacific/Kiritimati", "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Pacific/Pago_Pago", "")
MORNING = {"at": "2027-03-01T09:00", "timezone": "contact", "grace": "2 hours"}


def around():
    return [person(n, timezone=zone) for n, zone in enumerate(AROUND)]


def test_each_person_is_due_in_their_own_morning_and_the_waves_go_west(house):
    launch(house, 2027, 2, 28, 12, schedule=MORNING, people=around())
    tick_at(house, 2027, 2, 28, 18, 59, 59)
    assert house.rows(enrollments) == []
    came = [
        (utc(2027, 2, 28, 19), "Pacific/Kiritimati"),
        (utc(2027, 3, 1, 0), "Asia/Tokyo"),
        (utc(2027, 3, 1, 8), "Europe/Berlin"),
        (utc(2027, 3, 1, 9), ""),  # the installation's, which is UTC
        (utc(2027, 3, 1, 14), "America/New_York"),
        (utc(2027, 3, 1, 20), "Pacific/Pago_Pago"),
    ]
    for number, (at, zone) in enumerate(came):
        tick_at(house, *(at - timedelta(seconds=5)).timetuple()[:6])
        assert len(house.ledger()) == number
        tick_at(house, *at.timetuple()[:6])
        assert AROUND[int(house.ledger()[-1]["to"][-1])] == zone
    assert len(house.rows(runs)) == 1


def test_whose_morning_has_passed_by_more_than_the_grace_is_skipped_with_the_reason(home):
    launch(home, 2027, 3, 1, 9, 30, schedule=MORNING, people=around())
    tick_at(home, 2027, 3, 1, 9, 30)
    missed = [row for row in home.rows(enrollments) if row.disposition == "SCHEDULE_MISSED"]
    assert len(missed) == 2, "Kiritimati and Tokyo"
    assert all("by more than the grace" in row.reason for row in missed)
    assert len(home.rows(enrollments)) == len(AROUND)
    assert len(home.ledger()) == 2, "Berlin, an hour and a half late, and UTC, half an hour late"


def test_a_launch_says_how_many_a_wave_under_way_does_not_reach_any_more(home):
    set_clock(home, 2027, 3, 1, 9, 30)
    warned = launching.launch(home.rt, replace(home.save(TEXT, schedule=MORNING, people=around()), again=False))
    home.run_id = warned.run.run_id
    [said] = [one for one in warned.warns if "not reached" in one]
    assert said.startswith("2 of the 6 people are not reached: where they live its moment has passed")
    tick_at(home, 2027, 3, 1, 9, 30)
    [logged] = changes(home)
    assert said in logged
    assert "on time" not in logged


def test_the_waves_of_two_days_overlap_and_nobody_is_forgotten(home):
    launch(home, 2027, 2, 28, 12, schedule={"cron": "0 9 * * *", "timezone": "contact"}, people=around())
    for hours in range(50):
        if (19 + hours) % 24 in (0, 8, 9, 14, 19, 20):
            tick_at(home, *(utc(2027, 2, 28, 19) + timedelta(hours=hours)).timetuple()[:4])
    assert len(home.ledger()) == 2 * len(AROUND) + 1, "two whole days, and the first zone of the third"


# By a date of each person


def entries(house):
    rows = sorted(house.rows(enrollments), key=lambda row: (row.due_at, row.entry))
    return [(row.entry, datetime.fromtimestamp(row.due_at / 1000, UTC) if row.due_at else None) for row in rows]


def test_somebody_is_enrolled_for_the_morning_before_their_date(home):
    people = [visitor(1, "2027-03-03T15:00"), visitor(2, "2027-03-03", "America/New_York"), visitor(3, "2027-04-01")]
    launch(home, 2027, 3, 1, 6, schedule=VISITS, people=people)
    assert run_of(home).open_ended
    home.play()
    assert home.rows(enrollments) == []
    assert changes(home) == ["first look at visit: 0 enrolled"]
    for hour in (5, 6, 7, 8):
        tick_at(home, 2027, 3, 2, hour, 45)
    assert len(home.ledger()) == 1
    assert [entry for entry, _ in entries(home)] == ["2027-03-03"]
    for hour in (12, 13, 14):
        tick_at(home, 2027, 3, 2, hour, 50)
    assert len(home.ledger()) == 2
    assert run_of(home).status is RunStatus.RUNNING, "it stays open for the others"


def test_who_is_due_before_the_next_look_is_enrolled_for_the_very_moment(home):
    launch(home, 2027, 3, 2, 7, 50, schedule=VISITS, people=[visitor(1, "2027-03-03")])
    home.play()
    [row] = home.rows(enrollments)
    assert (row.entry, row.due_at) == ("2027-03-03", utc(2027, 3, 2, 8).timestamp() * 1000)
    assert home.ledger() == []
    tick_at(home, 2027, 3, 2, 8)
    tick_at(home, 2027, 3, 2, 8, 30)
    assert len(home.ledger()) == 1, "two looks, one entry"


def test_somebody_whose_date_moves_is_enrolled_for_the_new_one(house):
    launch(house, 2027, 3, 1, 6, schedule=VISITS, people=[visitor(1, "2027-03-03")])
    tick_at(house, 2027, 3, 2, 8)
    house.store.import_contacts(TENANT, "lst_1", [visitor(1, "2027-03-05")], house.rt.now())
    tick_at(house, 2027, 3, 4, 8)
    tick_at(house, 2027, 3, 4, 9)
    assert sorted(row.entry for row in house.rows(enrollments)) == ["2027-03-03", "2027-03-05"]
    assert len(house.ledger()) == 2


def test_who_waits_for_a_date_that_moves_before_its_moment_is_not_reminded_of_it(house):
    launch(house, 2027, 3, 2, 7, 40, schedule=VISITS, people=[visitor(1, "2027-03-03"), visitor(2, "2027-03-03")])
    house.play()
    assert len(house.rows(enrollments)) == 2
    house.store.import_contacts(TENANT, "lst_1", [visitor(1, "2027-03-05")], house.rt.now())
    tick_at(house, 2027, 3, 2, 7, 56)
    tick_at(house, 2027, 3, 2, 8, 1)
    assert [line["to"] for line in house.ledger()] == [person(2).phone]
    [moved] = [row for row in house.rows(enrollments) if row.finished_at and not row.state]
    assert (moved.status, moved.reason.partition(",")[0]) == ("cancelled", "the date it was for has moved")


def test_who_waits_for_a_date_that_moves_away_and_back_is_reminded_once(house):
    launch(house, 2027, 3, 2, 7, 40, schedule=VISITS, people=[visitor(1, "2027-03-03")])
    house.play()
    for hour, minute, visit in ((7, 56, "2027-03-05"), (8, 12, "2027-03-03")):
        house.store.import_contacts(TENANT, "lst_1", [visitor(1, visit)], house.rt.now())
        tick_at(house, 2027, 3, 2, hour, minute)
    assert len(house.ledger()) == 1


def test_a_run_that_takes_the_place_of_another_reminds_nobody_again_of_the_same_date(house):
    launch(house, 2027, 3, 2, 7, 40, schedule=VISITS, people=[visitor(1, "2027-03-03")])
    house.play()
    tick_at(house, 2027, 3, 2, 8, 1)
    again = replace(house.save(TEXT, schedule=VISITS, people=[visitor(1, "2027-03-03")]), again=True, replace=True)
    launching.launch(house.rt, again)
    house.play()
    tick_at(house, 2027, 3, 2, 8, 20)
    assert len(house.ledger()) == 1


def test_a_run_by_dates_closes_when_its_schedule_has_ended(home):
    launch(home, 2027, 3, 1, 6, schedule={**VISITS, "end": "2027-03-01"}, people=[visitor(1, "2027-03-03")])
    home.play()
    tick_at(home, 2027, 3, 2, 12, 45)
    assert run_of(home).status is RunStatus.RUNNING, "in Pago Pago the first of March is over, the grace is not"
    tick_at(home, 2027, 3, 2, 13, 15)
    assert run_of(home).status is RunStatus.COMPLETED
    assert changes(home)[-1] == "its schedule has come to its end"


def test_a_date_that_nobody_seems_to_have_is_warned_of(home):
    saved = home.save(TEXT, schedule={"date": {"field": "visti"}}, people=[visitor(1, "2027-03-03")])
    warns = launching.launch(home.rt, saved).warns
    assert warns == ("of those looked at, nobody has a visti; did you mean visit?",)


def test_the_first_look_says_of_everybody_who_is_not_enrolled_why(home):
    people = [
        visitor(1, "2027-03-02"),
        visitor(2, "2027-02-01"),
        visitor(3, ""),
        visitor(4, "soon"),
        visitor(5, "2028-01-01"),
    ]
    launch(home, 2027, 3, 1, 9, schedule=VISITS, people=people)
    home.play()
    others = "1 had a moment that passed too long ago, 1 has no date, 1 has something that is no date"
    assert changes(home) == [f"first look at visit: 1 enrolled, {others}"]


def test_who_was_missed_while_nobody_looked_is_counted_once_and_not_enrolled(home):
    people = [visitor(1, "2027-03-03"), visitor(2, "2027-03-04"), visitor(3, "2027-02-01")]
    launch(home, 2027, 3, 1, 6, schedule=VISITS, people=people)
    home.play()
    tick_at(home, 2027, 3, 3, 9)
    tick_at(home, 2027, 3, 3, 10)
    assert [row.entry for row in home.rows(enrollments)] == ["2027-03-04"], "late, within the grace"
    assert changes(home)[1:] == ["of the people with a visit, 1 had a moment that passed too long ago: skipped"]


def test_somebody_who_comes_to_the_list_later_is_looked_at_too(home):
    launch(home, 2027, 3, 1, 6, schedule=VISITS, people=[visitor(1, "2028-01-01")])
    home.play()
    home.store.import_contacts(TENANT, "lst_1", [visitor(2, "2027-03-03")], home.rt.now())
    tick_at(home, 2027, 3, 2, 8)
    assert len(home.ledger()) == 1


def test_a_look_goes_on_where_it_stood_and_two_at_once_do_no_harm(house, monkeypatch):
    monkeypatch.setattr(date_looks, "WINDOW", 2)
    monkeypatch.setattr(date_looks, "BUDGET_SECONDS", 0.0001)
    launch(house, 2027, 3, 2, 7, 50, schedule=VISITS, people=[visitor(n, "2027-03-03") for n in range(7)])
    other = house.runtime()
    set_clock(house, 2027, 3, 2, 7, 51)
    for _ in range(9):
        scheduling.follow(house.rt, TENANT, house.run_id)
        scheduling.follow(other, TENANT, house.run_id)
    assert len(house.rows(enrollments)) == 7
    [row] = house.rows(runs)
    assert (row.audience, row.enroll_cursor) == (7, "")
    assert row.next_at > house.rt.now().timestamp() * 1000


def test_of_two_that_look_at_the_same_people_one_goes_on(house):
    launch(house, 2027, 3, 2, 7, 50, schedule=VISITS, people=[visitor(1, "2027-03-03")])
    seen, now = house.store.dates_looked_at(TENANT, house.run_id), house.rt.now()
    assert house.store.enroll_dated(TENANT, house.run_id, [], now, look=seen, cursor="somebody") == 0
    assert house.store.enroll_dated(TENANT, house.run_id, [], now, look=seen, cursor="somebody") is None


def test_a_run_that_is_paused_or_closed_looks_no_more(home):
    launch(home, 2027, 3, 1, 6, schedule=VISITS, people=[visitor(1, "2027-03-03")])
    home.play()
    launching.pause(home.rt, TENANT, home.run_id)
    tick_at(home, 2027, 3, 2, 7)
    assert home.rows(enrollments) == []
    launching.resume(home.rt, TENANT, home.run_id)
    launching.close(home.rt, TENANT, home.run_id)
    tick_at(home, 2027, 3, 2, 8)
    assert run_of(home).status is RunStatus.COMPLETED
    assert WorkKind.SCHEDULE not in {work.kind for work in home.store.due_work(TENANT, home.rt.now())}


def test_a_second_launch_takes_the_place_of_the_first_only_if_it_is_meant(home):
    first = launch(home, 2027, 3, 1, 6, schedule=VISITS)
    saved = home.save(TEXT, schedule=VISITS)
    with pytest.raises(CannotLaunch, match="--replace"):
        launching.launch(home.rt, saved)
    launching.launch(home.rt, replace(saved, replace=True))
    assert run_of(home, first).enrolled


def test_a_draft_by_dates_looks_once_it_is_started(home):
    set_clock(home, 2027, 3, 2, 7)
    saved = home.save(TEXT, schedule=VISITS, people=[visitor(1, "2027-03-03")])
    home.run_id = launching.launch(home.rt, replace(saved, draft=True)).run.run_id
    tick_at(home, 2027, 3, 2, 7, 50)
    assert home.rows(enrollments) == []
    launching.start(home.rt, TENANT, home.run_id)
    home.play()
    assert len(home.rows(enrollments)) == 1


def test_a_second_launch_by_dates_is_told_that_the_first_one_takes_them(home):
    launch(home, 2027, 3, 1, 12, schedule=VISITS, people=[visitor(1, "2027-03-05")])
    with pytest.raises(CannotLaunch, match=f"{home.run_id} of this campaign is running and takes its dates"):
        launch(home, 2027, 3, 1, 13, schedule=VISITS)


def test_a_canary_has_no_meaning_where_people_come_by_their_dates(home):
    set_clock(home, 2027, 3, 2, 7)
    saved = home.save(TEXT, schedule=VISITS)
    with pytest.raises(CannotLaunch, match="--canary and --limit"):
        launching.launch(home.rt, replace(saved, limit=5))
