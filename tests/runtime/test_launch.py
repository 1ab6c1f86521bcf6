"""Launches: refused with every reason at once, or a run of its own with a snapshot of what it needs."""

from dataclasses import replace

import pytest

from tests.runtime.house import CALL, MAIL, TENANT, TEXT, person
from worker.domain.audience import Audience
from worker.domain.run import RunStatus
from worker.runtime.definitions import load_definitions
from worker.runtime.errors import CannotLaunch, NotFound
from worker.runtime.hints import Work
from worker.runtime.launch import enroll, launch, start
from worker.runtime.saving import save_definitions
from worker.runtime.settings import BadSettings, load_settings
from worker.store.document_rows import Document, DocumentType
from worker.store.tables import messages, runs


def reasons(house, request):
    with pytest.raises(CannotLaunch) as refusal:
        launch(house.rt, request)
    assert house.rows(runs) == [], "a refused launch changes nothing"
    assert house.hints == []
    return refusal.value.reasons


@pytest.mark.parametrize(
    ("campaign", "reason"),
    [
        ({"useForSMS": False, "useForEmail": False, "useForOutbound": False}, "no channel of the campaign is on"),
        ({"useForSMS": False}, "which is off in the campaign (set useForSMS to true"),
        ({"workflowId": "wf_2"}, "its workflow 'wf_2' does not exist"),
    ],
)
def test_what_is_wrong_with_the_campaign_is_said(house, campaign, reason):
    assert any(reason in line for line in reasons(house, house.save(TEXT, **campaign)))


def test_an_empty_list_is_refused(house):
    assert reasons(house, house.save(TEXT, people=0)) == ["the contact list 'people' is empty; import contacts first"]


def test_a_launch_over_nobody_names_the_command_that_counts_why(house):
    request = replace(house.save(TEXT), audience=Audience(segment="firstName:Nobody"))
    assert reasons(house, request) == ["nobody belongs to the audience; `campaigns audience` counts why"]


def test_a_template_that_asks_for_what_nobody_has_is_refused(house):
    [line] = reasons(house, house.save({**TEXT, "message": "Hello {{ contact.nickname }}"}))

    assert "nickname" in line


def test_a_rehearsal_against_providers_elsewhere_is_refused(open_house):
    house = open_house(sendgrid_base_url="https://api.sendgrid.com")

    [line] = reasons(house, replace(house.save(TEXT), speed=60))

    assert "SENDGRID_BASE_URL" in line


def test_a_rehearsal_at_this_machine_is_a_run_at_that_speed(house):
    run = launch(house.rt, replace(house.save(TEXT), speed=60)).run

    assert house.rt.definition(TENANT, run.run_id).speed == 60


def test_the_same_launch_at_its_own_speed_goes_to_providers_elsewhere(open_house):
    house = open_house(sendgrid_base_url="https://api.sendgrid.com", twilio_base_url="https://api.twilio.com")

    assert launch(house.rt, house.save(TEXT)).run.status is RunStatus.RUNNING


