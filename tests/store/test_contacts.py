"""Imports: a person is one contact however many files name them, and importing again changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from channels.messages import ChannelKind
from tests.store.builders import NOW, STRANGER, TENANT, people
from worker.store.rows import ContactRow, ImportCounts, Suppression

ANN = ContactRow(external_id="7", phone="+15550000001", email="ann@example.com", fields={"firstName": "Ann"})


def load(store, *rows, tenant=TENANT, into="list", **options):
    return store.import_contacts(tenant, into, rows, NOW, **options)


def found(store, address, tenant=TENANT):
    (contact,) = store.find_contacts(tenant, address)
    return replace(contact, contact_id="")


def test_importing_a_file_again_changes_nothing(store):
    rows = people(50)
    assert load(store, *rows) == ImportCounts(new=50)
    assert load(store, *rows) == ImportCounts(unchanged=50)
    assert store.list_size(TENANT, "list") == 50


def test_what_changed_is_updated_and_what_a_row_leaves_empty_is_kept(store):
    load(store, ANN)
    changed = ContactRow(external_id="7", fields={"firstName": "Anna"}, timezone="Europe/Berlin")
    assert load(store, changed) == ImportCounts(updated=1)
    assert found(store, "Ann@Example.com ") == replace(ANN, fields={"firstName": "Anna"}, timezone="Europe/Berlin")


def test_a_person_is_known_by_number_by_mail_address_or_by_external_id(store):
    load(store, ANN)
    by_phone = ContactRow(phone=ANN.phone, fields=ANN.fields)
    by_email = ContactRow(email="ANN@example.com", fields=ANN.fields)
    by_id = ContactRow(external_id="7", fields=ANN.fields)
    for row in (by_phone, by_email, by_id):
        assert load(store, row) == ImportCounts(unchanged=1)
    assert load(store, by_phone, by_email, by_id, ANN) == ImportCounts(unchanged=3, duplicates=1)


def test_an_address_of_somebody_else_puts_that_one_on_the_list_and_changes_nobody(store):
    load(store, ANN)
    bob = ContactRow(external_id="8", phone=ANN.phone, fields={"firstName": "Bob"})
    assert load(store, bob, into="second") == ImportCounts(duplicates=1)
    assert found(store, ANN.phone) == ANN
    assert store.list_size(TENANT, "second") == 1


def test_a_row_that_joins_two_people_changes_neither(store):
    ben = ContactRow(phone="+15550000002", fields={"firstName": "Ben"})
    load(store, ANN, ben)
    assert load(store, ContactRow(external_id="7", phone=ben.phone)) == ImportCounts(duplicates=1)
    assert (found(store, ANN.phone), found(store, ben.phone)) == (ANN, ben)


def test_an_import_never_unblocks(store):
    load(store, ANN)
    (contact,) = store.find_contacts(TENANT, ANN.phone)
    assert store.block_contact(TENANT, contact.contact_id, blocked=True, now=NOW)
    assert load(store, ANN) == ImportCounts(unchanged=1)
    assert store.get_contact(TENANT, contact.contact_id).blocked


def test_opt_outs_of_a_file_are_taken_with_it_and_can_be_taken_back(store):
    stop = Suppression(channel=None, address=ANN.email.upper(), reason="import")
    load(store, ANN, suppressed=[stop, stop])
    assert store.suppress(TENANT, [stop], NOW) == 0
    assert not store.unsuppress(STRANGER, None, ANN.email)
    assert not store.unsuppress(TENANT, ChannelKind.EMAIL, ANN.email)
    assert store.unsuppress(TENANT, None, ANN.email)
    assert store.suppress(TENANT, [stop], NOW) == 1


def test_two_imports_at_once_make_nobody_twice(store):
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda n: load(store, *people(40), into=f"list {n}"), range(4)))
    assert sum(count.new for count in counts) == 40
    assert [store.list_size(TENANT, f"list {n}") for n in range(4)] == [40] * 4


def test_people_without_any_address_are_still_people(store):
    assert load(store, ContactRow(fields={"a": 1}), ContactRow(fields={"b": 2})) == ImportCounts(new=2)
    assert store.find_contacts(TENANT, "") == []
    assert store.contact_fields(TENANT, "list") == {"a", "b"}


def test_tenants_do_not_share_people(store):
    load(store, ANN)
    assert load(store, ANN, tenant=STRANGER) == ImportCounts(new=1)
    (ours,) = store.find_contacts(TENANT, ANN.phone)
    assert store.get_contact(STRANGER, ours.contact_id) is None
    assert not store.block_contact(STRANGER, ours.contact_id, blocked=True, now=NOW)
    assert store.contact_fields("third", "list") == frozenset()


def test_awkward_text_comes_back_as_it_was(store):
    fields = {"q": 'a "quoted" \\ back', "tab": "a\tb\nc", "emoji": "🙂", "null": None, "deep": {"n": [1, 2.5, True]}}
    load(store, replace(ANN, fields=fields))
    assert found(store, ANN.phone).fields == fields
    assert load(store, replace(ANN, fields=fields | {"tab": "\\N"})) == ImportCounts(updated=1)
    assert found(store, ANN.phone).fields["tab"] == "\\N"
