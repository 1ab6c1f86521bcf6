"""What can run is saved as it came, and nothing is lost track of."""

import pytest

from tests.ncx.conftest import (
    CALLBACK,
    CAMPAIGN,
    FILES,
    NO_REPLY,
    REMIND,
    SERVICE_LINE,
    SERVICE_WORKFLOW,
    TEXTS,
    WRAP_UP,
    action_of,
    exported,
    fates,
    reasons,
    the,
)
from tests.runtime.house import TENANT
from worker.runtime.ncx_import import Fate, import_ncx
from worker.schema.types import HEADER


def test_everything_goes_in_but_what_cannot_run_and_what_depends_on_it(desk):
    imported = import_ncx(desk.rt, FILES)

    assert not imported.complete
    assert {key for key, fate in fates(imported).items() if fate is Fate.LEFT_OUT} == {SERVICE_LINE, SERVICE_WORKFLOW}
    assert imported.counts == {
        "created": {"campaign": 1, "workflow": 2, "disposition": 4, "user": 1, "template": 1},
        "taken in": {"function": 2},
        "left out": {"campaign": 1, "workflow": 1},
    }
    assert reasons(imported, SERVICE_LINE) == [
        f"workflowId: needs workflow {SERVICE_WORKFLOW}, which is left out (see there)"
    ]
    [prompt, digits, queue] = reasons(imported, SERVICE_WORKFLOW)
    assert prompt.startswith("states.start-state.actions.0.type: playprompt cannot run here (it belongs inside a call")
    assert digits.startswith("states.start-state.actions.1.type: playdigits cannot run here")
    assert ".actions.0.type: enterqueue cannot run here (there are no agents" in queue


def test_every_key_comes_back_as_it_was_kept(desk):
    imported = import_ncx(desk.rt, FILES)

    for case, fate in imported.documents:
        if fate is not Fate.CREATED:
            continue
        saved, adjusted = desk.saved(case.type, case.id), {one.path[0] for one in case.adjusted}
        for key, value in case.found.data.items():
            if key in case.keys.unset and case.type != "workflow":
                assert key not in saved
            elif key not in {*case.keys.replaced, *adjusted}:
                assert saved[key] == value, (case.type, key)


def test_every_key_is_in_one_group_and_nothing_else_is(desk):
    for case, _ in import_ncx(desk.rt, FILES, dry_run=True).documents:
        keys = case.keys
        if case.faults and not keys.mapped:
            continue
        told = [*keys.mapped, *keys.kept, *keys.unset, *keys.replaced]
        assert sorted(key for key in told if not key.startswith("states.")) == sorted(case.found.data)
        assert set(keys.replaced) <= HEADER


def test_the_report_tells_what_is_understood_kept_and_adjusted(desk):
    imported = desk.take(the())

    [campaign] = [case for case, _ in imported.documents if case.id == CAMPAIGN]
    assert {"workflowId", "smsFromAddress", "useForSMS", "dispositions"} <= set(campaign.keys.mapped)
    assert {"smsSuccessFucntionId", "maxDialRatio", "useForPredictive", "addresses"} <= set(campaign.keys.kept)
    assert {"callerId", "emailFromAddress", "humanCallbackInMinutes"} & set(campaign.keys.unset) == {
        "callerId",
        "emailFromAddress",
    }
    assert ("smsFromAddress", "written with its country code") in [(o.path[0], o.what) for o in campaign.adjusted]
    [workflow] = [case for case, _ in imported.documents if case.id == TEXTS]
    assert "states.*.actions.*.properties.createNewWorkitem" in workflow.keys.kept
    assert "states.start-state.actions.5 (never reached)" in workflow.keys.kept
    assert not [key for key in workflow.keys.kept if "timeoutDuration" in key or "stateId" in key]
    assert [one.path for one in workflow.adjusted] == [("functions", REMIND), ("functions", WRAP_UP)]


