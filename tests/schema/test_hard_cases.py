"""What was got wrong once, or nearly."""

import base64
import json

import pytest

from tests.schema.documents import CAMPAIGN, WORKFLOW, make_campaign, make_workflow
from worker.schema.errors import BadRequest, Conflict, Forbidden, Invalid
from worker.schema.finding import Search
from worker.schema.scopes import Actor
from worker.store.document_rows import Document
from worker.store.rows import ContactRow


def calling(name):
    return {"begin": {"actions": [{"type": "callFunction", "function": name}]}}


def test_a_workflow_that_another_one_calls_is_neither_deleted_nor_broken(service, actor):
    called = make_workflow(service, actor, name="called", workflowId="called")
    outer = make_workflow(service, actor, name="outer", states=calling(called))
    made = make_campaign(service, actor, workflowId=outer)
    broken = {"begin": {"actions": [{"type": "setDisposition", "disposition": "NOPE"}]}}

    with pytest.raises(Conflict, match=outer):
        service.delete(actor, "workflow", called)
    with pytest.raises(Invalid, match=made["campaignId"]):
        service.update(actor, "workflow", called, {"states": broken})


def test_a_disposition_that_is_named_keeps_its_names(service, actor):
    sold = service.create(actor, "disposition", {"name": "Sold", "code": "SOLD"})
    made = make_campaign(service, actor, humanDispositionId="SOLD")

    with pytest.raises(Conflict, match=made["campaignId"]):
        service.update(actor, "disposition", sold["dispositionId"], {"code": "BOUGHT"})
    service.update(actor, "disposition", sold["dispositionId"], {"description": "Signed"})


def test_a_disposition_deleted_while_it_is_being_named_is_not_named(service, actor, store, monkeypatch):
    sold = service.create(actor, "disposition", {"name": "Sold"})
    campaign = make_campaign(service, actor)
    create, raced = store.create_document, []

    def after_a_delete(*args, **kwargs):
        if not raced:
            raced.append(service.delete(actor, "disposition", sold["dispositionId"]))
        return create(*args, **kwargs)

    monkeypatch.setattr(store, "create_document", after_a_delete)
    join = {"campaignId": campaign["campaignId"], "dispositionId": sold["dispositionId"]}
    with pytest.raises(Invalid):
        service.create(actor, "campaigndisposition", join)


def test_saved_definitions_obey_the_same_rules(service, actor, store):
    saved = [
        ("campaigndisposition", "cd_1", {"campaignId": "none", "dispositionId": "none"}),
        ("template", "a/b", {"name": "x"}),
        ("template", "tpl_1", {"name": "x", "tenantId": "globex"}),
        ("contact", "c_1", {"email": "a@example.com"}),
    ]
    for definition in saved:
        with pytest.raises(Invalid):
            service.save(actor, [definition])
    with pytest.raises(Forbidden):
        service.drafts(Actor(tenant_id="acme", user_id="u", scopes=frozenset({"campaigns:admin"})), saved[1:2])

    service.save(actor, [("commconsent", "cns_1", {"address": "+12025550101", "consentType": "DNC"})])
    assert store.unsuppress("acme", None, "+12025550101")


def test_definitions_that_name_one_another_are_saved_together(service, actor):
    disposition = ("disposition", "disp_1", {"name": "Sold", "code": "SOLD"})
    workflow = ("workflow", "wf_1", {**WORKFLOW, "initialStateId": "begin"})
    campaign = ("campaign", "cmp_1", {**CAMPAIGN, "workflowId": "wf_1", "dispositions": ["SOLD"]})

    service.save(actor, [campaign, workflow, disposition])

    assert service.retrieve(actor, "campaign", "cmp_1")["createdBy"] == "usr_ann"


