"""Searches over documents: what a query finds, in which order, and that totals are exact on every page."""

import pytest

from tests.schema.documents import make_campaign, make_workflow
from worker.schema.errors import BadRequest
from worker.schema.finding import Search

NAMES = (
    "Holiday Promo 2026",
    "holiday winback",
    "Renewal Q4",
    "Renewal Q4 late",
    "Straße zur Küste",
    "Quarterly Renewal",
)


EXPECTED = [
    ("", set(NAMES)),
    ("name:Holiday*", {NAMES[0], NAMES[1]}),
    ("name:HOLIDAY", {NAMES[0], NAMES[1]}),
    ('name:"Renewal Q4"', {NAMES[2], NAMES[3]}),
    ('name:"Q4 Renewal"', set()),
    ("renewal", {NAMES[2], NAMES[3], NAMES[5]}),
    ("renewal AND NOT late", {NAMES[2], NAMES[5]}),
    ("name:strasse", {NAMES[4]}),
    ("name:ho*day", {NAMES[0], NAMES[1]}),
    ("name:ho?iday", {NAMES[0], NAMES[1]}),
    ("name:100%*", set()),
    ("name:winback OR name:quarterly", {NAMES[1], NAMES[5]}),
    ("useForSMS:true", {NAMES[1], NAMES[3], NAMES[5]}),
    ("useForPredictive:false", set(NAMES)),
    ("maxAttempts:[2 TO 3]", {NAMES[2], NAMES[3]}),
    ("maxAttempts:{2 TO *}", {NAMES[3], NAMES[4], NAMES[5]}),
    ("_exists_:smsFromAddress", {NAMES[1], NAMES[3], NAMES[5]}),
    ("NOT _exists_:smsFromAddress", {NAMES[0], NAMES[2], NAMES[4]}),
    ("smsFromAddress:\\+18885551212", {NAMES[1], NAMES[3], NAMES[5]}),
    ("emailFromAddress:Renewals@Example.com", set(NAMES)),
    ("createdBy:usr_ann", set(NAMES)),
    ("createdBy:usr_bob", set()),
    ("createdAt:[2026-11-23 TO 2026-11-23]", set(NAMES)),
    ("createdAt:<2026-11-23", set()),
    ('description:"shop window" AND maxAttempts:4', {NAMES[4]}),
    ('"in the shop"', set(NAMES)),
]


@pytest.fixture
def campaigns(service, actor):
    """By name, in the order they were made."""
    workflow_id = make_workflow(service, actor)
    texts = {"useForSMS": True, "smsFromAddress": "+18885551212"}
    return {
        name: make_campaign(
            service,
            actor,
            name=name,
            workflowId=workflow_id,
            description=f"number {place} in the shop-window",
            maxAttempts=place,
            **(texts if place % 2 else {}),
        )
        for place, name in enumerate(NAMES)
    }


def names(found):
    return {wire["name"] for wire in found.objects}


def test_a_query_finds_what_it_asks_for_and_counts_it(service, actor, campaigns):
    for q, expected in EXPECTED:
        found = service.search(actor, "campaign", Search(q=q))
        assert (q, names(found), found.total, found.next) == (q, expected, len(expected), "")


def test_an_id_is_found_as_it_is_written(service, actor, campaigns):
    made = campaigns["Renewal Q4"]

    for key in ("campaignId", "_id"):
        assert names(service.search(actor, "campaign", Search(q=f"{key}:{made['campaignId']}"))) == {"Renewal Q4"}
    assert service.search(actor, "campaign", Search(q=f"workflowId:{made['workflowId']}")).total == len(NAMES)


def test_pages_follow_one_another_without_gap_or_repetition_and_each_knows_the_total(service, actor, campaigns):
    for sort in ("name", "-name", "createdAt", "-createdAt", "modifiedAt desc"):
        pages_add_up(service, actor, sort)


def pages_add_up(service, actor, sort):
    whole = service.search(actor, "campaign", Search(sort=sort)).objects
    paged, cursor = [], ""
    while True:
        found = service.search(actor, "campaign", Search(sort=sort, rows=4, cursor=cursor))
        assert found.total == len(NAMES)
        paged += found.objects
        if not (cursor := found.next):
            break

    assert tuple(paged) == whole
    assert service.search(actor, "campaign", Search(sort=sort, rows=2, start=3)).objects == whole[3:5]
    assert len({wire["campaignId"] for wire in whole}) == len(NAMES)


def test_times_sort_as_they_passed(service, actor, campaigns):
    found = service.search(actor, "campaign", Search(sort="-createdAt"))

    assert [wire["name"] for wire in found.objects] == list(reversed(NAMES))


def test_what_is_changed_is_found_by_what_it_is_now(service, actor, campaigns):
    made = campaigns["Renewal Q4"]
    service.update(actor, "campaign", made["campaignId"], {"name": "Spring"})

    assert names(service.search(actor, "campaign", Search(q="spring"))) == {"Spring"}
    assert names(service.search(actor, "campaign", Search(q="name:Renewal"))) == {NAMES[3], NAMES[5]}


def test_what_is_deleted_is_not_found(service, actor, campaigns):
    service.delete(actor, "campaign", campaigns["Renewal Q4"]["campaignId"])

    for q in ("", "name:Renewal", "NOT name:Holiday", "useForEmail:true"):
        assert "Renewal Q4" not in names(service.search(actor, "campaign", Search(q=q)))


OUT_OF_BOUNDS = [
    Search(rows=0),
    Search(rows=1001),
    Search(start=-1),
    Search(start=10_001),
    Search(sort="workflowId"),
    Search(cursor="nonsense"),
    Search(cursor="W10"),
    Search(q="nme:x"),
    Search(q="name:("),
]


def test_a_search_out_of_bounds_is_refused(service, actor):
    for search in OUT_OF_BOUNDS:
        with pytest.raises(BadRequest):
            service.search(actor, "campaign", search)


def test_a_cursor_of_another_search_is_refused(service, actor, campaigns):
    cursor = service.search(actor, "campaign", Search(rows=1)).next

    with pytest.raises(BadRequest):
        service.search(actor, "campaign", Search(q="renewal", rows=1, cursor=cursor))
    with pytest.raises(BadRequest):
        service.search(actor, "workflow", Search(rows=1, cursor=cursor))


def test_terms_of_an_older_version_are_made_anew(service, actor, campaigns, store):
    with store.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM document_terms")
        conn.exec_driver_sql("UPDATE documents SET terms_version = 'old'")

    assert service.reindex() == len(NAMES) + 1  # and their workflow
    assert service.search(actor, "campaign", Search(q="renewal")).total == 3
    assert service.reindex() == 0