def test_the_same_import_again_changes_nothing(desk):
    import_ncx(desk.rt, FILES)
    before = desk.everything()

    again = import_ncx(desk.rt, FILES)

    assert set(fates(again).values()) == {Fate.UNCHANGED, Fate.TAKEN_IN, Fate.LEFT_OUT}
    assert desk.everything() == before
    assert len(desk.rt.schema.history(desk.rt.actor, "campaign", CAMPAIGN)) == 1


def test_a_dry_run_says_the_same_and_saves_nothing(desk):
    dry = import_ncx(desk.rt, FILES, dry_run=True)

    assert desk.everything() == []
    assert fates(dry) == fates(import_ncx(desk.rt, FILES))


def test_a_changed_document_is_told_from_an_unchanged_one(desk):
    desk.take(the())

    imported = desk.take(the(campaign=exported("campaign") | {"description": "Another one"}))

    assert {key for key, fate in fates(imported).items() if fate is Fate.CHANGED} == {CAMPAIGN}
    assert desk.saved("campaign", CAMPAIGN)["description"] == "Another one"


@pytest.mark.parametrize("key", ["_id", "campaignId"])
def test_a_campaign_is_found_by_its_mongo_id_whichever_key_holds_it(desk, key):
    campaign = {name: value for name, value in exported("campaign").items() if name not in ("_id", "campaignId")}

    desk.take(the(campaign=campaign | {key: CAMPAIGN}))

    saved = desk.saved("campaign", CAMPAIGN)
    assert (saved["_id"], saved["campaignId"]) == (CAMPAIGN, CAMPAIGN)


def test_functions_go_into_the_workflow_that_calls_them_and_those_they_call_too(desk):
    desk.take(the())

    functions = desk.saved("workflow", TEXTS)["functions"]
    came = {function["_id"]: function for function in exported("functions")}
    assert functions.keys() == {REMIND, WRAP_UP}
    assert all(functions[key] | came[key] == functions[key] for key in came), "all their keys are kept"


def test_what_ncx_says_about_who_wrote_it_and_when_does_no_harm(desk):
    strange = {"createdAt": 1719316800, "modifiedAt": "yesterday", "createdBy": {"name": "x"}, "tenantId": 7}

    imported = desk.take(the(campaign=exported("campaign") | strange))

    assert fates(imported)[CAMPAIGN] is Fate.CREATED
    [case] = [case for case, _ in imported.documents if case.id == CAMPAIGN]
    assert set(case.keys.replaced) == HEADER - {"objectType"}


def test_a_text_may_use_a_key_that_only_the_campaign_has(desk):
    workflows = exported("workflows")
    action_of(workflows, "start-state", 2)["properties"]["message"] = "From ${campaign.leadOrderByField}"

    assert fates(desk.take(the(workflows=workflows)))[TEXTS] is Fate.CREATED


def test_what_a_document_names_may_have_been_saved_before(desk):
    desk.take(the())

    imported = desk.take(exported("campaign") | {"_id": "c2", "campaignId": "c2", "name": "Renewal Q1"})

    assert fates(imported)["c2"] is Fate.CREATED


def test_a_disposition_whose_name_is_one_of_the_systems_gets_a_code_of_its_own(desk):
    imported = desk.take(the())

    assert desk.saved("disposition", CALLBACK)["code"] == "NCX_CALLBACK"
    [case] = [case for case, _ in imported.documents if case.id == CALLBACK]
    assert [one.path for one in case.adjusted] == [("code",)]


def test_a_join_of_campaign_and_disposition_goes_in_with_an_id_that_stays(desk):
    join = {"campaignId": CAMPAIGN, "dispositionId": NO_REPLY, "objectType": "campaigndisposition"}

    first, again = desk.take(the(), join), desk.take(join)

    assert fates(first)[f"{CAMPAIGN}-{NO_REPLY}".lower()] is Fate.CREATED
    assert list(fates(again).values()) == [Fate.UNCHANGED]


def test_an_import_of_one_tenant_leaves_another_alone(desk):
    import_ncx(desk.rt, FILES)

    assert desk.saved("campaign", CAMPAIGN)["tenantId"] == TENANT, "and not the one of NCX"
    assert desk.rt.store.list_documents("5f1e0c0a9d3b2a0001aa0000", "campaign") == []
