"""Contacts through the schema service: one row serves documents, audiences and the workers."""

import pytest

from worker.schema.errors import Conflict, Invalid, NotFound, Stale
from worker.schema.finding import Search
from worker.store.rows import ContactRow

ANN = {
    "firstName": "Ann",
    "lastName": "Lee",
    "mobile": "(202) 555-0101",
    "phone": "+12025550199",
    "email": "Ann@Example.com",
    "externalId": "CRM-1",
    "attributes": {"plan": "gold"},
    "dialableState": "as it came",
}


@pytest.fixture
def ann(service, actor):
    return service.create(actor, "contact", ANN)


def found(service, actor, q, **more):
    return [wire["firstName"] for wire in service.search(actor, "contact", Search(q=q, **more)).objects]


def test_a_contact_comes_back_as_it_was_told_with_addresses_normalized(service, actor, ann):
    assert service.retrieve(actor, "contact", ann["contactId"]) == ann
    assert ann["email"] == "ann@example.com"
    assert (ann["mobile"], ann["phone"]) == ("+12025550101", "+12025550199")
    assert (ann["attributes"], ann["dialableState"], ann["createdBy"]) == ({"plan": "gold"}, "as it came", "usr_ann")


def test_workers_reach_a_contact_at_the_mobile_number_and_templates_see_the_document(store, ann):
    [row] = store.find_contacts("acme", "+12025550101")

    assert (row.contact_id, row.email, row.external_id) == (ann["contactId"], "ann@example.com", "CRM-1")
    assert (row.fields["firstName"], row.fields["attributes"]) == ("Ann", {"plan": "gold"})


@pytest.mark.parametrize("key", ["mobile", "email", "externalId"])
def test_an_address_belongs_to_one_contact_and_the_refusal_names_it_by_id(service, actor, stranger, ann, key):
    other = {"firstName": "Bob", "email": "bob@example.com"} | {key: ANN[key]}

    with pytest.raises(Conflict, match=ann["contactId"]) as refused:
        service.create(actor, "contact", other)
    assert str(ANN[key]) not in str(refused.value)
    service.create(stranger, "contact", other)


def test_a_change_is_merged_checked_and_remembered(service, actor, ann):
    changed = service.update(actor, "contact", ann["contactId"], {"mobile": None, "lastName": "Li", "email": ""})

    assert (changed["phone"], changed["lastName"], "mobile" in changed, "email" in changed) == (
        "+12025550199",
        "Li",
        False,
        False,
    )
    created, updated = service.history(actor, "contact", ann["contactId"])
    assert (created["action"], created["at"], updated["action"]) == ("created", ann["createdAt"], "updated")
    assert {"path": "lastName", "from": "Lee", "to": "Li"} in updated["changes"]
    with pytest.raises(Invalid):
        service.update(actor, "contact", ann["contactId"], {"phone": None})
    with pytest.raises(Stale):
        service.update(actor, "contact", ann["contactId"], {"lastName": "x"}, modified_at=ann["modifiedAt"])
    assert service.update(actor, "contact", ann["contactId"], changed) == changed


def test_a_deleted_contact_is_on_no_list_and_gives_up_its_addresses(service, actor, store, ann):
    row = ContactRow(phone="+12025550101", fields={"firstName": "Ann"})
    store.import_contacts("acme", "lst_1", [row], service.now())
    assert store.list_size("acme", "lst_1") == 1

    service.delete(actor, "contact", ann["contactId"])

    assert store.list_size("acme", "lst_1") == 0
    assert store.get_contact("acme", ann["contactId"]).blocked
    with pytest.raises(NotFound):
        service.retrieve(actor, "contact", ann["contactId"])
    assert service.create(actor, "contact", ANN)["contactId"] != ann["contactId"]
    assert service.retrieve(actor, "contact", ann["contactId"], deleted=True)["deletedAt"] > 0


def test_what_an_import_changes_is_what_the_document_says(service, actor, store, ann):
    row = ContactRow(external_id="CRM-1", phone="+12025550102", fields={"firstName": "Anna"})
    store.import_contacts("acme", "lst_1", [row], service.now())

    wire = service.retrieve(actor, "contact", ann["contactId"])

    assert (wire["phone"], wire["firstName"], wire["email"]) == ("+12025550102", "Anna", "ann@example.com")


def test_contacts_are_found_by_what_they_are_told_apart_and_called_by(service, actor):
    people = [
        ANN,
        {"firstName": "Anna Maria", "lastName": "de la Cruz", "phone": "+12025550103", "email": "am@example.com"},
        {"firstName": "Bob", "lastName": "Anderson", "phone": "+14045550104", "externalId": "crm-1"},
        {"firstName": "Åsa", "lastName": "O'Neil", "email": "asa@example.org"},
    ]
    service.create_many(actor, "contact", people)

    expected = {
        "": {"Ann", "Anna Maria", "Bob", "Åsa"},
        "ann": {"Ann"},
        "an*": {"Ann", "Anna Maria", "Bob"},
        "firstName:Anna*": {"Anna Maria"},
        "firstName:ann": {"Ann"},
        'firstName:"anna maria"': {"Anna Maria"},
        "firstName:a*e": set(),
        "firstName:a?n": {"Ann"},
        "firstName:[ann TO anna]": {"Ann"},
        "lastName:ander*": {"Bob"},
        "lastName:LEE": {"Ann"},
        'name:"ann lee"': {"Ann"},
        "name:åsa": {"Åsa"},
        "externalId:CRM-1": {"Ann"},
        "externalId:crm-1": {"Bob"},
        r"phone:\+1202*": {"Ann", "Anna Maria"},
        'phone:"+14045550104"': {"Bob"},
        "email:*": {"Ann", "Anna Maria", "Åsa"},
        "NOT _exists_:phone": {"Åsa"},
        "email:am@example.com OR lastName:Lee": {"Ann", "Anna Maria"},
        "createdAt:[2026-11-23 TO *]": {"Ann", "Anna Maria", "Bob", "Åsa"},
        "createdAt:>2026-11-24": set(),
    }
    for q, names in expected.items():
        page = service.search(actor, "contact", Search(q=q))
        assert (q, {wire["firstName"] for wire in page.objects}, page.total) == (q, names, len(names))


def test_many_contacts_are_created_at_once_or_not_at_all(service, actor, stranger):
    people = [{"firstName": f"P{n}", "phone": f"+1202555{n:04}"} for n in range(100, 600)]
    ids = service.create_many(actor, "contact", people)
    again = [{"firstName": "new", "email": "new@example.com"}, people[7]]

    with pytest.raises(Conflict, match=ids[7]):
        service.create_many(actor, "contact", again)
    with pytest.raises(Conflict):
        service.create_many(actor, "contact", [again[0], again[0]])
    with pytest.raises(Invalid) as refused:
        service.create_many(actor, "contact", [again[0], {"phone": "12"}, {"email": "x"}])

    assert {fault.path[0] for fault in refused.value.faults} == {1, 2}
    assert service.search(actor, "contact", Search()).total == 500
    assert service.search(stranger, "contact", Search()).total == 0
    assert service.retrieve(actor, "contact", ids[3])["phone"] == "+12025550103"


def test_a_stated_block_keeps_everybody_from_calling(service, actor, store, ann):
    service.update(actor, "contact", ann["contactId"], {"blockedAt": 1764000000000})

    assert store.get_contact("acme", ann["contactId"]).blocked
    assert service.retrieve(actor, "contact", ann["contactId"])["blockedAt"] == 1764000000000
