from datetime import date, datetime, time, timedelta
from itertools import islice

import pytest

from worker.domain.campaign import Campaign
from worker.domain.faults import Invalid
from worker.domain.schedule import At, ContactDate, read_schedule

WEEKLY = "FREQ=WEEKLY;BYDAY=MO"


def faults(**written):
    schedule, found = read_schedule(written)
    assert schedule is None or not found
    return [str(fault) for fault in found]


def walls(count, **written):
    schedule, found = read_schedule(written)
    assert not found
    return [
        wall.isoformat(timespec="minutes")
        for wall in islice(schedule.walls(datetime.fromisoformat("2026-11-01")), count)
    ]


def test_a_campaign_without_a_schedule_has_none():
    assert read_schedule(None) == (None, [])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "does not say when (write exactly one of at, rrule, cron, date)"),
        ({"at": "2026-12-01T09:00", "cron": "0 9 * * 1"}, "names at and cron"),
        ({"at": "2026-12-01"}, "at: has no time of day"),
        ({"at": "soon"}, "at: is no date and time"),
        ({"at": "1926-12-01T09:00"}, "at: is out of range"),
        ({"at": "2026-12-25T09:00", "blackout": ["2026-12-25"]}, "at: is outside of start and end, or on a blackout"),
        ({"at": "2026-12-01T09:00+01:00", "timezone": "contact"}, "at: is one instant"),
        ({"rrule": WEEKLY, "start": "2026-12-01T09:00"}, "rrule: is an RRULE with no end and no limit"),
        ({"rrule": f"{WEEKLY};COUNT=3"}, "rrule: counts from a start and there is none (add start"),
        ({"rrule": f"{WEEKLY};COUNT=3", "start": "2026-12-01"}, "rrule: has no time of day"),
        ({"rrule": f"{WEEKLY};COUNT=3;UNTIL=20270101", "start": "2026-12-01T09:00"}, "has both COUNT and UNTIL"),
        ({"rrule": f"{WEEKLY};COUNT=0", "start": "2026-12-01T09:00"}, "has COUNT out of range; from 1 to"),
        ({"rrule": f"{WEEKLY};COUNT=1;INTERVAL=0", "start": "2026-12-01T09:00"}, "has INTERVAL out of range"),
        ({"rrule": f"{WEEKLY};COUNT=1;COUNT=2", "start": "2026-12-01T09:00"}, "names COUNT twice"),
        ({"rrule": f"{WEEKLY};UNTIL=20270101T090000Z", "start": "2026-12-01T09:00"}, "leave the Z out"),
        ({"rrule": f"{WEEKLY};UNTIL=soon", "start": "2026-12-01T09:00"}, "has an UNTIL that is no date"),
        ({"rrule": "FREQ=DAILY;COUNT=1;BYDAY=1MO", "start": "2026-12-01T09:00"}, "has a BYDAY that is none"),
        ({"rrule": "FREQ=DAILY;COUNT=1;WKST=XX", "start": "2026-12-01T09:00"}, "has a WKST that is no day"),
        ({"rrule": "FREQ=DAILY;COUNT=1;BYHOUR=x", "start": "2026-12-01T09:00"}, "has BYHOUR that is no number"),
        ({"rrule": "FREQ=DAILY;DTSTART=20261201;COUNT=1", "start": "2026-12-01T09:00"}, "that is the key start"),
        ({"rrule": "FREQ=DAILY;BYEASTER=1;COUNT=1", "start": "2026-12-01T09:00"}, "a DAILY rule has not"),
        ({"rrule": "every monday", "start": "2026-12-01T09:00"}, "that is no KEY=VALUE"),
        ({"rrule": "COUNT=3", "start": "2026-12-01T09:00"}, "needs a FREQ"),
        ({"rrule": "FREQ=MONTHLY;BYSETPOS=1;COUNT=2", "start": "2026-12-01T09:00"}, ""),
        ({"rrule": "FREQ=MINUTELY;COUNT=9", "start": "2026-12-01T09:00"}, "comes too often with FREQ=MINUTELY"),
        ({"rrule": "FREQ=DAILY;BYMINUTE=0,5;COUNT=9", "start": "2026-12-01T09:00"}, "more often than every 15 minutes"),
        (
            {"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3", "start": "2026-12-01T09:00"},
            "rrule: never fires within five years",
        ),
        ({"rrule": f"{WEEKLY};UNTIL=20261101", "start": "2026-12-01T09:00"}, "rrule: never fires within five years"),
        ({"cron": "* * * * *"}, "cron: comes more often than every 15 minutes"),
        ({"cron": "0 9 30 2 *"}, "cron: has a day-of-month that is none, or that never comes"),
        ({"cron": "0 9 29 2 */7"}, "cron: never fires within five years"),
        ({"cron": "0 9 * *"}, "cron: must have five fields"),
        ({"cron": "0 0 9 * * 1"}, "cron: must have five fields"),
        ({"cron": 9}, "cron: must be text"),
        ({"cron": "0 9 * * 1", "start": "2026-12-01", "end": "2026-12-02"}, "cron: never fires within five years"),
        ({"cron": "0 9 25 12 *", "blackout": [f"{y}-12-25" for y in range(2026, 2033)]}, "cron: never fires"),
        ({"cron": "0 9 * * 1", "start": "2026-12-01", "end": "2026-11-01"}, "end: is before start"),
        ({"cron": "0 9 * * 1", "start": "1.12.2026"}, "start: is no date"),
        ({"cron": "0 9 * * 1", "end": "2026-12-01T09:00Z"}, "end: has an offset; dates of a schedule are local"),
        ({"cron": "0 9 * * 1", "timezone": "europe/berlin"}, "timezone: is no time zone (write Europe/Berlin"),
        ({"cron": "0 9 * * 1", "timezone": "EST"}, "timezone: is no time zone"),
        ({"cron": "0 9 * * 1", "blackout": ["christmas"]}, "blackout: has something that is no date"),
        ({"cron": "0 9 * * 1", "blackout": ["2027-01-01/2026-12-31"]}, "blackout: has days that end before they begin"),
        ({"cron": "0 9 * * 1", "blackout": 25}, "blackout: must be a list of dates"),
        ({"cron": "0 9 * * 1", "grace": "1 s"}, "grace: is too short"),
        ({"cron": "0 9 * * 1", "grace": "a while"}, "grace: is no duration"),
        ({"cron": "0 9 * * 1", "grace": True}, "grace: must be a duration"),
        ({"cron": "0 9 * * 1", "blackot": []}, "blackot: is no key of a schedule (did you mean blackout?)"),
        ({"date": "renewalDate"}, "date: must be a map with a field"),
        ({"date": {"offset": "-1 day"}}, "date.field: must name a field of the contact"),
        ({"date": {"field": "d", "time": "9am"}}, "date.time: is no time of day"),
        ({"date": {"field": "d", "time": "09:00", "offset": "-36 hours"}}, "date.offset: must be whole days"),
        ({"date": {"field": "d", "ofset": "-1 day"}}, "date.ofset: is no key of a schedule (did you mean offset?)"),
        ({"date": {"field": "d"}, "timezone": "Europe/Berlin"}, "timezone: is not for a date of the contact"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_said_with_its_place(written, said):
    found = faults(**written)
    assert len(found) == bool(said)
    assert not said or said.replace("; ", " (") in found[0] or said in found[0]


def test_all_that_is_wrong_is_said_at_once():
    found = faults(cron="0 9", timezone="Mars", grace="x", blackout="y", start="z", nonsense=1)
    assert {fault.partition(":")[0] for fault in found} == {
        "cron",
        "timezone",
        "grace",
        "blackout",
        "start",
        "nonsense",
    }


def test_a_campaign_says_what_is_wrong_with_its_schedule():
    with pytest.raises(Invalid, match=r"schedule\.cron: must have five fields"):
        Campaign.parse({"name": "n", "workflowId": "w", "schedule": {"cron": "daily"}})
    listening = {"triggers": [{"event": "a.b"}], "schedule": {"cron": "0 9 * * 1"}}
    with pytest.raises(Invalid, match="schedule: is for a campaign that starts"):
        Campaign.parse({"name": "n", "workflowId": "w", **listening})


def test_a_time_is_local_unless_an_offset_is_written():
    assert read_schedule({"at": "2026-12-01T09:00"})[0].timing == At(datetime.fromisoformat("2026-12-01T09:00"))
    instant = read_schedule({"at": "2026-12-01T09:00+01:00"})[0].timing.moment
    assert instant.utcoffset() == timedelta(hours=1)


def test_a_rule_counts_from_its_start_and_takes_its_time_of_day_from_there():
    assert walls(9, rrule="FREQ=WEEKLY;BYDAY=MO;COUNT=2", start="2026-12-01T09:30") == [
        "2026-12-07T09:30",
        "2026-12-14T09:30",
    ]


def test_the_day_of_until_and_of_end_belong_to_the_rule():
    daily = {"rrule": "FREQ=DAILY;BYHOUR=9", "start": "2026-12-01"}
    assert walls(9, **daily, end="2026-12-02") == ["2026-12-01T09:00", "2026-12-02T09:00"]
    assert walls(9, **daily | {"rrule": "FREQ=DAILY;BYHOUR=9;UNTIL=20261202"})[-1] == "2026-12-02T09:00"
    assert walls(9, **daily, end="2026-12-02T08:59")[-1] == "2026-12-01T09:00"


def test_nothing_starts_on_a_blackout_date_and_the_count_counts_it():
    found = walls(9, rrule="FREQ=DAILY;COUNT=5", start="2026-12-30T09:00", blackout=["2026-12-31/2027-01-01"])
    assert found == ["2026-12-30T09:00", "2027-01-02T09:00", "2027-01-03T09:00"]


def test_cron_is_read_as_debian_reads_it():
    assert walls(3, cron="0 9 1 * 1") == ["2026-11-01T09:00", "2026-11-02T09:00", "2026-11-09T09:00"]


def test_a_date_of_the_contact_has_an_offset_to_both_sides():
    before = read_schedule({"date": {"field": "renewalDate", "offset": "-7 days", "time": "09:00"}})[0]
    assert before.timing == ContactDate("renewalDate", timedelta(days=-7), time(9))
    assert before.per_contact
    after = read_schedule({"date": {"field": "visit", "offset": "+90 min"}, "blackout": "2026-12-25"})[0]
    assert after.timing == ContactDate("visit", timedelta(minutes=90))
    assert after.blackout == ((date(2026, 12, 25), date(2026, 12, 25)),)
