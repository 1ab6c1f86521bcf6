"""The schema service: what is created, read, changed and deleted, and what is refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.schema.conftest import START
from tests.schema.documents import CAMPAIGN, WORKFLOW, make_campaign, make_workflow
from worker.domain.run import Run, RunStatus
from worker.schema.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from worker.schema.finding import Search
from worker.schema.scopes import Actor
from worker.schema.types import SCOPES, TYPES


def paths(error):
    return [".".join(map(str, fault.path)) for fault in error.value.faults]


def test_what_is_created_is_retrieved_with_a_header(service, actor):
    made = make_campaign(service, actor)

    assert made["campaignId"].startswith("cmp_")
    assert (made["_id"], made["tenantId"], made["objectType"]) == (made["campaignId"], "acme", "campaign")
    assert made["createdAt"] == made["modifiedAt"] >= START.timestamp() * 1000
    assert (made["createdBy"], made["modifiedBy"], made["deletedAt"]) == ("usr_ann", "usr_ann", 0)
    assert service.retrieve(actor, "campaign", made["campaignId"]) == made
    assert CAMPAIGN.items() <= made.items()


def test_unknown_keys_come_back_unchanged_after_a_change_too(service, actor):
    odd = {
        "dialRatio": "1.5",
        "scripts": {"count": 0, "objects": []},
        "localizations": {"name": {"en": {"value": "x"}}},
    }
    made = make_campaign(service, actor, **odd)

    changed = service.update(actor, "campaign", made["campaignId"], {"description": "other"})

    assert odd.items() <= changed.items()
    assert changed == made | {"description": "other", "modifiedAt": changed["modifiedAt"]}
    assert changed["modifiedAt"] > made["modifiedAt"]


def test_a_document_is_also_found_by_its_storage_key(service, actor):
    made = make_campaign(service, actor, _id="64b7f0a1c2d3e4f5a6b7c8d9", campaignId="cmp_renewal")

    assert service.retrieve(actor, "campaign", "64b7f0a1c2d3e4f5a6b7c8d9") == made
    assert made["campaignId"] == "cmp_renewal"


def test_an_update_is_checked_as_a_whole_and_changes_nothing_when_it_is_wrong(service, actor):
    made = make_campaign(service, actor)

    with pytest.raises(Invalid) as refused:
        service.update(actor, "campaign", made["campaignId"], {"useForSMS": True, "description": "new"})

    assert paths(refused) == ["smsFromAddress"]
    assert service.retrieve(actor, "campaign", made["campaignId"]) == made


def test_null_and_empty_text_unset_a_key(service, actor):
    made = make_campaign(service, actor)

    changed = service.update(actor, "campaign", made["campaignId"], {"description": None, "callerId": ""})

    assert changed.keys() == made.keys() - {"description", "callerId"}


def test_an_update_that_changes_nothing_leaves_no_trace(service, actor):
    made = make_campaign(service, actor)

    assert service.update(actor, "campaign", made["campaignId"], made) == made
    assert len(service.history(actor, "campaign", made["campaignId"])) == 1


@pytest.mark.parametrize("key", ["campaignId", "_id"])
def test_an_id_never_changes(service, actor, key):
    made = make_campaign(service, actor)

    with pytest.raises(Invalid):
        service.update(actor, "campaign", made["campaignId"], {key: "other"})


def test_who_saw_an_older_version_is_told_so(service, actor):
    made = make_campaign(service, actor)
    service.update(actor, "campaign", made["campaignId"], {"description": "1"}, modified_at=made["modifiedAt"])

    with pytest.raises(Stale):
        service.update(actor, "campaign", made["campaignId"], {"description": "2"}, modified_at=made["modifiedAt"])
    with pytest.raises(Stale):
        service.delete(actor, "campaign", made["campaignId"], modified_at=made["modifiedAt"])


def test_a_name_belongs_to_one_live_campaign_in_upper_and_lower_case(service, actor, stranger):
    made = make_campaign(service, actor, name="Renewal Q4")

    with pytest.raises(Conflict):
        make_campaign(service, actor, name="RENEWAL q4", workflowId=made["workflowId"])
    make_campaign(service, stranger, name="Renewal Q4")
    service.delete(actor, "campaign", made["campaignId"])
    make_campaign(service, actor, name="Renewal q4", workflowId=made["workflowId"])


def test_of_two_simultaneous_creates_with_one_name_one_wins(service, actor):
    workflow_id = make_workflow(service, actor)

    def create(_):
        try:
            return make_campaign(service, actor, workflowId=workflow_id)
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [found for found in pool.map(create, range(8)) if found]

    assert len(made) == 1
    assert service.search(actor, "campaign", Search()).total == 1


def test_a_reference_must_lead_somewhere(service, actor):
    workflow_id = make_workflow(service, actor)
    wrong = {
        "dispositions": {"count": 1, "objects": [{"dispositionId": "disp_none"}]},
        "emailAccounts": ["eml_none"],
        "supervisor": [{"userId": "usr_none"}],
        "recordingPromptId": "pmt_none",
        "busyDispositionId": "disp_none",
    }

    with pytest.raises(Invalid) as refused:
        make_campaign(service, actor, workflowId=workflow_id, **wrong)
    with pytest.raises(Invalid) as without_workflow:
        make_campaign(service, actor, workflowId="wf_none")

    assert sorted(paths(refused)) == sorted(wrong)
    assert paths(without_workflow) == ["workflowId"]


def test_another_tenants_documents_do_not_exist(service, actor, stranger):
    made = make_campaign(service, actor)
    calls = [
        lambda: service.retrieve(stranger, "campaign", made["campaignId"]),
        lambda: service.update(stranger, "campaign", made["campaignId"], {"description": "x"}),
        lambda: service.delete(stranger, "campaign", made["campaignId"]),
        lambda: service.history(stranger, "campaign", made["campaignId"]),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    with pytest.raises(Invalid):
        make_campaign(service, stranger, workflowId=made["workflowId"])
    with pytest.raises(Invalid):
        service.create(actor, "workflow", WORKFLOW | {"name": "w2", "tenantId": "globex"})
    assert service.search(stranger, "campaign", Search()).total == 0


def test_a_campaign_that_could_not_run_is_not_saved(service, actor):
    texting = {"begin": {"actions": [{"type": "sendSms", "message": "Hi"}]}}
    workflow_id = make_workflow(service, actor, states=texting)

    with pytest.raises(Invalid) as refused:
        make_campaign(service, actor, workflowId=workflow_id)

    assert paths(refused) == [f"workflows.{workflow_id}.states.begin.actions.0"]


def test_a_workflow_is_not_changed_into_one_its_campaigns_cannot_run(service, actor):
    workflow_id = make_workflow(service, actor)
    made = make_campaign(service, actor, workflowId=workflow_id)
    texting = {"begin": {"actions": [{"type": "sendSms", "message": "Hi"}]}}

    with pytest.raises(Invalid) as refused:
        service.update(actor, "workflow", workflow_id, {"states": texting})

    assert made["campaignId"] in str(refused.value)
    assert service.retrieve(actor, "workflow", workflow_id)["states"] == WORKFLOW["states"]


@pytest.mark.parametrize(
    ("type_name", "data", "key"),
    [
        ("disposition", {"name": "Sold", "code": "SOLD"}, "dispositions"),
        ("emailaccount", {"name": "Mail", "emailAddress": "a@example.com"}, "emailAccounts"),
        ("user", {"username": "ann"}, "supervisor"),
        ("prompt", {"name": "Notice", "text": "This call is recorded."}, "recordingPromptId"),
    ],
)
def test_what_a_live_campaign_needs_is_not_deleted(service, actor, type_name, data, key):
    needed = service.create(actor, type_name, data)
    needed_id = needed[TYPES[type_name].id_key]
    made = make_campaign(service, actor, **{key: needed_id if key == "recordingPromptId" else [needed_id]})

    with pytest.raises(Conflict, match=made["campaignId"]):
        service.delete(actor, type_name, needed_id)
    service.delete(actor, "campaign", made["campaignId"])
    service.delete(actor, type_name, needed_id)

    with pytest.raises(NotFound):
        service.retrieve(actor, type_name, needed_id)
    assert service.retrieve(actor, type_name, needed_id, deleted=True)["deletedAt"] > 0


def test_a_disposition_named_by_its_code_is_needed_too(service, actor):
    sold = service.create(actor, "disposition", {"name": "Sold", "code": "SOLD"})
    make_campaign(service, actor, dispositions=["SOLD"])

    with pytest.raises(Conflict):
        service.delete(actor, "disposition", sold["dispositionId"])


def test_a_campaign_with_a_run_in_progress_asks_for_cancel_first(service, actor, store):
    made = make_campaign(service, actor)
    run = Run(
        run_id="run_1",
        tenant_id="acme",
        campaign_id=made["campaignId"],
        status=RunStatus.RUNNING,
        campaign=made,
        workflows={},
        dispositions=(),
        options={},
        contact_list_id="lst_1",
        enrolled=True,
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    store.create_run(run)

    with pytest.raises(Conflict, match="cancel"):
        service.delete(actor, "campaign", made["campaignId"])


def test_the_same_request_twice_creates_once(service, actor):
    first = service.create(actor, "workflow", WORKFLOW, idempotency_key="k-1")

    assert service.create(actor, "workflow", WORKFLOW, idempotency_key="k-1") == first
    assert service.search(actor, "workflow", Search()).total == 1
    with pytest.raises(Conflict):
        service.create(actor, "workflow", WORKFLOW | {"name": "other"}, idempotency_key="k-1")


def test_the_same_request_from_eight_at_once_creates_once(service, actor):
    contact = {"firstName": "Ann", "phone": "+12025550101"}

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: service.create(actor, "contact", contact, idempotency_key="k"), range(8)))

    assert len({found["contactId"] for found in made}) == 1


def test_the_history_tells_who_changed_what_from_what_to_what(service, actor):
    made = make_campaign(service, actor)
    bob = Actor(tenant_id="acme", user_id="usr_bob", scopes=actor.scopes)
    service.update(bob, "campaign", made["campaignId"], {"description": "short", "callerId": None})
    service.delete(actor, "campaign", made["campaignId"])

    created, changed, deleted = service.history(actor, "campaign", made["campaignId"])

    assert (created["action"], created["by"], created["at"]) == ("created", "usr_ann", made["createdAt"])
    assert {"path": "name", "to": "Renewal Q4"} in created["changes"]
    assert (changed["action"], changed["by"]) == ("updated", "usr_bob")
    assert sorted(changed["changes"], key=lambda change: change["path"]) == [
        {"path": "callerId", "from": "+18885551212"},
        {"path": "description", "from": CAMPAIGN["description"], "to": "short"},
    ]
    assert (deleted["action"], deleted["by"]) == ("deleted", "usr_ann")


@pytest.mark.parametrize("right", ["read", "write", "delete", "admin"])
def test_a_scope_opens_one_door(service, right):
    for opened in TYPES.values():
        held = Actor(tenant_id="acme", user_id="usr_1", scopes=frozenset({f"{opened.plural}:{right}"}))
        for kind in TYPES.values():
            for needed, call in doors(service, held, kind.name):
                if (opened, right) == (kind, needed):
                    with pytest.raises(NotFound):
                        call()
                else:
                    with pytest.raises(Forbidden):
                        call()


def doors(service, held, name):
    return [
        ("read", lambda: service.retrieve(held, name, "x")),
        ("read", lambda: service.history(held, name, "x")),
        ("write", lambda: service.update(held, name, "x", {})),
        ("delete", lambda: service.delete(held, name, "x")),
    ]


def test_creating_and_searching_need_their_scopes(service, actor):
    nobody = Actor(
        tenant_id="acme", user_id="usr_1", scopes=frozenset(map(str, SCOPES)) - {"users:read", "users:write"}
    )

    for call in (lambda: service.create(nobody, "user", {}), lambda: service.search(nobody, "user", Search())):
        with pytest.raises(Forbidden):
            call()


def test_a_refusal_of_consent_suppresses_the_address_in_the_same_commit(service, actor, store):
    service.create(actor, "commconsent", {"address": "(202) 555-0101", "consentType": "Opt-Out", "channel": "sms"})

    assert store.unsuppress("acme", "sms", "+12025550101")


def test_join_documents_are_unique_and_checked(service, actor):
    made = make_campaign(service, actor)
    sold = service.create(actor, "disposition", {"name": "Sold"})
    join = {"campaignId": made["campaignId"], "dispositionId": sold["dispositionId"]}
    service.create(actor, "campaigndisposition", join)

    with pytest.raises(Conflict):
        service.create(actor, "campaigndisposition", join)
    with pytest.raises(Conflict):
        service.delete(actor, "disposition", sold["dispositionId"])
    with pytest.raises(Invalid):
        service.create(actor, "supervisorcampaign", {"campaignId": made["campaignId"], "userId": "usr_none"})


def test_a_type_that_does_not_exist_is_not_found(service, actor):
    with pytest.raises(NotFound):
        service.create(actor, "spaceship", {})


def test_a_workflow_is_deleted_or_used_but_never_both(service, actor):
    for attempt in range(6):
        workflow_id = make_workflow(service, actor, name=f"w{attempt}")

        def use(workflow_id=workflow_id, name=f"c{attempt}"):
            return make_campaign(service, actor, name=name, workflowId=workflow_id)

        def remove(workflow_id=workflow_id):
            return service.delete(actor, "workflow", workflow_id)

        with ThreadPoolExecutor(2) as pool:
            ended = [pool.submit(work).exception() for work in ((use, remove) if attempt % 2 else (remove, use))]

        assert sorted(type(error) for error in ended if error) in ([Conflict], [Invalid])
