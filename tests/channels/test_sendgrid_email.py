"""Mail through SendGrid: the contract, and how many people share a request."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from channels.messages import Email, Sms
from channels.results import Certainty, Reason
from tests.channels import sendgrid_dialect as sendgrid
from tests.channels.contract import ChannelContract
from tests.channels.contract_hooks import SECRETS
from tests.channels.loopback import Reply, json_reply
from tests.channels.sendgrid_dialect import a_mail, accepted, fault, told

pytestmark = pytest.mark.anyio


class TestSendGridEmail(ChannelContract):
    name = "sendgrid-email"
    words = frozenset(
        {
            *("processed", "deferred", "delivered", "bounce", "dropped", "open", "click"),
            *("spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe"),
        }
    )
    inbound_words = frozenset({"group_resubscribe"})

    def settings(self, base_url, **changes):
        return sendgrid.settings(base_url, **changes)

    def message(self, number=1):
        return a_mail(number)

    def apart(self, count):
        return [replace(a_mail(number), sender=f"sender{number}@example.com") for number in range(count)]

    def foreign(self):
        return Sms(attempt_id="s", to="+15555550142", sender="+15555550100", body="Dear Ann")

    def welcome(self, request):
        return json_reply(200, {"scopes": ["mail.send", "mail.batch.read"]})

    def accepts(self, request):
        return accepted(request)

    def refusal(self):
        return fault("personalizations.0.to.0.email"), Reason.INVALID_ADDRESS, "400"

    def throttle(self, request, seconds):
        return json_reply(429, {"errors": []}, X_RateLimit_Reset=str(int(time.time()) + seconds))

    def attempts_on_wire(self, request):
        return sendgrid.attempts_on_wire(request)

    def callback(self, word, attempt_id="attempt-1", key=0):
        return told({"event": word, "sg_event_id": f"id-{word}"}, attempt_id, key=key)


def read_back(request: dict) -> dict[str, tuple[str, ...]]:
    """What each person of a request reads: address -> subject, text, html, as SendGrid substitutes in all three."""
    bodies = {content["type"]: content["value"] for content in request["content"]}
    read = {}
    for one in request["personalizations"]:
        texts = one.get("subject", request["subject"]), bodies.get("text/plain", ""), bodies.get("text/html", "")
        for tag, value in one.get("substitutions", {}).items():
            texts = tuple(text.replace(tag, value) for text in texts)
        read[one["to"][0]["email"]] = texts
    return read


async def test_what_is_on_the_wire(provider):
    provider.otherwise = accepted
    mail = a_mail(
        to_name="Ann",
        sender_name="Us",
        reply_to="re@example.com",
        html="<p>hi</p>",
        headers={"List-Unsubscribe": "<u>"},
    )

    await sendgrid.send(provider, mail)

    [request] = provider.requests
    assert (request.method, request.target) == ("POST", "/v3/mail/send")
    assert request.headers["authorization"] == f"Bearer {SECRETS[1]}"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "personalizations": [
            {
                "to": [{"email": mail.to, "name": "Ann"}],
                "custom_args": {"attempt_id": "attempt-1"},
                "headers": {"List-Unsubscribe": "<u>"},
            }
        ],
        "from": {"email": "us@example.com", "name": "Us"},
        "reply_to": {"email": "re@example.com"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": "<p>hi</p>"}],
    }


def personal(number: int) -> Email:
    html = (
        f"<html><p>Dear {number} &gt; you</p><p>{'all the same ' * 500}</p><a href='https://x/{number}'>go</a></html>"
    )
    return a_mail(number, subject=f"For {number}", text=f"Dear {number}\ncommon\nbye {number}", html=html)


async def test_bodies_of_one_template_share_a_request_and_everybody_reads_their_own(provider):
    provider.otherwise = accepted
    mails = [personal(number) for number in range(1000)]

    results = await sendgrid.send(provider, *mails)

    [request] = provider.requests
    assert {result.certainty for result in results} == {Certainty.ACCEPTED}
    assert read_back(request.json) == {mail.to: (mail.subject, mail.text, mail.html) for mail in mails}
    assert len(request.body) < 600_000  # bodies of 6,500 characters each, and what is common travels once


async def test_a_request_holds_a_thousand_at_most(provider):
    provider.otherwise = accepted

    await sendgrid.send(provider, *(a_mail(number) for number in range(1001)))

    assert sorted(len(request.json["personalizations"]) for request in provider.requests) == [1, 1000]


async def test_an_address_is_in_a_request_once(provider):
    provider.otherwise = accepted
    again = [
        a_mail(number, to=to)
        for number, to in enumerate(["ann@x.example.com", "Ann@X.example.com", "bob@x.example.com"])
    ]

    results = await sendgrid.send(provider, *again)

    assert sorted(len(request.json["personalizations"]) for request in provider.requests) == [1, 2]
    assert len({result.provider_ref for result in results}) == 3


async def test_who_differs_in_more_than_substitutions_hold_travels_alone(provider):
    provider.otherwise = accepted
    mails = [a_mail(1), a_mail(2, text="ü" * 5000 + "\n\nhi"), a_mail(3)]

    await sendgrid.send(provider, *mails)

    assert sorted(len(request.json["personalizations"]) for request in provider.requests) == [1, 2]
    read = {to: texts for request in provider.requests for to, texts in read_back(request.json).items()}
    assert read == {mail.to: (mail.subject, mail.text, mail.html) for mail in mails}
    for request in provider.requests:
        for one in request.json["personalizations"]:
            size = sum(len(tag) + len(value.encode()) for tag, value in one.get("substitutions", {}).items())
            assert size <= 10_000


@pytest.mark.parametrize(
    "look_alike",
    [
        {"text": "Dear {0}\n-@t0@-\nhi"},
        {"html": "<b>{0}</b>-@h1@-<i>"},
        {"subject": "-@t0@-", "text": "Dear {0}\nhi"},
    ],
)
async def test_what_looks_like_a_tag_is_sent_as_it_is(provider, look_alike):
    provider.otherwise = accepted
    mails = [a_mail(n, **{name: value.format(n) for name, value in look_alike.items()}) for n in range(3)]

    await sendgrid.send(provider, *mails)

    read = {to: texts for request in provider.requests for to, texts in read_back(request.json).items()}
    assert read == {mail.to: (mail.subject, mail.text, mail.html) for mail in mails}


async def test_mails_of_different_senders_do_not_share(provider):
    provider.otherwise = accepted

    await sendgrid.send(
        provider, a_mail(1), a_mail(2, sender="others@example.com"), a_mail(3, reply_to="re@example.com")
    )

    assert len(provider.requests) == 3


async def test_a_reference_names_the_request_and_the_place_in_it(provider):
    provider.script = [Reply(202, b"", {"X-Message-Id": "abc"}), Reply(202, b"", {"X-Message-Id": "def"})]

    shared = await sendgrid.send(provider, a_mail(1), a_mail(2))
    [single] = await sendgrid.send(provider, a_mail(3))

    assert [result.provider_ref for result in shared] == ["abc/0", "abc/1"]
    assert single.provider_ref == "def"  # what events call it too


async def test_sendgrid_cannot_be_asked(provider):
    async with sendgrid.channel(provider.url) as channel:
        assert (await channel.find(a_mail(), since=datetime.now(UTC))).seen is None
        assert channel.can.lookup is False
