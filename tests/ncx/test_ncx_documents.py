"""The documents of an export are found wherever they stand, each once."""

from pathlib import Path

import pytest

from tests.ncx.conftest import CALLBACK, CAMPAIGN, INTERESTED, MAIL, TEXTS, exported
from worker.runtime.ncx_cases import read_cases
from worker.runtime.ncx_documents import find_documents

FILE = Path("export.json")
DISPOSITION = {"_id": "d1", "name": "Done", "resolved": True, "dispositionId": "d1"}
WORKFLOW = {"_id": "w1", "name": "w", "states": {"s": {"actions": []}}}


def found(value):
    return sorted((one.type, one.id) for one in find_documents(FILE, value))


def once(value):
    return [(case.type, case.id) for case in read_cases(find_documents(FILE, value), "US")]


@pytest.mark.parametrize(
    "value",
    [
        DISPOSITION,
        [DISPOSITION],
        {"count": 1, "objects": [DISPOSITION]},
        {"disposition": DISPOSITION},
        {"dispositions": [DISPOSITION]},
        {"Dispositions": {"count": 1, "objects": [DISPOSITION]}, "exportedAt": 1},
        {"dispositions": {"d1": {"name": "Done", "resolved": True}}},
        {"count": 1, "objects": [{"dispositionId": "d1", "expansions": {"dispositionId": {"name": "Done"}}}]},
        {"dispositions": [{"sequence": 1, "expansions": {"dispositionId": DISPOSITION}}]},
        [[{"objectType": "Disposition", "_id": "d1"}]],
    ],
)
def test_one_document_in_every_shape_it_is_exported_in(value):
    assert found(value) == [("disposition", "d1")]


def test_a_campaign_brings_the_documents_of_its_expansions_with_it():
    campaign = exported("campaign") | {"expansions": {"workflowId": WORKFLOW, "fieldMappingsId": {"name": "x"}}}

    kinds = [kind for kind, _ in found(campaign)]

    assert kinds == ["campaign", *["disposition"] * 4, "workflow"]


def test_a_name_and_an_icon_are_not_a_workflow():
    assert found(exported("campaign") | {"expansions": {"workflowId": {"_id": TEXTS, "name": "Renewal texts"}}}) == [
        ("campaign", CAMPAIGN),
        *found(exported("dispositions")),
    ]


def test_a_campaign_has_states_too_and_is_no_workflow():
    campaign = {key: value for key, value in exported("campaign").items() if key != "objectType"}

    assert ("campaign", CAMPAIGN) in found(campaign)
    assert "workflow" not in dict(found(campaign))


def test_the_keys_tell_what_says_nothing():
    untold = [
        {"_id": "w1", "name": "w", "states": {}},
        {"functionId": "f1", "name": "f", "states": {}},
        {"userId": "u1", "username": "x@example.com"},
        {"campaignId": "c1", "dispositionId": "d1"},
        {"templateId": "t1", "name": "t"},
        {"promptId": "p1", "name": "p"},
    ]

    assert [kind for kind, _ in found(untold)] == [
        *("campaigndisposition", "function", "prompt", "template", "user", "workflow")
    ]


def test_a_document_that_is_exported_several_times_is_one():
    page, campaign = exported("dispositions"), exported("campaign")
    for relation in campaign["dispositions"]["objects"]:
        full = relation["expansions"]["dispositionId"]
        relation["expansions"]["dispositionId"] = {"name": full["name"], "resolved": full["resolved"]}

    both = once([campaign, page])

    assert len(both) == len(set(both)) == 5
    assert once([page, page]) == once(page)


def test_a_document_by_itself_goes_before_one_in_an_expansion():
    changed = {**exported("dispositions")["objects"][1]["expansions"]["dispositionId"], "name": "Renamed"}

    cases = read_cases(find_documents(FILE, [exported("campaign"), changed]), "US")

    assert [case.name for case in cases if case.id == CALLBACK] == ["Renamed"]
    assert not [case.faults for case in cases if case.faults]


def test_a_join_says_which_campaign_offers_the_disposition():
    join = {
        "campaignId": CAMPAIGN,
        "dispositionId": INTERESTED,
        "expansions": {"dispositionId": {"name": "Interested"}},
    }

    assert found({"dispositions": {"objects": [join]}}) == [("campaigndisposition", ""), ("disposition", INTERESTED)]


def test_a_bundle_may_hold_pages_lists_and_documents():
    bundle = {"campaign": exported("campaign"), "workflows": exported("workflows"), "functions": exported("functions")}

    assert {("campaign", CAMPAIGN), ("workflow", TEXTS), ("workflow", MAIL)} <= set(found(bundle))
    assert len(once(bundle)) == 1 + 2 + 2 + 4
