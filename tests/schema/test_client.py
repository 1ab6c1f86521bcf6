"""The client: the same results and the same errors in process and over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.channels.loopback import LoopbackProvider
from tests.schema.conftest import token_of
from tests.schema.documents import CAMPAIGN, WORKFLOW
from worker.domain.campaign import Campaign
from worker.domain.contact import Contact
from worker.schema.client import SchemaTypeClient
from worker.schema.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Stale,
    Unauthorized,
    Unavailable,
)


@pytest.fixture
def another_server(beside) -> Iterator[str]:
    """It answers everything, but not as we would."""
    opened = LoopbackProvider()
    beside.run(opened.start())
    yield opened.url
    beside.run(opened.stop())


@pytest.fixture
def client(target, store) -> Iterator[SchemaTypeClient]:
    with SchemaTypeClient(target, token=token_of(store)) as opened:
        yield opened


def test_documents_are_created_retrieved_changed_searched_and_deleted(client):
    workflow = client.create("workflow", data=WORKFLOW)
    made = client.create(Campaign, data=CAMPAIGN | {"workflowId": workflow.workflow_id, "odd": {"kept": [1, None]}})

    assert isinstance(made, Campaign)
    assert (made.name, made.use_for_email, made.created_by) == ("Renewal Q4", True, "usr_ann")
    assert made.to_wire()["odd"] == {"kept": [1, None]}
    assert client.retrieve("campaign", id=made.campaign_id).to_wire() == made.to_wire()

    changed = client.update("campaign", id=made.campaign_id, data={"description": "x"}, modified_at=made.modified_at)
    found = client.search(Campaign, q="name:Renew*", rows=10)
    assert (found.total, found.count, [one.description for one in found]) == (1, 1, ["x"])
    with pytest.raises(Stale):
        client.update("campaign", id=made.campaign_id, data={"description": "y"}, modified_at=made.modified_at)

    created, updated = client.history("campaign", id=made.campaign_id)
    assert created.at == datetime.fromtimestamp(made.created_at / 1000, UTC)
    assert updated.changes[0]["to"] == changed.description == "x"
    client.delete("campaign", id=made.campaign_id)
    with pytest.raises(NotFound):
        client.retrieve("campaign", id=made.campaign_id)
    assert client.retrieve("campaign", id=made.campaign_id, deleted=True).deleted_at > 0


def test_each_kind_of_failure_has_its_own_error(client, target, store):
    workflow = client.create("workflow", data=WORKFLOW, idempotency_key="once")
    assert client.create("workflow", data=WORKFLOW, idempotency_key="once").workflow_id == workflow.workflow_id

    with pytest.raises(Conflict):
        client.create("workflow", data=WORKFLOW)
    with pytest.raises(BadRequest, match="character 9"):
        client.search("workflow", q="name:x (")
    with pytest.raises(NotFound):
        client.retrieve("workflow", id="wf_none")
    with pytest.raises(Invalid) as refused:
        client.create("campaign", data=CAMPAIGN | {"workflowId": workflow.workflow_id, "emailFromAddress": "nobody"})
    assert refused.value.faults[0].path == ("emailFromAddress",)
    assert refused.value.faults[0].message
    with SchemaTypeClient(target, token=token_of(store, scopes=["workflows:read"])) as reader:
        assert reader.search("workflow").total == 1
        with pytest.raises(Forbidden, match="workflows:write"):
            reader.create("workflow", data=WORKFLOW)


def test_a_token_that_is_unknown_or_revoked_opens_nothing(target, store):
    token = token_of(store)
    store.revoke_token("acme", token.split("_")[1], store.now())

    for presented in (token, "", "nonsense", token_of(store)[:-1] + "!"):
        with pytest.raises(Unauthorized), SchemaTypeClient(target, token=presented) as client:
            client.search("campaign")  # in process the door is at the opening, over HTTP it is here


def test_another_tenants_token_sees_nothing(client, target, store):
    workflow = client.create("workflow", data=WORKFLOW)

    with SchemaTypeClient(target, token=token_of(store, tenant="globex")) as stranger:
        assert stranger.search("workflow").total == 0
        with pytest.raises(NotFound):
            stranger.retrieve("workflow", id=workflow.workflow_id)


def test_everything_is_streamed_a_page_at_a_time(client):
    ids = client.create_many(
        Contact, data=[{"firstName": f"P{n}", "phone": f"+1202555{n:04}"} for n in range(100, 2350)]
    )

    streamed = list(client.search_all(Contact, q="phone:*"))

    assert sorted(contact.contact_id for contact in streamed) == sorted(ids)
    assert len(streamed) == 2250


def test_awkward_ids_and_queries_travel_unharmed(client):
    for key in ("a.b", "ü-1", "x%2Fy", "+1", "a&b=c"):
        made = client.create("template", data={"templateId": key, "name": f"name of {key}"})
        assert client.retrieve("template", id=key).name == made.name
        assert client.search("template", q=f'templateId:"{key}"').total == 1


def test_a_server_that_is_not_there_or_is_another_one_is_unavailable(another_server):
    for url in ("http://127.0.0.1:9", another_server):
        with SchemaTypeClient(url, token="x") as client, pytest.raises(Unavailable):
            client.search("campaign")
