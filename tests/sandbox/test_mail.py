"""Mail, through the vendor's own SDK."""

import json
import time
from collections import Counter

import pytest
import requests
from python_http_client.exceptions import BadRequestsError, ForbiddenError, UnauthorizedError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import CustomArg, Email, Mail, Personalization, To

from channels.sandbox.settings import API_KEY

SENDER = "news@shop.example"


def mail(*addresses, **parts):
    """A request as a plain document: one personalization an address, its number as the attempt."""
    document = {
        "from": {"email": SENDER},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hello there"}],
        "personalizations": [
            {"to": [{"email": address}], "custom_args": {"attempt": f"a{number}"}}
            for number, address in enumerate(addresses)
        ],
    }
    return {**document, **parts}


@pytest.fixture
def send():
    """Send a document with the vendor's client."""

    def send_one(sandbox, document, key=API_KEY):
        return SendGridAPIClient(key, host=sandbox.url).send(document)

    return send_one


@pytest.fixture
def events(receiver):
    """All events received so far, in order of arrival."""
    return lambda: [
        event for call in list(receiver.received) if call.path == "/events" for event in json.loads(call.body)
    ]


@pytest.fixture
def told(until, events):
    """Wait for events of these names, and return all events."""
    return lambda *names: until(lambda: {event["event"] for event in events()} >= set(names) and events())


@pytest.fixture
def field_at_fault(send):
    """The field SendGrid names for a document it refuses."""

    def catch(sandbox, document):
        with pytest.raises(BadRequestsError) as caught:
            send(sandbox, document)
        [error] = caught.value.to_dict["errors"]
        return error["field"]

    return catch


def test_a_mail_built_with_the_vendors_helpers_is_accepted_then_told_in_signed_batches(
    open_sandbox, receiver, until, events
):
    sandbox = open_sandbox()
    letter = Mail(from_email=SENDER, subject="Hello", plain_text_content="Hi", html_content="<p>Hi</p>")
    for number in range(3):
        person = Personalization()
        person.add_to(To(f"person{number}@example.com", "A Person"))
        person.add_custom_arg(CustomArg("attempt", f"a{number}"))
        letter.add_personalization(person)
    response = SendGridAPIClient(API_KEY, host=sandbox.url).send(letter)
    assert (response.status_code, response.body) == (202, b"")
    message_id = response.headers.get("X-Message-Id")
    until(lambda: len(events()) == 6)
    public_key = requests.get(f"{sandbox.url}/sandbox/keys", timeout=5).json()["sendgrid_public_key"]
    assert public_key == sandbox.running.sendgrid_public_key
    for call in receiver.received:
        signature = call.headers["X-Twilio-Email-Event-Webhook-Signature"]
        timestamp = call.headers["X-Twilio-Email-Event-Webhook-Timestamp"]
        webhook = EventWebhook(public_key)
        assert webhook.verify_signature(call.body.decode(), signature, timestamp)
        assert not webhook.verify_signature(call.body.decode().strip(), signature, timestamp), "CRLF is signed too"
    told = {(event["email"], event["event"], event["attempt"]) for event in events()}
    assert told == {
        (f"person{number}@example.com", word, f"a{number}")
        for number in range(3)
        for word in ("processed", "delivered")
    }
    assert {event["sg_message_id"].partition(".")[0] for event in events()} == {message_id}
    assert len({event["sg_event_id"] for event in events()}) == 6


@pytest.mark.parametrize(
    ("word", "story"),
    [
        ("bounce", ["processed", "bounce"]),
        ("blocked", ["processed", "bounce"]),
        ("dropped", ["dropped"]),
        ("deferred", ["processed", "deferred", "delivered"]),
        ("late", ["processed", "delivered", "bounce"]),
        ("opens", ["processed", "delivered", "open"]),
        ("clicks", ["processed", "delivered", "open", "click"]),
        ("unsubscribe", ["processed", "delivered", "open", "unsubscribe"]),
        ("spam", ["processed", "delivered", "spamreport"]),
        ("silent", ["processed"]),
    ],
)
def test_a_mailbox_behaves_as_its_name_says(open_sandbox, send, told, word, story):
    sandbox = open_sandbox()
    send(sandbox, mail(f"ann+{word}@example.com"))
    events = told(*story)
    assert len(events) == len(sandbox.lines("status")) == len(story)
    last = next(event for event in events if event["event"] == story[-1])
    assert last.get("type") == {"bounce": "bounce", "blocked": "blocked", "late": "bounce"}.get(word)
    assert ("sg_message_id" in last) == (word != "late"), "a late bounce has lost its message id"


@pytest.mark.parametrize("address", ["bounce@example.com", "bounce.17@example.com", "x+BOUNCE@example.com"])
def test_the_word_may_be_the_mailbox_its_beginning_or_its_tag(open_sandbox, send, told, address):
    send(open_sandbox(), mail(address))
    assert told("bounce")


