"""Runs over HTTP: launched with everything that is wrong said at once, looked at, stopped, and only by who may."""

import json
import re
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator

from tests.api.desk import TENANT, Desk, make_runtime
from worker.api import run_shapes
from worker.domain.audience import Audience
from worker.runtime.preflight import Launch
from worker.runtime.preview import preview
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


def test_a_draft_is_checked_again_when_it_is_started(runs):
    with_people(runs)
    run_id = call(runs, "POST", "/campaigns/cmp/runs", {"audience": {"lists": ["lst"]}, "draft": True}).json()["runId"]
    with runs.store.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM contact_list_members")

    refused = call(runs, "POST", f"/runs/{run_id}/start")
    with_people(runs)
    started = call(runs, "POST", f"/runs/{run_id}/start", {"reason": "the list is there"})

    assert refused.status_code == 422
    assert "empty" in refused.json()["faults"][0]["message"]
    assert (started.status_code, started.json()["status"]) == (200, "running")
    assert any("whether it lets us send is not known" in warning for warning in started.json()["warnings"])
    assert call(runs, "GET", f"/runs/{run_id}/changes").json()["objects"][-1]["reason"] == "the list is there"


def test_a_change_of_a_run_carries_a_reason_and_a_resume_may_release_the_others_of_a_canary(runs):
    with_people(runs)
    run_id = call(runs, "POST", "/campaigns/cmp/runs", {"audience": {"lists": ["lst"]}}).json()["runId"]

    assert call(runs, "POST", f"/runs/{run_id}/pause", {"reason": "a slip"}).status_code == 200
    released = call(runs, "POST", f"/runs/{run_id}/resume", {"release": True})
    unreadable = call(runs, "POST", f"/runs/{run_id}/resume", {"release": "yes"})
    strange = call(runs, "POST", f"/runs/{run_id}/cancel", {"release": True, "reason": "x" * 501})

    assert (released.status_code, "has no canary" in released.json()["message"]) == (409, True)
    assert (unreadable.status_code, strange.status_code) == (400, 400)
    assert [fault["path"] for fault in strange.json()["faults"]] == [["release"], ["reason"]]
    assert call(runs, "GET", f"/runs/{run_id}/changes").json()["objects"][-1]["reason"] == "a slip"


def test_a_campaign_is_tried_out_on_people_who_are_named(runs):
    with_people(runs)

    launched = call(runs, "POST", "/campaigns/cmp/runs", {"audience": {"people": ["+12125550101"]}})

    assert launched.status_code == 201, launched.text
    assert len(runs.store.get_run(TENANT, launched.json()["runId"]).selection["people"]) == 1


def audience(desk, token="", path="/campaigns/cmp/audience", **asked):
    headers = {"Authorization": f"Bearer {token or desk.token}"}
    return desk._site.session.get(f"{desk.url}{path}", params=asked, headers=headers, timeout=30)


def test_an_audience_is_told_as_the_command_line_tells_it(runs, tmp_path):
    with_people(runs)
    asked = {"lists": ("people",), "exclude_segments": ("phone:+12125550101",)}
    rt = make_runtime(str(runs.store.engine.url.render_as_string(hide_password=False)), tmp_path, **TWILIO, **SANDBOX)
    expected = preview(rt, Launch(tenant_id=TENANT, campaign="cmp", audience=Audience(**asked))).as_json()
    rt.close()

    told = audience(runs, list="people", excludeSegment="phone:+12125550101")

    assert told.status_code == 200, told.text
    assert told.json() == json.loads(json.dumps(expected))
    Draft202012Validator(run_shapes.AUDIENCE.schema).validate(told.json())
    assert (told.json()["total"], told.json()["excluded"][0]["people"], len(told.json()["sample"])) == (1, 1, 1)
    assert "+12125550100" not in told.text
    assert "+12125550100" in audience(runs, list="people", showAddresses="true").text
    assert audience(runs, list="people", people=0).json()["sample"] == []


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"list": "nobody"}, 422, "there is no contact list 'nobody'"),
        ({"segment": "plan:(gold"}, 422, "cannot be read"),
        ({"notContactedWithin": "soon"}, 400, r'"path":\["notContactedWithin"\]'),
        ({"people": 101}, 400, "people"),
    ],
)
def test_an_audience_that_nobody_can_tell_says_why(runs, asked, status, words):
    answer = audience(runs, **asked)

    assert answer.status_code == status, answer.text
    assert re.search(words, answer.text)


def test_an_audience_is_told_to_who_may_read_people_and_campaigns_only(runs):
    with_people(runs)

    assert audience(runs, token=runs.token_for("campaigns:read")).status_code == 403
    assert audience(runs, token=runs.token_for("contacts:read")).status_code == 403
    assert audience(runs, token=runs.token_for("contacts:read", "campaigns:read")).status_code == 200
    assert audience(runs, path="/campaigns/nobody/audience").status_code == 404
    assert audience(runs, token=runs.stranger().token).status_code == 403
