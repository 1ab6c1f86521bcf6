"""When something is away or slow: the provider is told to try again, and nothing that was answered 200 is lost."""

import asyncio
import threading
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
import requests
from sqlalchemy import event, text
from twilio.request_validator import RequestValidator

from channels.base import Callback
from channels.messages import ChannelKind
from channels.sandbox.settings import AUTH_TOKEN
from tests.api.test_callbacks import DELIVERED, sent
from tests.api.web import ANSWER, EVENTS, PUBLIC, SMS, signed_events
from tests.channels.loopback import closed_port
from tests.runtime.house import TEXT, House, person, until
from worker.runtime.intake import Intake
from worker.store.facade import Store


@pytest.fixture
def away(house, serve, tmp_path):
    """An HTTP process whose database cannot be reached."""
    if house.database_url.startswith("sqlite"):
        return serve(house, database_url=f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    return serve(house, database_url=closed_port().replace("http", "postgresql") + "/nobody")


def test_while_the_database_is_away_the_provider_is_asked_to_try_again(house, away):
    answers = [
        away.twilio(SMS, DELIVERED),
        away.events(house, {"event": "delivered", "sg_event_id": "e1"}),
        away.answer("a1", "human"),
    ]

    assert [(answer.status_code, answer.json()["type"]) for answer in answers] == [(503, "Unavailable")] * 3


def test_while_the_database_is_away_health_says_so(away):
    answer = requests.get(f"{away.url}/health", timeout=10)

    assert (answer.status_code, answer.json()["type"]) == (503, "Unavailable")
    assert "database" in answer.json()["message"]


def test_even_then_what_is_not_signed_is_refused(away):
    assert away.twilio(SMS, DELIVERED, token="somebody-elses").status_code == 403


def test_a_commit_that_may_or_may_not_have_happened_is_asked_for_again(beside, serve, postgres_url, tmp_path):
    house = House(postgres_url, beside, tmp_path, public_url=PUBLIC)
    web = serve(house)
    with house.store.engine.begin() as conn:
        conn.execute(
            text(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
            )
        )
        conn.execute(
            text(
                "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON inbox DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION die()"
            )
        )

    assert web.twilio(SMS, DELIVERED).status_code == 503
    with house.store.engine.begin() as conn:
        conn.execute(text("DROP TRIGGER die ON inbox"))
    assert web.twilio(SMS, DELIVERED).status_code == 200
    assert len(house.inbox()) == 1
    house.close()


def test_a_channel_that_is_not_set_up_can_verify_nothing(open_house, serve):
    house = open_house(public_url=PUBLIC, twilio_auth_token="", sendgrid_api_key="")
    web = serve(house)

    assert web.twilio(SMS, DELIVERED).status_code == 403
    assert web.twilio(f"{ANSWER}?attempt=a1", DELIVERED).status_code == 403
    assert web.post(EVENTS, b"[]", signed_events(house, b"[]")).status_code == 403


def test_a_slow_broker_holds_up_no_callback(house, serve):
    over, hinted = threading.Event(), []

    def slow(hint):
        hinted.append(hint)
        assert over.wait(10)

    web = serve(house, hint=slow)
    for number in range(40):
        assert web.twilio(SMS, DELIVERED | {"MessageSid": f"SM{number}"}).status_code == 200
    assert len(house.inbox()) == 40
    over.set()


def test_callbacks_that_arrive_together_share_a_commit(house):
    rt = house.runtime()
    written = []
    event.listen(rt.store.engine, "before_cursor_execute", lambda *call: written.append(call[2]))

    async def take_all():
        intake = Intake(rt)
        channel = rt.channel(ChannelKind.SMS)
        await asyncio.gather(*(intake.take(channel, _callback(n)) for n in range(300)))

    rt.run(take_all())

    assert len([one for one in written if one.startswith("INSERT INTO inbox")]) == 1
    assert len(house.inbox()) == 300


def _callback(number):
    url, form = f"{PUBLIC}{SMS}?attempt=a{number}", {"MessageSid": f"SM{number}", "MessageStatus": "delivered"}
    signature = RequestValidator(AUTH_TOKEN).compute_signature(url, form)
    return Callback(
        url=url,
        headers={"x-twilio-signature": signature},
        body=urlencode(form).encode(),
        received_at=datetime.now(UTC),
    )


def test_a_stop_holds_from_the_moment_it_was_answered_whoever_applies_it_and_when(house, web):
    house.launch(TEXT)
    house.advance()

    assert web.inbound(person(0).phone, "STOP").status_code == 200
    house.dispatch()

    assert (house.ledger(), house.message().disposition) == ([], "SUPPRESSED_DNC")


def test_a_stop_that_is_delivered_again_after_a_start_does_not_hold_again(house, web):
    web.inbound(person(0).phone, "STOP", sid="SM1")
    web.inbound(person(0).phone, "START", sid="SM2")
    house.tick_only()
    web.inbound(person(0).phone, "STOP", sid="SM1")

    house.launch(TEXT)
    house.tick_only()

    assert len(house.ledger()) == 1


def test_news_that_cannot_be_read_stops_nobody(house, web):
    attempt_id = sent(house)
    web.text_status("a1", "delivered", sid="SM0")
    with house.store.engine.begin() as conn:
        conn.execute(text("""UPDATE inbox SET payload = '{"channel": "pigeon"}'"""))
    web.text_status(attempt_id, "delivered")

    house.tick_only()

    assert house.status() == "completed"
    assert sorted((row.processed_at is None, row.note) for row in house.inbox()) == [
        (False, ""),
        (True, "cannot be applied: KeyError; see the log"),
    ]


def test_a_database_that_comes_back_is_found_again(house, serve):
    web = serve(house)
    onlooker = Store(house.database_url)
    with onlooker.engine.begin() as conn:
        conn.execute(text("ALTER TABLE inbox RENAME TO gone"))
    assert web.twilio(SMS, DELIVERED).status_code == 503
    with onlooker.engine.begin() as conn:
        conn.execute(text("ALTER TABLE gone RENAME TO inbox"))
    onlooker.close()

    assert web.twilio(SMS, DELIVERED).status_code == 200
    until(house.inbox)
