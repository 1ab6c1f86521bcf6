"""Runs over HTTP: launched with everything that is wrong said at once, looked at, stopped, and only by who may."""

from datetime import UTC, datetime

import pytest

from tests.api.desk import TENANT, Desk
from worker.store.rows import ContactRow

WORKFLOW = {
    "workflowId": "wf",
    "states": {"begin": {"actions": [{"type": "sendSms", "message": "Hello {{ contact.firstName }}"}]}},
}
CAMPAIGN = {"campaignId": "cmp", "name": "C", "workflowId": "wf", "useForSMS": True, "smsFromAddress": "+12125550100"}
TWILIO = {"twilio_account_sid": "AC" + "0" * 32, "twilio_auth_token": "secret"}
SANDBOX = {"twilio_base_url": "http://127.0.0.1:9", "sendgrid_base_url": "http://127.0.0.1:9"}


@pytest.fixture
def runs(open_desk, database_url):
    """Somebody of the tenant this process serves, with a campaign and a list of two people."""
    desk = Desk(open_desk(database_url, **TWILIO, **SANDBOX)._site, TENANT)
    for path, data in (
        ("workflow", WORKFLOW),
        ("campaign", CAMPAIGN),
        ("contactlist", {"contactListId": "lst", "name": "people"}),
    ):
        assert desk.post(path, data).status_code == 201
    return desk


def call(desk, method, path, body=None, token=""):
    headers = {"Authorization": f"Bearer {token or desk.token}"}
    return desk._site.session.request(method, f"{desk.url}{path}", json=body, headers=headers, timeout=30)


def with_people(desk):
    rows = [ContactRow(phone=f"+1212555010{n}", fields={"firstName": "Ann"}) for n in range(2)]
    desk.store.import_contacts(TENANT, "lst", rows, datetime.now(UTC))


def test_a_campaign_is_launched_paused_looked_at_and_cancelled(runs):
    with_people(runs)

    launched = call(runs, "POST", "/campaigns/cmp/runs", {"audience": {"lists": ["people"]}, "limit": 1})
    assert launched.status_code == 201, launched.text
    run_id = launched.json()["runId"]
    paused = call(runs, "POST", f"/runs/{run_id}/pause").json()
    looked = call(runs, "GET", f"/runs/{run_id}").json()
    cancelled = call(runs, "POST", f"/runs/{run_id}/cancel").json()
    again = call(runs, "POST", f"/runs/{run_id}/resume")

    assert (paused["status"], paused["landed"]) == ("paused", True)
    assert looked["status"] == "paused"
    assert cancelled["status"] == "cancelled"
    assert again.status_code == 409
    changes = call(runs, "GET", f"/runs/{run_id}/changes").json()["objects"]
    assert [change["after"] for change in changes] == ["running", "paused", "cancelled"]
    assert {change["by"] for change in changes} == {"usr_test"}
    assert [run["runId"] for run in call(runs, "GET", "/campaigns/cmp/runs").json()["objects"]] == [run_id]


def test_what_stands_in_the_way_of_a_launch_is_said_at_once_and_nothing_is_changed(runs):
    refused = call(runs, "POST", "/campaigns/cmp/runs", {"audience": {"lists": ["people"]}})

    assert refused.status_code == 422
    assert "empty" in refused.json()["faults"][0]["message"]
    assert call(runs, "GET", "/campaigns/cmp/runs").json()["total"] == 0


def test_a_launch_that_cannot_be_read_says_every_place(runs):
    body = {"audience": {"list": ["people"]}, "limit": -1, "canary": 5, "draft": "yes", "speed": 0, "limits": 1}

    refused = call(runs, "POST", "/campaigns/cmp/runs", body)

    assert refused.status_code == 400
    assert sorted(".".join(fault["path"]) for fault in refused.json()["faults"]) == [
        "audience.list",
        "canary",
        "draft",
        "limit",
        "limits",
        "speed",
    ]


def test_who_may_only_read_does_not_launch_and_stops_only_what_they_supervise(runs):
    with_people(runs)
    reader = runs.token_for("campaigns:read")
    run_id = call(runs, "POST", "/campaigns/cmp/runs", {"audience": {"lists": ["lst"]}}).json()["runId"]

    assert call(runs, "POST", "/campaigns/cmp/runs", {}, token=reader).status_code == 403
    assert call(runs, "POST", f"/runs/{run_id}/pause", token=reader).status_code == 403
    assert call(runs, "GET", f"/runs/{run_id}", token=reader).json()["status"] == "running"


def test_a_token_of_another_tenant_is_sent_away(runs):
    with_people(runs)
    run_id = call(runs, "POST", "/campaigns/cmp/runs", {"audience": {"lists": ["lst"]}}).json()["runId"]
    theirs = runs.stranger().token

    for method, path in (
        ("GET", f"/runs/{run_id}"),
        ("POST", f"/runs/{run_id}/cancel"),
        ("GET", "/campaigns/cmp/runs"),
    ):
        assert call(runs, method, path, token=theirs).status_code == 403
