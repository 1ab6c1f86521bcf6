"""What cannot run is left out with what depends on it, each with its reasons; the rest goes in."""

from copy import deepcopy

import pytest

from tests.ncx.conftest import (
    CAMPAIGN,
    INTERESTED,
    MAIL,
    REMIND,
    TEXTS,
    WRAP_UP,
    action_of,
    exported,
    fates,
    reasons,
    the,
)
from worker.runtime.ncx_import import Fate


def test_a_workflow_without_its_function_is_left_out_and_says_where_it_is_called(desk):
    imported = desk.take(the(functions=exported("functions")[:1]))

    assert fates(imported)[CAMPAIGN] is fates(imported)[TEXTS] is fates(imported)[REMIND] is Fate.LEFT_OUT
    [reason] = reasons(imported, TEXTS)
    assert reason.startswith(f"functions.{REMIND}.states.start-state.actions.1.properties.functionId: there is no")
    assert reason.endswith(f"no function {WRAP_UP} (export it too, and import both together)")
    assert reasons(imported, REMIND) == [
        "is called by no workflow that goes in (import it together with the workflow that calls it)"
    ]
    assert fates(imported)[MAIL] is Fate.CREATED, "what does not depend on it goes in"


def test_functions_that_call_each_other_in_a_circle_are_left_out(desk):
    functions = exported("functions")
    functions[1]["states"]["start-state"]["actions"][0] = deepcopy(functions[0]["states"]["start-state"]["actions"][1])
    functions[1]["states"]["start-state"]["actions"][0]["properties"]["functionId"] = REMIND

    imported = desk.take(the(functions=functions))

    assert any("which comes back to itself" in reason for reason in reasons(imported, TEXTS))
    assert {fates(imported)[key] for key in (CAMPAIGN, TEXTS, REMIND, WRAP_UP)} == {Fate.LEFT_OUT}


def test_a_fault_in_a_function_is_told_there_and_in_the_workflow(desk):
    functions = exported("functions")
    functions[1]["states"]["start-state"]["actions"][0]["type"] = "restapi"

    imported = desk.take(the(functions=functions))

    assert reasons(imported, WRAP_UP)[0].startswith("states.start-state.actions.0.type: restapi cannot run here")
    assert reasons(imported, TEXTS)[0].startswith(f"functions.{WRAP_UP}.states.start-state.actions.0.type: restapi")


def test_a_campaign_that_lacks_a_channel_is_left_out_and_its_workflow_is_not(desk):
    imported = desk.take(the(campaign=exported("campaign") | {"useForSMS": False}))

    assert fates(imported)[TEXTS] is Fate.CREATED
    assert reasons(imported, CAMPAIGN)[0].startswith(f"workflows.{TEXTS}.states.start-state.actions.2")
    assert "needs sms, which is off in the campaign" in reasons(imported, CAMPAIGN)[0]


def test_a_condition_on_what_never_comes_here_is_a_reason(desk):
    workflows = exported("workflows")
    condition = action_of(workflows, "start-state", 1)["properties"]["condition"]
    condition["expressions"][0]["leftExpression"] = "workitem.queueId"

    imported = desk.take(the(workflows=workflows))

    assert reasons(imported, TEXTS) == ["states.start-state.actions.1.properties.condition: workitem has no queueId"]


def test_an_older_workflow_that_is_saved_does_not_stand_in_for_one_that_is_left_out(desk):
    desk.take(the())
    before = desk.everything()
    workflows = exported("workflows")
    action_of(workflows, "start-state", 0)["type"] = "script"

    imported = desk.take(the(workflows=workflows))

    assert fates(imported)[CAMPAIGN] is fates(imported)[TEXTS] is Fate.LEFT_OUT
    assert desk.everything() == before


def test_a_workflow_that_calls_another_one_stands_and_falls_with_it(desk):
    workflows = exported("workflows")
    action_of(workflows, "start-state", 1)["type"] = "function"
    action_of(workflows, "start-state", 1)["properties"] = {"functionId": MAIL}
    campaign = exported("campaign") | {"useForEmail": True, "emailFromAddress": "renewals@example.com"}

    assert fates(desk.take(the(campaign=campaign, workflows=workflows)))[TEXTS] is Fate.CREATED

    workflows["objects"][1]["states"]["start-state"]["actions"][0]["type"] = "script"
    imported = desk.take(the(campaign=campaign, workflows=workflows))

    assert reasons(imported, TEXTS) == [
        f"states.start-state.actions.1.properties.functionId: needs workflow {MAIL}, which is left out (see there)"
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"workflowId": "w9"}, "workflowId: there is no workflow w9 (export it too, and import both together)"),
        ({"recordingPromptId": "p1"}, "recordingPromptId: there is no prompt p1 (export it too, "),
        ({"deletedAt": 1719316800000}, "deletedAt: was deleted in NCX (restore it there first, or leave it out)"),
        ({"smsFromAddress": "12"}, "smsFromAddress: "),
        ({"campaignId": "a/b"}, "campaignId: is no id"),
    ],
)  # fmt: skip
def test_a_campaign_that_cannot_be_saved_says_why(desk, changes, reason):
    imported = desk.take(the(campaign=exported("campaign") | changes))

    [told] = reasons(imported, changes.get("campaignId", CAMPAIGN))
    assert told.startswith(reason)
    assert fates(imported)[TEXTS] is Fate.CREATED


def test_two_documents_of_one_name_are_both_left_out(desk):
    twin = exported("campaign") | {"_id": "c2", "campaignId": "c2", "name": "RENEWAL q4 "}

    imported = desk.take(the(), twin)

    assert fates(imported)[CAMPAIGN] is fates(imported)["c2"] is Fate.LEFT_OUT
    assert reasons(imported, "c2") == [
        "name: there is another campaign with this name in the files (rename one of them)"
    ]


def test_a_name_that_is_taken_here_is_told_before_anything_is_saved(desk):
    desk.take(the())
    renamed = exported("campaign") | {"_id": "c2", "campaignId": "c2"}

    imported = desk.take(renamed, dry_run=True)

    assert reasons(imported, "c2") == [
        f"name: there is another campaign with this name here, {CAMPAIGN} (rename one of them)"
    ]


def test_a_disposition_with_an_unknown_action_takes_the_campaign_with_it(desk):
    page = exported("dispositions")
    campaign = exported("campaign")
    for objects in (page["objects"], campaign["dispositions"]["objects"]):
        objects[0]["expansions"]["dispositionId"]["action"] = "somethingNew"

    imported = desk.take(the(campaign=campaign, dispositions=page))

    assert reasons(imported, INTERESTED)[0].startswith("action: must be ")
    assert f"dispositions: needs disposition {INTERESTED}, which is left out (see there)" in reasons(imported, CAMPAIGN)


def test_what_has_no_place_here_is_left_out_with_a_word_on_where_it_belongs(desk):
    others = {"queues": [{"_id": "q1", "name": "Sales"}], "contacts": [{"_id": "p1", "name": "Ann"}]}

    imported = desk.take(the() | others)

    assert reasons(imported, "q1") == ["there is no place for a queue here"]
    assert reasons(imported, "p1") == [
        "there is no place for a contact here (people are imported from a CSV file: `campaigns import`)"
    ]
    assert fates(imported)[CAMPAIGN] is Fate.CREATED