def test_one_document_that_breaks_todays_rules_does_not_stop_the_others(service, actor, store):
    old = Document(type="campaign", id="cmp_old", name="Q", data={"name": "Q"}, terms_version="old")
    store.put_documents("acme", [old], service.now())

    assert service.reindex() == 1
    assert service.reindex() == 0
    assert service.search(actor, "campaign", Search(q="_id:cmp_old")).total == 1


def test_a_column_of_an_import_never_passes_for_the_header(service, actor, store):
    fields = {"modifiedAt": "x", "createdBy": "me", "addresses": "Main Street 1", "firstname1": "Ann", "plan": "gold"}
    store.import_contacts("acme", "lst_1", [ContactRow(phone="+12025550101", fields=fields)], service.now())
    [wire] = service.search(actor, "contact", Search()).objects

    changed = service.update(actor, "contact", wire["contactId"], {"lastName": "Lee"})

    assert isinstance(wire["modifiedAt"], int)
    assert (wire["plan"], wire["attributes"]["addresses"]) == ("gold", "Main Street 1")
    assert (changed["lastName"], changed["modifiedBy"]) == ("Lee", "usr_ann")


def test_an_import_adds_to_a_contact_and_is_in_its_history(service, actor, store):
    ann = service.create(
        actor, "contact", {"firstName": "Ann", "phone": "+12025550101", "attributes": {"plan": "gold"}}
    )
    row = ContactRow(phone="+12025550101", fields={"city": "Boston"})
    store.import_contacts("acme", "lst_1", [row], service.now())

    wire = service.retrieve(actor, "contact", ann["contactId"])

    assert (wire["firstName"], wire["attributes"], wire["city"]) == ("Ann", {"plan": "gold"}, "Boston")
    assert (wire["modifiedBy"], wire["modifiedAt"] > ann["modifiedAt"]) == ("import", True)
    assert {"path": "city", "to": "Boston"} in service.history(actor, "contact", ann["contactId"])[-1]["changes"]


@pytest.mark.parametrize("value", ["9" * 25, "9" * 400, 2**60])
def test_a_number_too_large_to_be_kept_is_a_fault(service, actor, value):
    with pytest.raises(Invalid):
        service.create(actor, "contactlist", {"name": "x", "priority": value})
    assert service.create(actor, "contactlist", {"name": "x", "code": None, "name2": 7})["code"] is None


def test_what_is_too_long_for_an_index_is_a_fault(service, actor):
    awkward = [
        ("template", {"name": "ü" * 3000}),
        ("user", {"username": "x" * 3000}),
        ("contact", {"email": "a@example.com", "externalId": "x" * 3000}),
        ("template", {"name": "x", "_id": "y" * 3000}),
    ]
    for type_name, data in awkward:
        with pytest.raises(Invalid):
            service.create(actor, type_name, data)


def test_a_made_up_cursor_is_refused(service, actor):
    make_workflow(service, actor)
    make_workflow(service, actor, name="other")
    cursor = service.search(actor, "workflow", Search(rows=1)).next
    mark, _, key, total = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))

    for parts in (
        [mark, 5, key, total],
        [mark, "a\0", key, total],
        [mark, "a", "\ud800", total],
        [mark, "a", key, 2**80],
    ):
        made_up = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
        with pytest.raises(BadRequest):
            service.search(actor, "workflow", Search(rows=1, cursor=made_up))


def test_the_deepest_query_is_answered_on_both_databases(service, actor):
    q = "a"
    for depth in range(9):
        q = f"({q} {'OR' if depth % 2 else 'AND'} b)"

    for type_name in ("contact", "campaign"):
        assert service.search(actor, type_name, Search(q=q)).total == 0
    with pytest.raises(BadRequest):
        service.search(actor, "campaign", Search(q=f"((({q} OR c) AND d) OR e)"))


def test_an_empty_relation_page_names_nothing(service, actor):
    assert make_campaign(service, actor, dispositions={"count": 0})["dispositions"] == {"count": 0}
    assert service.create(actor, "contactlist", {"name": "x", "campaignIds": [""]})["campaignIds"] == [""]
