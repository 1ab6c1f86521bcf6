"""The adapters and the sandbox, which were written apart: what one sends the other takes, and the other way round."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from channels.base import Callback, Channel
from channels.messages import Call, Email, MachineDetection, Sms, Speech
from channels.registry import build
from channels.results import AnsweredBy, Certainty, Keyword, Reason, Receipt, ReceiptKind, Reply
from channels.sandbox import SandboxSettings, start
from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN
from channels.vendors.sendgrid import SendGridSettings
from channels.vendors.twilio import TwilioSettings
from channels.voice.twiml import answer_twiml

pytestmark = pytest.mark.anyio

OURS = "+15555550100"
KINDS = {"sms": "twilio-sms", "voice": "twilio-voice", "answer": "twilio-voice", "events": "sendgrid-email"}


@dataclass
class House:
    """Our side: the three adapters, and an HTTP server that gives them their callbacks."""

    channels: dict[str, Channel] = field(default_factory=dict)
    news: list[Receipt | Reply] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        last = request.path.rpartition("/")[2]
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = self.url + request.raw_path
        callback = Callback(url=url, headers=headers, body=await request.read(), received_at=datetime.now(UTC))
        news = self.channels[KINDS[last]].receive(callback)
        async with self.arrived:
            self.news += news
            self.arrived.notify_all()
        if last == "answer":
            document = answer_twiml(self.calls[news[0].attempt_id], news[0].answered_by)
            return web.Response(text=document, content_type="text/xml")
        return web.Response(status=204)

    async def heard(self, kind: ReceiptKind, attempt_id: str) -> Receipt:
        def wanted():
            return [
                one
                for one in self.news
                if isinstance(one, Receipt) and (one.kind, one.attempt_id) == (kind, attempt_id)
            ]

        async with asyncio.timeout(10), self.arrived:
            await self.arrived.wait_for(wanted)
        return wanted()[0]


@pytest.fixture
async def house(tmp_path):
    house = House()
    app = web.Application()
    app.router.add_post("/webhooks/{vendor}/{what}", house.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    house.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    hooks = f"{house.url}/webhooks"
    sandbox = await start(
        SandboxSettings(
            data_dir=tmp_path,
            speed=100,
            sms_inbound_url=f"{hooks}/twilio/sms",
            sendgrid_events_url=f"{hooks}/sendgrid/events",
        )
    )
    twilio = TwilioSettings(
        account_sid=ACCOUNT_SID, auth_tokens=(AUTH_TOKEN,), public_url=house.url, base_url=sandbox.url
    )
    sendgrid = SendGridSettings(
        api_key=API_KEY, webhook_public_keys=(sandbox.sendgrid_public_key,), base_url=sandbox.url
    )
    for name in set(KINDS.values()):
        house.channels[name] = build(name, sendgrid if name == "sendgrid-email" else twilio)
    yield house
    for channel in house.channels.values():
        await channel.close()
    await sandbox.stop()
    await runner.cleanup()


def a_text(to: str, attempt_id: str = "a1") -> Sms:
    return Sms(attempt_id=attempt_id, to=to, sender=OURS, body="Ünï text", validity_seconds=600)


async def test_a_text_is_taken_delivered_and_found(house):
    sms, since = house.channels["twilio-sms"], datetime.now(UTC)

    [result] = await sms.send([a_text("+12025550142")])
    receipt = await house.heard(ReceiptKind.DELIVERED, "a1")
    sighting = await sms.find(a_text("+12025550142"), since=since)
    absent = await sms.find(a_text("+12025550143"), since=since)
    later = await sms.find(a_text("+12025550142"), since=since + timedelta(minutes=11))

    assert result.certainty is Certainty.ACCEPTED
    assert receipt.provider_ref == result.provider_ref == sighting.provider_ref
    assert sighting.receipt.event_key == receipt.event_key
    assert (absent.seen, later.seen) == (False, False)


@pytest.mark.parametrize(("ends", "reason"), [("30003", Reason.UNREACHABLE), ("30006", Reason.LANDLINE)])
async def test_a_text_that_is_not_delivered_says_why(house, ends, reason):
    await house.channels["twilio-sms"].send([a_text(f"+120255{ends}")])

    assert (await house.heard(ReceiptKind.FAILED, "a1")).reason is reason


async def test_who_answers_stop_is_refused_from_then_on(house):
    sms = house.channels["twilio-sms"]
    await sms.send([a_text("+12025557867")])
    async with asyncio.timeout(10), house.arrived:
        await house.arrived.wait_for(lambda: any(isinstance(one, Reply) for one in house.news))
    [reply] = [one for one in house.news if isinstance(one, Reply)]

    [result] = await sms.send([a_text("+12025557867", "a2")])

    assert (reply.sender, reply.to, reply.keyword) == ("+12025557867", OURS, Keyword.STOP)
    assert (result.certainty, result.reason) == (Certainty.REFUSED, Reason.OPTED_OUT)


@pytest.mark.parametrize(
    ("to", "detection", "answered_by"),
    [
        ("+12025550142", MachineDetection.OFF, AnsweredBy.NOBODY_ASKED),
        ("+12025550142", MachineDetection.HANG_UP, AnsweredBy.HUMAN),
        ("+12025556224", MachineDetection.HANG_UP, AnsweredBy.MACHINE),
        ("+12025556224", MachineDetection.LEAVE_MESSAGE, AnsweredBy.MACHINE_MESSAGE_LEFT),
        ("+12025553290", MachineDetection.HANG_UP, AnsweredBy.FAX),
    ],
)
async def test_a_call_says_what_it_should_and_tells_who_answered(house, to, detection, answered_by):
    voicemail = Speech(text="Please call back")
    call = Call(
        attempt_id="c1",
        to=to,
        sender=OURS,
        speech=Speech(text="Hello"),
        machine_detection=detection,
        voicemail=voicemail,
    )
    house.calls["c1"] = call

    [result] = await house.channels["twilio-voice"].send([call])
    answered = await house.heard(ReceiptKind.ANSWERED, "c1")
    completed = await house.heard(ReceiptKind.COMPLETED, "c1")

    assert result.certainty is Certainty.ACCEPTED
    assert answered.answered_by is completed.answered_by is answered_by
    assert (
        await house.channels["twilio-voice"].find(call, since=datetime.now(UTC) - timedelta(minutes=1))
    ).seen is True


@pytest.mark.parametrize(("ends", "reason"), [("2879", Reason.BUSY), ("6626", Reason.NO_ANSWER)])
async def test_a_call_that_reaches_nobody_says_why(house, ends, reason):
    call = Call(attempt_id="c1", to=f"+1202555{ends}", sender=OURS, speech=Speech(text="Hello"))

    await house.channels["twilio-voice"].send([call])

    assert (await house.heard(ReceiptKind.FAILED, "c1")).reason is reason


async def test_mails_share_a_request_and_each_has_its_own_news(house):
    people = ("ann", "bounce", "blocked", "opens", "clicks", "unsubscribe", "spam")
    mails = [
        Email(
            attempt_id=f"m-{name}",
            to=f"{name}@example.com",
            sender="us@example.com",
            subject=f"For {name}",
            text=f"Dear {name}\nhi",
            html=f"<p>Dear {name}</p>",
            headers={"List-Unsubscribe": f"<https://x.example.com/{name}>"},
        )
        for name in people
    ]

    results = await house.channels["sendgrid-email"].send(mails)

    assert {result.certainty for result in results} == {Certainty.ACCEPTED}
    assert (await house.heard(ReceiptKind.DELIVERED, "m-ann")).provider_ref == ""  # the request's id names no one mail
    assert (await house.heard(ReceiptKind.FAILED, "m-bounce")).reason is Reason.INVALID_ADDRESS
    assert (await house.heard(ReceiptKind.FAILED, "m-blocked")).reason is Reason.BLOCKED
    assert await house.heard(ReceiptKind.OPENED, "m-opens")
    assert await house.heard(ReceiptKind.CLICKED, "m-clicks")
    assert (await house.heard(ReceiptKind.OPTED_OUT, "m-unsubscribe")).reason is Reason.OPTED_OUT
    assert (await house.heard(ReceiptKind.OPTED_OUT, "m-spam")).code == "spamreport"
