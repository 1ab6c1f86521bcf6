"""Alerts reach the supervisors by mail and the operator's webhook, at least once."""

import json
from datetime import timedelta
from typing import Any

import pytest

from channels.messages import ChannelKind
from channels.results import Receipt, ReceiptKind
from tests.channels.loopback import LoopbackProvider, Reply, Reset
from tests.runtime.house import MAIL, TENANT, House
from worker.domain.alert import Alert, AlertKind
from worker.runtime import alerts
from worker.runtime.alerts import deliver
from worker.runtime.hints import Work
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import apply_inbox
from worker.runtime.tick import tick
from worker.runtime.webhook import verify
from worker.store.alerts import KEEP_TRYING
from worker.store.document_rows import Document, DocumentType
from worker.store.inbox_rows import InboxEntry
from worker.store.queue_tables import alerts as table

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANN, BOB = "usr_ann", "usr_bob"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is asked of the database here is the same on both kinds; `tests/store/test_alerts.py` asks each."""
    return sqlite_url


@pytest.fixture
def told(house: House, provider: LoopbackProvider) -> House:
    """An installation with a webhook that is taken, and two users."""
    provider.otherwise = lambda _: Reply(204)
    changed = {"alert_webhook_url": f"{provider.url}/hook", "alert_webhook_secret": SECRET}
    house.rt.settings = type(house.settings)(_env_file=None, **{**house.settings.model_dump(), **changed})
    user(house, ANN)
    user(house, BOB)
    return house


def user(house: House, user_id: str, **changes: Any) -> None:
    data = {"userId": user_id, "username": user_id, "email": f"{user_id}@example.com", **changes}
    document = Document(type=DocumentType.USER, id=user_id, name=user_id, data=data)
    house.store.put_documents(TENANT, [document], house.rt.now())


def join(house: House, user_id: str, *notify: str) -> None:
    data = {"userId": user_id, "campaignId": "cmp_1", "notify": list(notify)}
    document = Document(type="supervisorcampaign", id=f"sup_{user_id}", name="", data=data)
    house.store.put_documents(TENANT, [document], house.rt.now())


def happens(house: House, kind: AlertKind = AlertKind.AUTO_PAUSED, **campaign: Any) -> None:
    house.launch(MAIL, people=2, **campaign)
    house.store.add_alert(TENANT, house.run_id, kind, house.rt.now(), reason="3 of 5 messages failed")


def deliver_now(house: House) -> int:
    return house.rt.run(deliver(house.rt))


def the_alert(house: House) -> Alert:
    [alert] = house.store.alerts_of_run(TENANT, house.run_id)
    return alert


def it_is_time_again(house: House) -> None:
    with house.store.engine.begin() as conn:
        conn.execute(table.update().values(due_at=0))


def mailed(house: House) -> list[str]:
    return sorted(line["to"] for line in house.ledger())


def test_supervisors_get_a_mail_and_the_webhook_a_signed_post(told: House, provider: LoopbackProvider):
    happens(told, supervisor=[ANN, BOB])

    assert deliver_now(told) == 1

    assert mailed(told) == [f"{ANN}@example.com", f"{BOB}@example.com"]
    assert {line["from"] for line in told.ledger()} == {"renewals@example.com"}
    [post] = provider.requests
    headers = {name.lower(): value for name, value in post.headers.items()}
    assert verify(SECRET, headers, post.body, told.rt.now().timestamp())
    assert json.loads(post.body)["type"] == "run.autoPaused"
    assert json.loads(post.body)["data"]["reason"] == "3 of 5 messages failed"
    assert json.loads(post.body)["data"]["counts"] == {"audience": 2, "ready": 2}
    assert the_alert(told).delivered_at


def test_nothing_about_people_is_in_the_post(told: House, provider: LoopbackProvider):
    happens(told, supervisor=[ANN])
    deliver_now(told)

    text = provider.requests[0].body.decode()
    assert not [word for word in ("example.com", "+1202", "Ann", "p0@") if word in text]


def test_the_tick_asks_for_delivery_until_everybody_has_been_told(told: House):
    happens(told)

    def asked() -> bool:
        told.hints.clear()
        tick(told.rt)
        return Work.ALERT in {hint.work for hint in told.hints}

    assert asked()
    deliver_now(told)
    assert not asked()


@pytest.mark.parametrize("trouble", [Reply(500), Reset(), Reply(302, headers={"Location": "/elsewhere"})])
def test_who_was_told_is_not_told_again_while_the_webhook_is_tried_until_it_answers(
    told: House, provider: LoopbackProvider, trouble
):
    provider.script = [trouble]
    happens(told, supervisor=[ANN])

    assert deliver_now(told) == 0
    assert the_alert(told).told == (ANN,)
    assert the_alert(told).note.startswith("webhook: ")
    assert deliver_now(told) == 0  # not at once
    it_is_time_again(told)
    assert deliver_now(told) == 1

    assert mailed(told) == [f"{ANN}@example.com"]
    assert len({post.headers["webhook-id"] for post in provider.requests}) == 1
    assert len(provider.requests) == 2


def test_a_worker_that_dies_over_it_leaves_it_to_the_next(told: House):
    happens(told)
    told.store.claim_alerts(TENANT, limit=10, lease=timedelta(seconds=-1))

    assert deliver_now(told) == 1


def test_after_three_days_it_is_given_up_and_says_why(told: House, provider: LoopbackProvider):
    provider.otherwise = lambda _: Reply(410)
    happens(told)
    told.later(seconds=KEEP_TRYING.total_seconds() + 60)

    deliver_now(told)

    assert the_alert(told).note == "given up: webhook: answered 410"
    it_is_time_again(told)
    assert deliver_now(told) == 0
    assert len(provider.requests) == 1


def test_notify_and_the_join_documents_decide_who_gets_mail(told: House):
    user(told, "usr_gone", enabled=False)
    join(told, ANN, "none")
    join(told, BOB, "email", "sms")
    happens(told, supervisor={"objects": [{"userId": ANN}, {"userId": "usr_gone"}, {"userId": "usr_nobody"}]})

    assert deliver_now(told) == 1

    assert mailed(told) == [f"{BOB}@example.com"]


def test_alerts_may_have_a_sender_of_their_own(told: House):
    told.rt.settings = told.rt.settings.model_copy(update={"alert_email_from": "alerts@example.com"})
    happens(told, supervisor=[ANN])
    deliver_now(told)

    assert told.ledger()[0]["from"] == "alerts@example.com"


def test_a_refused_mail_is_tried_again(told: House):
    told.faults(next=["refuse_429"])
    happens(told, supervisor=[ANN])

    assert deliver_now(told) == 0
    assert "usr_ann: mail not_sent" in the_alert(told).note
    it_is_time_again(told)
    assert deliver_now(told) == 1


def test_what_a_provider_says_about_an_alert_is_done_with_at_once(told: House):
    happens(told, supervisor=[ANN])
    deliver_now(told)

    alert = the_alert(told)
    news = Receipt(event_key="k", kind=ReceiptKind.DELIVERED, attempt_id=f"alert_{alert.alert_id}_{ANN}")
    entry = InboxEntry(
        tenant_id=TENANT, provider="sendgrid-email", event_key="k", payload=encode(ChannelKind.EMAIL, news)
    )
    told.store.inbox_add([entry], told.rt.now())

    apply_inbox(told.rt)

    [row] = told.inbox()
    assert row.processed_at


def test_a_run_of_a_sandbox_is_not_told_of_by_a_worker_for_the_vendors(told: House, provider: LoopbackProvider):
    happens(told, supervisor=[ANN])
    told.rt.settings = told.rt.settings.model_copy(update={"twilio_base_url": "https://api.twilio.com"})

    assert told.rt.run(alerts.deliver(told.rt)) == 0
    assert not provider.requests
