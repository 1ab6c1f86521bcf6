"""Documents: all of a batch or none, and no two live ones of a type share a name."""

import pytest

from tests.store.builders import NOW, STRANGER, TENANT
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import NameTaken

CAMPAIGN = DocumentType.CAMPAIGN


def doc(key, name, *, kind=CAMPAIGN, **data):
    return Document(type=kind, id=key, name=name, data=data, unique=name.casefold())


def test_a_document_comes_back_and_is_replaced_as_a_whole(store):
    store.put_documents(TENANT, [doc("1", "Autumn", a=1), doc("2", "Winter")], NOW)
    store.put_documents(TENANT, [doc("1", "Spring", b=2)], NOW)
    found = store.get_document(TENANT, CAMPAIGN, "1")
    assert (found.name, found.data) == ("Spring", {"b": 2})
    assert [d.name for d in store.list_documents(TENANT, CAMPAIGN)] == ["Spring", "Winter"]
    assert store.get_document(TENANT, CAMPAIGN, "3") is None


def test_a_document_is_found_by_id_or_by_name_in_any_case_and_the_id_wins(store):
    store.put_documents(TENANT, [doc("1", "Autumn"), doc("Autumn", "Other")], NOW)
    assert store.find_document(TENANT, CAMPAIGN, "Autumn").id == "Autumn"
    assert store.find_document(TENANT, CAMPAIGN, " aUTUMN").id == "1"
    assert store.find_document(TENANT, CAMPAIGN, "none") is None


def test_a_taken_name_is_named_and_nothing_of_the_batch_is_stored(store):
    store.put_documents(TENANT, [doc("1", "Autumn")], NOW)
    with pytest.raises(NameTaken, match="already a campaign named 'AUTUMN'"):
        store.put_documents(TENANT, [doc("2", "Winter"), doc("3", "AUTUMN")], NOW)
    with pytest.raises(NameTaken, match="'Same'"):
        store.put_documents(TENANT, [doc("2", "Same"), doc("3", "Same")], NOW)
    assert [d.id for d in store.list_documents(TENANT, CAMPAIGN)] == ["1"]


def test_names_are_free_for_other_types_tenants_and_after_deletion(store):
    store.put_documents(TENANT, [doc("1", "Autumn")], NOW)
    store.put_documents(TENANT, [doc("1", "Autumn", kind=DocumentType.WORKFLOW)], NOW)
    store.put_documents(STRANGER, [doc("9", "Autumn")], NOW)
    store.delete_document(TENANT, store.get_document(TENANT, CAMPAIGN, "1"), NOW, by="me", users=())
    store.put_documents(TENANT, [doc("2", "Autumn")], NOW)
    assert [d.id for d in store.list_documents(TENANT, CAMPAIGN)] == ["2"]
    assert store.get_document(TENANT, CAMPAIGN, "1").deleted
    assert store.find_document(TENANT, CAMPAIGN, "1") is None


def test_two_documents_may_swap_their_names(store):
    store.put_documents(TENANT, [doc("1", "Autumn"), doc("2", "Winter")], NOW)
    store.put_documents(TENANT, [doc("1", "Winter"), doc("2", "Autumn")], NOW)
    assert [(d.id, d.name) for d in store.list_documents(TENANT, CAMPAIGN)] == [("2", "Autumn"), ("1", "Winter")]


def test_another_tenant_sees_no_document(store):
    store.put_documents(TENANT, [doc("1", "Autumn")], NOW)
    assert store.get_document(STRANGER, CAMPAIGN, "1") is None
    assert store.find_document(STRANGER, CAMPAIGN, "Autumn") is None
    assert store.list_documents(STRANGER, CAMPAIGN) == []
