"""Calls, through the vendor's own SDK."""

import pytest
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import VoiceResponse

from channels.sandbox.settings import AUTH_TOKEN
from channels.sandbox.twiml import BadTwiml, listen

OURS = "+12125550100"
SOMEBODY = "+14155552671"
ALL_EVENTS = ["initiated", "ringing", "answered", "completed"]
HELLO = "<Response><Say>Hello, this is a call</Say></Response>"


def test_a_call_is_dialed_rings_is_answered_and_completed(open_sandbox, receiver, until):
    twilio = open_sandbox().twilio()
    url = f"{receiver.url}/call?attempt=a1"
    call = twilio.calls.create(
        to=SOMEBODY, from_=OURS, twiml=HELLO, status_callback=f"{url}#rc=3", status_callback_event=ALL_EVENTS
    )
    assert (call.status, call.queue_time) == ("queued", "0")
    until(lambda: len(receiver.received) == 4)
    for told in receiver.received:
        assert told.url == url
        assert RequestValidator(AUTH_TOKEN).validate(told.url, told.form, told.headers["X-Twilio-Signature"])
    forms = sorted(receiver.forms("/call"), key=lambda form: int(form["SequenceNumber"]))
    assert [form["CallStatus"] for form in forms] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in forms] == ["0", "1", "2", "3"]
    assert int(forms[-1]["CallDuration"]) >= 1
    assert (forms[-1]["SipResponseCode"], forms[-1]["CallbackSource"]) == ("200", "call-progress-events")
    over = twilio.calls(call.sid).fetch()
    assert (over.status, int(over.duration)) == ("completed", int(forms[-1]["CallDuration"]))
    assert [c.sid for c in twilio.calls.list(to=SOMEBODY, status="completed")] == [call.sid]
    assert twilio.calls.list(to=SOMEBODY, status="busy") == []


@pytest.mark.parametrize(
    ("number", "end"),
    [
        ("+14155552879", ("busy", "486", "0")),
        ("+14155556626", ("no-answer", "487", "0")),
        ("+14155553245", ("failed", "503", "0")),
        ("+14155530005", ("failed", "404", "0")),
    ],
)
def test_a_call_that_is_not_answered_ends_with_its_reason_in_the_completed_event(
    open_sandbox, receiver, until, number, end
):
    twilio = open_sandbox().twilio()
    call = twilio.calls.create(to=number, from_=OURS, twiml=HELLO, status_callback=f"{receiver.url}/call", timeout=10)
    [form] = until(lambda: receiver.forms("/call"))
    assert (form["CallStatus"], form["SipResponseCode"], form["CallDuration"]) == end
    assert twilio.calls(call.sid).fetch().status == end[0]


@pytest.mark.parametrize(
    ("asked", "answered_by"),
    [
        (("+14155552671", "Enable"), "human"),
        (("+14155556224", "Enable"), "machine_start"),
        (("+14155556224", "DetectMessageEnd"), "machine_end_beep"),
        (("+14155553290", "Enable"), "fax"),
        (("+14155558656", "DetectMessageEnd"), "unknown"),
    ],
)
def test_what_to_say_is_fetched_signed_once_it_is_known_who_answered(open_sandbox, receiver, until, asked, answered_by):
    twilio = open_sandbox().twilio()
    call = twilio.calls.create(
        to=asked[0],
        from_=OURS,
        url=f"{receiver.url}/twiml?attempt=a1",
        status_callback=f"{receiver.url}/call",
        machine_detection=asked[1],
    )
    until(lambda: receiver.forms("/call"))
    [fetch] = [told for told in receiver.received if told.path == "/twiml"]
    assert (fetch.form["AnsweredBy"], fetch.form["CallStatus"]) == (answered_by, "in-progress")
    assert RequestValidator(AUTH_TOKEN).validate(fetch.url, fetch.form, fetch.headers["X-Twilio-Signature"])
    assert receiver.forms("/call")[0]["AnsweredBy"] == answered_by
    assert twilio.calls(call.sid).fetch().answered_by == answered_by


def test_asynchronous_detection_starts_talking_at_once_and_tells_later(open_sandbox, receiver, until):
    receiver.twiml = "<Response><Pause length='20'/></Response>"
    open_sandbox().twilio().calls.create(
        to="+14155556224",
        from_=OURS,
        url=f"{receiver.url}/twiml",
        machine_detection="Enable",
        async_amd="true",
        async_amd_status_callback=f"{receiver.url}/amd",
    )
    [amd] = until(lambda: receiver.forms("/amd"))
    assert (amd["AnsweredBy"], amd["MachineDetectionDuration"]) == ("machine_start", "3000")
    assert "AnsweredBy" not in receiver.forms("/twiml")[0]


