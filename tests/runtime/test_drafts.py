"""Drafts and runs that wait: what they rest on is checked again at their start; a refused start changes nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.engine.builders import CAMPAIGN
from tests.runtime.house import TENANT, TEXT, person
from worker.domain.alert import AlertKind
from worker.domain.audience import Audience
from worker.domain.run import RunStatus
from worker.runtime import launch as launching
from worker.runtime.errors import CannotLaunch
from worker.schema.errors import Forbidden
from worker.schema.scopes import Actor
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import AlreadyRunning, AlreadyStarted, IllegalTransition, NotStarted
from worker.store.tables import enrollments, messages

WEEKS = 21 * 24


def kept(house, *, people=2, said=None, **campaign):
    """A draft, as it was left three weeks ago."""
    request = replace(house.save(TEXT, people=people, **campaign), again=False, draft=True, **said or {})
    house.run_id = launching.launch(house.rt, request).run.run_id
    house.later(hours=WEEKS)
    return house.run_id


def scheduled(house, *, people=2, said=None, **campaign):
    request = replace(house.save(TEXT, people=people, **campaign), at=house.rt.now() + timedelta(hours=1), **said or {})
    house.run_id = launching.launch(house.rt, request).run.run_id
    return house.run_id


def start(house, rt=None):
    return launching.start(rt or house.rt, TENANT, house.run_id)


def refused(house, rt=None):
    """The reasons why a start is refused; the draft is as it was."""
    before = house.store.get_run(TENANT, house.run_id)
    changes = house.store.run_changes(TENANT, house.run_id)
    with pytest.raises(CannotLaunch) as refusal:
        start(house, rt)
    assert house.store.get_run(TENANT, house.run_id) == before
    assert house.store.run_changes(TENANT, house.run_id) == changes
    assert (house.hints, house.rows(enrollments)) == ([], [])
    return refusal.value.reasons


def test_a_draft_whose_credential_is_gone_does_not_start(home):
    kept(home)
    assert refused(home, home.runtime(twilio_auth_token=SecretStr(""))) == [
        "TWILIO_AUTH_TOKEN is not set; put it into the environment or .env"
    ]
    start(home)
    home.play()
    assert len(home.ledger()) == 2


def test_a_draft_whose_provider_refuses_us_by_now_does_not_start(home):
    kept(home)
    reasons = refused(home, home.runtime(twilio_auth_token=SecretStr("revoked")))
    assert {reason.partition(":")[0] for reason in reasons} == {"sms", "voice"}


def test_a_draft_whose_provider_does_not_answer_starts_with_a_warning(home):
    kept(home, useForEmail=False, useForOutbound=False)
    [warning] = start(home, home.runtime(twilio_base_url="http://127.0.0.1:9"))
    assert "whether it lets us send is not known" in warning


@pytest.mark.parametrize("said", [{"audience": Audience(largest=3)}, {}])
def test_a_draft_whose_audience_has_grown_past_its_bound_does_not_start(home, said):
    kept(home, people=3, said=said, audience={"largest": 3})
    home.store.import_contacts(TENANT, "lst_1", [person(9)], home.rt.now())
    [reason] = refused(home)
    assert reason.startswith("4 people belong to the audience, more than the 3 that are allowed")


def test_a_draft_whose_schedule_has_ended_does_not_start(home):
    ends = (home.rt.now() + timedelta(days=3)).date()
    kept(home, schedule={"date": {"field": "firstName"}, "end": ends.isoformat()})
    assert refused(home) == [f"its schedule ended on {ends}; give it another end, or none"]


def test_a_launch_whose_schedule_by_dates_has_ended_is_refused(home):
    request = home.save(TEXT, schedule={"date": {"field": "firstName"}, "end": "2025-01-31"})
    with pytest.raises(CannotLaunch, match="its schedule ended on 2025-01-31"):
        launching.launch(home.rt, request)


def test_a_draft_whose_people_have_lost_what_its_templates_say_does_not_start(home):
    kept(home, people=[person(1)])
    home.store.import_contacts(TENANT, "lst_2", [person(2)], home.rt.now())
    with home.store.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE contacts SET fields = '{}'")
    assert any("firstName" in reason for reason in refused(home))


@pytest.mark.parametrize(
    "audience", [{"lists": ["people", "gone"]}, {"lists": ["people"], "exclude": {"lists": ["gone"]}}]
)
def test_a_draft_over_a_list_that_was_deleted_does_not_start(home, audience):
    gone = Document(type=DocumentType.CONTACT_LIST, id="lst_9", name="gone", data={"contactListId": "lst_9"})
    home.store.put_documents(TENANT, [gone], home.rt.now())
    home.store.import_contacts(TENANT, "lst_9", [person(7)], home.rt.now())
    kept(home, said={"contact_list": ""}, audience=audience)
    home.rt.schema.delete(home.rt.actor, "contactlist", "lst_9")
    assert refused(home) == ["the contact list 'lst_9' was deleted; launch it anew without it"]


def test_a_draft_is_of_what_it_was_drafted_of(home):
    kept(home)
    home.save({**TEXT, "message": "Something else"}, people=0, smsFromAddress="+15550009999")
    start(home)
    home.play()
    assert all("Hello" in row.content for row in home.rows(messages))
    assert home.ledger()[0]["from"] == CAMPAIGN["smsFromAddress"]


def test_a_draft_that_was_launched_in_a_sandbox_is_not_started_against_the_vendors(home):
    kept(home)
    [reason] = refused(home, home.runtime(twilio_base_url="https://api.twilio.com"))
    assert "other providers" in reason


def test_of_several_reasons_all_are_said(home):
    kept(home)
    rt = home.runtime(twilio_auth_token=SecretStr(""), twilio_account_sid="", sendgrid_api_key=SecretStr(""))
    assert len(refused(home, rt)) == 3


def test_a_canary_is_measured_when_its_draft_starts(home):
    kept(home, people=10, said={"canary": "5"})
    home.store.import_contacts(TENANT, "lst_1", [person(n) for n in range(10, 50)], home.rt.now())
    start(home)
    assert home.store.get_run(TENANT, home.run_id).guarding["canary"] == {"share": 0.1}


def test_a_canary_larger_than_what_is_left_of_its_audience_is_no_part_of_it(home):
    kept(home, people=10, said={"canary": "5"})
    with home.store.engine.begin() as conn:
        left = "(SELECT min(contact_id) FROM contacts)"
        conn.exec_driver_sql(f"DELETE FROM contact_list_members WHERE contact_id > {left}")
    [reason] = refused(home)
    assert "no part of the audience" in reason


def test_how_long_ago_somebody_was_contacted_counts_from_the_start_of_a_draft(house):
    def contact(number):
        audience = Audience(people=(person(number).phone,))
        launching.launch(house.rt, replace(house.save(TEXT, people=3), contact_list="", audience=audience))
        house.play()

    contact(0)
    draft = kept(house, people=3, said={"audience": Audience(contacted_within=timedelta(days=7))})
    contact(1)
    house.later(days=3)
    house.run_id = draft
    start(house)
    house.play()

    reached = [line["to"] for line in house.ledger()][2:]
    assert sorted(reached) == [person(0).phone, person(2).phone], "24 days ago is long enough, three are not"


def test_a_draft_that_takes_the_place_of_another_run_says_so_only_once(home):
    listens = {"triggers": [{"event": "cart.abandoned"}]}
    first = launching.launch(home.rt, replace(home.save(TEXT, **listens), contact_list="")).run.run_id
    kept(home, said={"contact_list": "", "replace": True}, **listens)
    start(home)
    assert home.store.get_run(TENANT, first).enrolled
    assert not home.store.get_run(TENANT, home.run_id).enrolled


def test_only_what_waits_is_started_and_only_what_was_started_is_resumed(home):
    kept(home)
    with pytest.raises(NotStarted, match="is draft, there is nothing to resume; `campaigns start` starts it"):
        launching.resume(home.rt, TENANT, home.run_id)
    start(home)
    launching.pause(home.rt, TENANT, home.run_id)
    with pytest.raises(AlreadyStarted, match="is paused, it waits for no start; `campaigns resume` lets it go on"):
        start(home)
    scheduled(home)
    with pytest.raises(NotStarted, match="is scheduled"):
        launching.resume(home.rt, TENANT, home.run_id)
    assert home.status() == RunStatus.SCHEDULED


def test_who_may_not_start_a_draft_learns_nothing_of_what_is_wrong_with_it(home):
    kept(home)
    reader = home.rt.acting_for(Actor(tenant_id=TENANT, user_id="u", scopes=frozenset({"campaigns:read"})))
    with pytest.raises(Forbidden):
        start(home, reader)


# Scheduled runs


def at_its_moment(house, rt=None):
    house.later(hours=1, seconds=1)
    house.hints.clear()
    if rt is not None:
        rt.ahead = house.rt.ahead
        house.rt = rt
    house.tick_only()


def told(house):
    [alert] = house.store.alerts_of_run(TENANT, house.run_id)
    return alert.kind, alert.detail["reason"], house.store.run_changes(TENANT, house.run_id)[-1].reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"twilio_auth_token": SecretStr("")}, "TWILIO_AUTH_TOKEN is not set"),
        ({"twilio_auth_token": SecretStr("revoked")}, "sms: "),
        ({"audience_largest": 1}, "2 people belong to the audience, more than the 1"),
    ],
)
def test_a_scheduled_run_that_is_blocked_at_its_moment_fails_and_its_supervisors_are_told(home, settings, reason):
    scheduled(home)
    at_its_moment(home, home.runtime(**settings))
    assert home.status() == RunStatus.FAILED
    kind, in_alert, in_log = told(home)
    assert (kind, in_alert) == (AlertKind.FAILED, in_log)
    assert in_log.startswith(reason)
    assert home.ledger() == []


def test_a_scheduled_run_keeps_the_warnings_of_its_start(home):
    scheduled(home, said={"despite_failures": True}, people=[person(1), person(2, fields={"firstName": None})])
    at_its_moment(home)
    assert home.status() == RunStatus.RUNNING
    [change] = [one for one in home.store.run_changes(TENANT, home.run_id) if one.after == "running"]
    assert change.reason.startswith("on time; warning: 1 of the 2 people looked at have no contact.firstName")


def test_a_draft_beside_a_run_over_its_people_is_told_how_it_could_start(home):
    kept(home)
    launching.launch(home.rt, home.save(TEXT, people=2))
    with pytest.raises(AlreadyRunning, match="cancel it, or cancel the draft and launch anew with --again"):
        start(home)


def test_what_has_ended_is_said_to_be_final(home):
    kept(home)
    launching.cancel(home.rt, TENANT, home.run_id)
    with pytest.raises(IllegalTransition, match="is cancelled and cannot become paused: cancelled is final"):
        launching.pause(home.rt, TENANT, home.run_id)