def test_missing_credentials_are_named_for_the_channels_that_are_on_and_for_no_other(open_house):
    house = open_house(twilio_account_sid="", twilio_auth_token="", sendgrid_api_key="")

    def named(*actions, **campaign):
        return {line.split()[0] for line in reasons(house, house.save(*actions, **campaign))}

    assert named(MAIL, useForSMS=False, useForOutbound=False) == {"SENDGRID_API_KEY"}
    assert named(TEXT, useForEmail=False) == {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"}
    assert named(CALL) == {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "SENDGRID_API_KEY"}


def test_every_reason_is_said_at_once(open_house):
    house = open_house(sendgrid_base_url="https://api.sendgrid.com", twilio_auth_token="")

    assert len(reasons(house, replace(house.save(TEXT, people=0), speed=2))) == 3


@pytest.mark.parametrize("what", ["campaign", "contact_list"])
def test_what_does_not_exist_is_named(house, what):
    with pytest.raises((NotFound, CannotLaunch), match="nowhere"):
        launch(house.rt, replace(house.save(TEXT), **{what: "nowhere"}))


def test_a_launch_that_is_repeated_by_mistake_is_refused(house):
    request = replace(house.save(TEXT), again=False)
    first = launch(house.rt, request).run

    with pytest.raises(CannotLaunch, match=f"{first.run_id} of this campaign over this list is running"):
        launch(house.rt, request)
    assert len(house.rows(runs)) == 1


def test_two_launches_on_purpose_are_two_runs_that_each_reach_everybody(house):
    request = house.save(TEXT, people=3)

    first, second = launch(house.rt, request).run, launch(house.rt, request).run
    house.play()

    assert first.run_id != second.run_id
    assert len(house.ledger()) == 6
    for run in (first, second):
        assert house.store.run_report(TENANT, run.run_id).audience == 3


def test_a_launch_hints_at_its_enrolling(house):
    run = launch(house.rt, house.save(TEXT)).run

    assert [(hint.work, hint.run_id) for hint in house.hints] == [(Work.ENROLL, run.run_id)]


def test_an_enrolling_that_is_done_twice_enrolls_everybody_once(house):
    run = launch(house.rt, house.save(TEXT, people=5)).run

    assert [enroll(house.rt, TENANT, run.run_id).people for _ in range(2)] == [5, 0]
    assert house.counts() == {"ready": 5}


def test_a_run_keeps_its_definitions_when_they_are_edited(house):
    house.launch(TEXT, people=[person(1)])
    house.save({**TEXT, "message": "Something else"}, people=0)
    house.runtime()
    house.advance()

    assert "Hello Ann1" in house.message().content


def test_a_workflow_that_names_no_beginning_begins_where_it_was_written_to_also_after_it_was_saved(house, tmp_path):
    request = house.save(TEXT)
    (tmp_path / "workflow.yaml").write_text(
        "objectType: workflow\nworkflowId: wf_1\nname: w\nstates:\n"
        "  zebra: {actions: [{type: sendSms, message: first}, {type: transition, to: ant}]}\n"
        "  ant: {actions: [{type: sendSms, message: second}, {type: wait, for: 1 d}, {type: transition, to: zebra}]}\n"
    )
    save_definitions(house.rt, [tmp_path / "workflow.yaml"])
    assert load_definitions([tmp_path / "workflow.yaml"]).workflows["wf_1"]["initialStateId"] == "zebra"

    launch(house.rt, request)
    house.play()

    assert [row.state for row in sorted(house.rows(messages), key=lambda row: row.created_at)] == ["zebra", "ant"]


def test_another_tenant_sees_none_of_it(house):
    request = house.save(TEXT)

    with pytest.raises(NotFound):
        launch(house.rt, replace(request, tenant_id="somebody else"))


def test_a_campaign_that_calls_a_function_of_another_workflow_takes_it_along(house):
    other = {
        "workflowId": "wf_2",
        "name": "other",
        "initialStateId": "say",
        "states": {"say": {"actions": [TEXT]}},
    }
    document = Document(type=DocumentType.WORKFLOW, id="wf_2", name="other", data=other)
    house.store.put_documents(TENANT, [document], house.rt.now())
    run = launch(house.rt, house.save({"type": "function", "function": "wf_2"})).run

    assert set(house.store.get_run(TENANT, run.run_id).workflows) == {"wf_1", "wf_2"}
    house.play()
    assert len(house.ledger()) == 1


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"LEASE_SECONDS": "20"}, "LEASE_SECONDS twice HTTP_TIMEOUT_SECONDS"),
        ({"QUIET_SECONDS": "1"}, "QUIET_SECONDS and SECOND_LOOK_SECONDS at least 30"),
        ({"HTTP_TIMEOUT_SECONDS": "60"}, "HTTP_TIMEOUT_SECONDS"),
    ],
)
def test_times_that_would_allow_a_second_send_are_refused(monkeypatch, tmp_path, settings, remedy):
    monkeypatch.chdir(tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(BadSettings, match=remedy):
        load_settings()


def test_a_launch_of_whom_many_would_fail_is_made_where_that_is_said_also_once_it_was_a_draft(house):
    request = house.save(TEXT, people=[person(1), person(2, fields={})])
    assert "1 of the 2 people looked at have no contact.firstName" in reasons(house, request)[0]

    drafted = launch(house.rt, replace(request, despite_failures=True, draft=True)).run
    [warning] = start(house.rt, TENANT, drafted.run_id)

    assert "1 of the 2 people looked at have no contact.firstName" in warning