@pytest.mark.parametrize(
    ("word", "reason"),
    [("bounce", "Bounced Address"), ("unsubscribe", "Unsubscribed Address"), ("spam", "Spam Reporting Address")],
)
def test_a_suppressed_address_is_accepted_then_dropped(open_sandbox, send, told, word, reason):
    sandbox, address = open_sandbox(), f"ann+{word}@example.com"
    send(sandbox, mail(address))
    told({"spam": "spamreport"}.get(word, word))
    assert send(sandbox, mail(address)).status_code == 202
    [dropped] = [event for event in told("dropped") if event["event"] == "dropped"]
    assert dropped["reason"] == reason


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (mail("a@example.com", "b@example.com", "no address"), "personalizations.2.to.0.email"),
        (mail("A@example.com", "b@example.com", "a@example.com"), "personalizations.2"),
        (mail(*(f"p{n}@example.com" for n in range(1001))), "personalizations"),
        (mail(), "personalizations"),
        (mail("a@example.com", content=[]), "content"),
        (mail("a@example.com", content=[{"type": "text/plain", "value": ""}]), "content.0.value"),
        (mail("a@example.com", subject=""), "personalizations.0.subject"),
        (mail("a@example.com", headers={"Subject": "x"}), "headers"),
        (mail("a@example.com", send_at=int(time.time()) + 80 * 3600), "send_at"),
        (mail("a@example.com", custom_args={"attempt": "x" * 10_001}), "custom_args"),
        (mail("a@example.com", colour="red"), "colour"),
        (mail("a@example.com") | {"from": {"email": "news"}}, "from.email"),
        ({"subject": "Hello"}, "personalizations"),
    ],
)
def test_one_fault_refuses_the_whole_request_and_names_the_field(open_sandbox, field_at_fault, document, field):
    sandbox = open_sandbox()
    assert field_at_fault(sandbox, document) == field
    assert sandbox.lines("accepted") == []


def test_a_thousand_people_are_mailed_in_one_request_and_each_is_in_the_ledger(open_sandbox, send):
    sandbox = open_sandbox(speed=1.0)
    send(sandbox, mail(*(f"p{n}@example.com" for n in range(1000))))
    accepted = sandbox.lines("accepted")
    assert len(accepted) == 1000
    assert {line["attempt"] for line in accepted} == {f"a{n}" for n in range(1000)}


def test_wrong_key_wrong_sender_and_wrong_type_are_refused(open_sandbox, send):
    sandbox = open_sandbox(senders=frozenset({SENDER}))
    with pytest.raises(UnauthorizedError):
        send(sandbox, mail("a@example.com"), key="SG.wrong")
    with pytest.raises(ForbiddenError):
        send(sandbox, mail("a@example.com") | {"from": {"email": "other@shop.example"}})
    url, key = f"{sandbox.url}/v3/mail/send", {"Authorization": f"Bearer {API_KEY}"}
    assert requests.post(url, data=b"x", headers=key, timeout=5).status_code == 415
    for body in (b"{", b"[]"):
        broken = requests.post(url, data=body, headers={**key, "Content-Type": "application/json"}, timeout=5)
        assert (broken.status_code, broken.json()["errors"][0]["field"]) == (400, None)


def test_a_request_over_thirty_megabytes_meets_the_web_server_before_the_api(open_sandbox):
    sandbox = open_sandbox()
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    answer = requests.post(f"{sandbox.url}/v3/mail/send", data=b"x" * 31_500_000, headers=headers, timeout=10)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("text/html")


def test_the_vendors_own_sandbox_mode_checks_and_delivers_nothing(open_sandbox, send):
    sandbox = open_sandbox()
    settings = {"sandbox_mode": {"enable": True}}
    assert send(sandbox, mail("a@example.com", mail_settings=settings)).status_code == 200
    assert sandbox.lines("accepted") == []


def test_mail_for_later_is_not_processed_before(open_sandbox, send, told):
    sandbox = open_sandbox()
    assert send(sandbox, mail("a@example.com", send_at=int(time.time()) + 60 * 3600)).status_code == 202
    send(sandbox, mail("b@example.com"))
    assert {event["email"] for event in told("delivered")} == {"b@example.com"}
    assert len(sandbox.lines("accepted")) == 2


def test_the_ledger_names_the_mails_a_batch_tells_of(open_sandbox, send, until):
    sandbox = open_sandbox()
    send(sandbox, mail("ann+deferred@example.com", "bob@example.com"))
    until(lambda: sum(line["events"] for line in sandbox.lines("callback")) == 5)
    told = Counter(attempt for line in sandbox.lines("callback") for attempt in line["attempts"])
    assert told == {"a0": 3, "a1": 2}


def test_events_are_posted_again_until_they_are_taken(open_sandbox, send, receiver, until):
    sandbox = open_sandbox()
    receiver.answers.extend([500, 404])
    send(sandbox, mail("ann+silent@example.com"))
    until(lambda: [line for line in sandbox.lines("callback") if line["http"] == 204])
    first, second, third = receiver.received
    assert first.body == second.body == third.body


def test_the_key_pair_outlives_a_restart_and_can_be_given(open_sandbox, tmp_path):
    first, second = open_sandbox(), open_sandbox()
    assert first.running.sendgrid_public_key == second.running.sendgrid_public_key
    assert (tmp_path / "sendgrid_public_key.txt").read_text().strip() == first.running.sendgrid_public_key
    pem = (tmp_path / "sendgrid_private_key.pem").read_text()
    assert open_sandbox(data_dir=tmp_path / "other", sendgrid_private_key=pem).running.sendgrid_public_key == (
        first.running.sendgrid_public_key
    )


def test_a_cc_is_a_recipient_of_its_own(open_sandbox):
    sandbox = open_sandbox()
    letter = Mail(from_email=SENDER, to_emails="a@example.com", subject="Hello", plain_text_content="Hi")
    letter.personalizations[0].add_cc(Email("c@example.com"))
    SendGridAPIClient(API_KEY, host=sandbox.url).send(letter)
    assert [line["to"] for line in sandbox.lines("accepted")] == ["a@example.com", "c@example.com"]