def test_only_the_completed_event_is_told_unless_more_is_asked_for(open_sandbox, receiver, until):
    sandbox = open_sandbox()
    url = f"{receiver.url}/call"
    sandbox.twilio().calls.create(to=SOMEBODY, from_=OURS, twiml=HELLO, status_callback=url)
    until(lambda: sandbox.lines("callback"))
    assert [form["CallStatus"] for form in receiver.forms("/call")] == ["completed"]


@pytest.mark.parametrize(
    "twiml", ["<Response><Say>Hello</Response>", "<Answer/>", "<Response><Shout/></Response>", "Hello"]
)
def test_twiml_that_cannot_be_run_is_noted_in_the_ledger(open_sandbox, until, twiml):
    sandbox = open_sandbox()
    sandbox.twilio().calls.create(to=SOMEBODY, from_=OURS, twiml=twiml)
    [fault] = until(lambda: [line for line in sandbox.lines("status") if line["status"] == "twiml"])
    assert fault["code"] == 12100
    until(lambda: [line for line in sandbox.lines("status") if line["final"]])


def test_twiml_that_cannot_be_fetched_falls_back(open_sandbox, receiver, until):
    sandbox = open_sandbox()
    sandbox.twilio().calls.create(
        to=SOMEBODY, from_=OURS, url="http://127.0.0.1:9/", fallback_url=f"{receiver.url}/twiml"
    )
    until(lambda: [line for line in sandbox.lines("status") if line["status"] == "completed"])
    assert len(receiver.forms("/twiml")) == 1


def test_everything_the_vendors_twiml_builder_writes_can_be_listened_to():
    response = VoiceResponse()
    response.say("One two three four five")
    gather = response.gather(num_digits=1, timeout=7)
    gather.say("Press one")
    assert listen(str(response)) == pytest.approx(1 + 5 * 0.4 + 2 * 0.4 + 7)
    response.hangup()
    response.pause(length=100)
    assert listen(str(response)) < 20, "nothing after a hang-up is listened to"
    with pytest.raises(BadTwiml, match="line 1"):
        listen("<Response>")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": "12"}, 21211),
        ({"from_": "SHOP"}, 21212),
        ({"from_": "+12125550199"}, 21210),
        ({"twiml": None}, 21205),
        ({"twiml": None, "url": "mailto:x"}, 21205),
        ({"twiml": f"<Response>{'x' * 4000}</Response>"}, 20001),
        ({"machine_detection": "yes"}, 20001),
        ({"send_digits": "call me"}, 20001),
        ({"timeout": 601}, 20001),
        ({"status_callback_event": ["finished"]}, 21626),
        ({"to": "+14155521408"}, 21215),
    ],
)
def test_a_bad_call_is_refused_and_nobody_is_called(open_sandbox, refusal, change, code):
    sandbox = open_sandbox(senders=frozenset({OURS}))
    good = {"to": SOMEBODY, "from_": OURS, "twiml": HELLO}
    wanted = {name: value for name, value in {**good, **change}.items() if value is not None}
    refused = refusal(lambda: sandbox.twilio().calls.create(**wanted))
    assert (refused.status, refused.code) == (400, code)
    assert sandbox.lines("accepted") == []


def test_a_call_can_be_canceled_hung_up_and_redirected(open_sandbox, receiver, until, refusal):
    twilio = open_sandbox(speed=20.0).twilio()
    long = "<Response><Pause length='1000'/></Response>"
    queued = twilio.calls.create(to=SOMEBODY, from_=OURS, twiml=long)
    assert twilio.calls(queued.sid).update(status="canceled").status == "canceled"
    assert refusal(lambda: twilio.calls(queued.sid).update(twiml=HELLO)).code == 21220
    live = twilio.calls.create(to=SOMEBODY, from_=OURS, twiml=long)
    until(lambda: twilio.calls(live.sid).fetch().status == "in-progress")
    assert twilio.calls(live.sid).update(status="canceled").status == "in-progress", "too late to cancel"
    assert twilio.calls(live.sid).update(url=f"{receiver.url}/twiml").status == "in-progress"
    until(lambda: twilio.calls(live.sid).fetch().status == "completed")
    assert len(receiver.forms("/twiml")) == 1
    another = twilio.calls.create(to=SOMEBODY, from_=OURS, twiml=long)
    until(lambda: twilio.calls(another.sid).fetch().status == "in-progress")
    assert twilio.calls(another.sid).update(status="completed").status == "completed"
    assert twilio.calls(another.sid).delete()
