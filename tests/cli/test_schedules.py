"""`campaigns schedule preview`: when a campaign would start, from a file or a saved one."""

import pytest

from tests.cli.conftest import ROOT

WORKFLOW = """---
objectType: workflow
workflowId: wf
name: Weekly
initialStateId: text
states: {text: {actions: [{type: sendSms, message: Hello}]}}
"""


@pytest.fixture
def weekly(desk):
    """Writes a campaign with this schedule and gives its file."""

    def write(schedule):
        head = "objectType: campaign\nname: Weekly\nworkflowId: wf\nuseForSMS: true\nsmsFromAddress: '+12125550100'\n"
        return desk.write("weekly.yaml", f"{head}schedule: {schedule}\n{WORKFLOW}")

    return write


def test_the_next_firings_are_listed_with_their_local_times(run, weekly):
    path = weekly('{cron: "0 9 * * 1", timezone: Europe/Berlin, blackout: [2026-12-07]}')
    said = run("schedule", "preview", path, "--from", "2026-11-24", "--count", 2, "--zone", "Asia/Tokyo")
    assert said.out.splitlines() == [
        "Mon 2026-11-30 09:00 Europe/Berlin",
        "  Asia/Tokyo: Mon 2026-11-30 17:00 +0900",
        "Mon 2026-12-14 09:00 Europe/Berlin",
        "  Asia/Tokyo: Mon 2026-12-14 17:00 +0900",
    ]
    found = run("schedule", "preview", path, "--from", "2026-11-24", "--json").json
    assert len(found["firings"]) == 10
    assert found["firings"][0] == {
        "local": "2026-11-30T09:00",
        "at": "2026-11-30T08:00:00+00:00",
        "zones": {"Europe/Berlin": "2026-11-30T09:00:00+01:00", "UTC": "2026-11-30T08:00:00+00:00"},
    }


def test_of_a_wave_its_first_and_its_last_zone_are_shown(run, weekly):
    path = weekly("{at: 2027-03-01T09:00, timezone: contact}")
    said = run("schedule", "preview", path, "--from", "2026-11-24", "--zone", "Europe/Berlin")
    assert said.out.splitlines() == [
        "Mon 2027-03-01 09:00 where each person lives",
        "  Pacific/Kiritimati: Sun 2027-02-28 19:00 UTC",
        "  Europe/Berlin: Mon 2027-03-01 08:00 UTC",
        "  Pacific/Pago_Pago: Mon 2027-03-01 20:00 UTC",
    ]


def test_a_saved_campaign_is_previewed_as_well_and_dates_of_people_by_an_example(run):
    assert run("save", ROOT / "examples" / "appointment").code == 0
    said = run("schedule", "preview", "appointment", "--from", "2026-11-24T12:00", "--zone", "America/New_York")
    assert said.out.splitlines() == [
        "each person by appointmentAt; appointmentAt 2026-11-26T15:00 would be due",
        "  America/New_York: Wed 2026-11-25 09:00 -0500",
    ]


def test_what_has_passed_is_said_to_be_over(run, weekly):
    said = run("schedule", "preview", weekly("{at: 2027-03-01T09:00}"), "--from", "2027-03-02")
    assert (said.code, said.out) == (0, "nothing more: its last time has passed\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--zone", "asia/tokyo"], "--zone asia/tokyo: is no time zone; did you mean Asia/Tokyo?"),
        (["--from", "tomorrow"], "--from tomorrow: is no ISO date-time"),
    ],
)
def test_options_that_make_no_sense_are_refused(run, weekly, words, says):
    said = run("schedule", "preview", weekly("{at: 2027-03-01T09:00}"), *words)
    assert said.code == 2
    assert says in said.err


def test_what_has_no_schedule_or_a_wrong_one_is_refused(run, weekly):
    assert "has no schedule" in run("schedule", "preview", ROOT / "examples" / "renewal").err
    assert "there is no saved campaign" in run("schedule", "preview", "nobody").err
    wrong = run("schedule", "preview", weekly("{rrule: FREQ=DAILY, start: 2027-03-01T09:00}"))
    assert wrong.code == 2
    assert "weekly.yaml:6: schedule.rrule: is an RRULE with no end and no limit" in wrong.err
