"""Segments as documents: checked when they are saved, and kept as long as a campaign names them."""

import pytest

from tests.schema.documents import make_campaign, make_workflow
from worker.schema.errors import Conflict, Invalid
from worker.schema.finding import Search
from worker.schema.segments import BadQuery, read_segment

GOLD = {"name": "Gold", "query": "plan:gold AND NOT country:DE"}


@pytest.fixture
def database_url(sqlite_url):
    """The rules are the same on both kinds."""
    return sqlite_url


def faults_of(error):
    return [(fault.path, str(fault)) for fault in error.value.faults]


def test_a_segment_is_saved_found_and_changed_like_any_document(service, actor):
    made = service.create(actor, "segment", GOLD)
    assert made["segmentId"].startswith("seg_")
    service.update(actor, "segment", made["segmentId"], {"query": "plan:platinum"})
    [found] = service.search(actor, "segment", Search(q="name:gold")).objects
    assert found["query"] == "plan:platinum"
    assert [entry["action"] for entry in service.history(actor, "segment", made["segmentId"])] == ["created", "updated"]


def test_a_segment_that_cannot_be_read_is_not_saved_and_says_where(service, actor):
    with pytest.raises(Invalid) as refusal:
        service.create(actor, "segment", {"name": "Gold", "query": "plan:(gold"})
    [(path, text)] = faults_of(refusal)
    assert path == ("query",)
    assert "character 11" in text
    assert not service.search(actor, "segment", Search()).total


def test_a_segment_needs_a_name_and_a_query(service, actor):
    with pytest.raises(Invalid) as refusal:
        service.create(actor, "segment", {"description": "nothing"})
    assert {path for path, _ in faults_of(refusal)} == {("name",), ("query",)}


@pytest.mark.parametrize(
    "audience",
    [
        {"segment": "Gold"},
        {"exclude": {"segment": "seg_gold"}, "lists": ["all"]},
        {"exclude": {"segment": ["plan:silver", "Gold"]}, "lists": ["all"]},
    ],
)
def test_a_segment_that_a_campaign_names_cannot_be_deleted(service, actor, audience):
    service.create(actor, "segment", GOLD | {"segmentId": "seg_gold"})
    campaign = make_campaign(service, actor, audience=audience)
    with pytest.raises(Conflict, match=campaign["campaignId"]):
        service.delete(actor, "segment", "seg_gold")
    service.delete(actor, "campaign", campaign["campaignId"])
    service.delete(actor, "segment", "seg_gold")


def test_a_segment_that_a_campaign_names_keeps_its_name(service, actor):
    service.create(actor, "segment", GOLD | {"segmentId": "seg_gold"})
    make_campaign(service, actor, audience={"segment": "Gold"})
    with pytest.raises(Conflict):
        service.update(actor, "segment", "seg_gold", {"name": "Silver"})


def test_a_campaign_is_not_saved_for_a_segment_that_nobody_has_written(service, actor):
    with pytest.raises(Invalid) as refusal:
        make_campaign(service, actor, audience={"segment": "Gold"})
    [(path, text)] = faults_of(refusal)
    assert path == ("audience", "segment")
    assert "there is no segment 'Gold'" in text


def test_a_query_in_a_campaign_is_read_when_it_is_saved(service, actor):
    make_campaign(service, actor, audience={"segment": GOLD["query"]})
    with pytest.raises(Invalid) as refusal:
        make_campaign(service, actor, name="Second", audience={"exclude": {"segment": "plan:[1 TO"}})
    assert [path for path, _ in faults_of(refusal)] == [("audience", "exclude", "segment")]


def test_a_campaign_and_the_segment_it_names_are_saved_together(service, actor):
    workflow = make_workflow(service, actor)
    campaign = {"name": "Winback", "workflowId": workflow, "audience": {"segment": "Gold"}}
    service.save(actor, [("campaign", "winback", campaign), ("segment", "seg_gold", GOLD | {"segmentId": "seg_gold"})])
    assert service.retrieve(actor, "segment", "seg_gold")["name"] == "Gold"


def test_only_segments_ask_for_attributes(service, actor):
    with pytest.raises(BadQuery, match="there is no such field"):
        service.search(actor, "contact", Search(q="plan:gold"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("Phone:*", "did you mean phone?"),
        ("score:[1 TO 2026-12-31]", "from a number to a number"),
        ("plan:-gold", "a minus stands before the field"),
        ("plan:*gold", "a wildcard cannot come first"),
        ("pl*n:gold", "a name without wildcards"),
        ("plan:/gold/", "no regular expressions"),
        ("score:>", "too early"),
    ],
)
def test_a_faulty_segment_says_what_to_write_instead(query, said):
    with pytest.raises(BadQuery) as refusal:
        read_segment(query)
    assert said in str(refusal.value)
