from dataclasses import replace

import pytest

from channels.messages import Call, ChannelKind, Email, MachineDetection, Sms
from worker.domain.dispositions import SYSTEM
from worker.domain.run import RunStatus
from worker.engine.gates import GateFacts, Go, Later, Skip, verdict
from worker.engine.outgoing import build_message

GOOD = GateFacts(
    run_status=RunStatus.RUNNING,
    channel=ChannelKind.SMS,
    channel_enabled=True,
    to="+15557654321",
    sender="+15550001111",
    content={"body": "x"},
)


def test_what_nothing_speaks_against_goes():
    assert verdict(GOOD) == Go()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"run_status": RunStatus.CANCELLED}, "CAMPAIGN_CANCELLED"),
        ({"run_status": RunStatus.FAILED}, "CAMPAIGN_CANCELLED"),
        ({"blocked": True}, "SUPPRESSED_BLOCKED"),
        ({"suppressed": True}, "SUPPRESSED_DNC"),
        ({"opted_out": True}, "SUPPRESSED_DNC"),
        ({"channel_enabled": False}, "CHANNEL_DISABLED"),
        ({"to": ""}, "NO_ADDRESS"),
        ({"to": "5557654321"}, "NO_ADDRESS"),
        ({"sender": "?"}, "SMS_CONFIG"),
        ({"content": {"body": " "}}, "CONTENT_REFUSED"),
        (
            {"channel": ChannelKind.EMAIL, "to": "a@example.org", "sender": "x", "content": {"subject": "s"}},
            "EMAIL_CONFIG",
        ),
        ({"channel": ChannelKind.VOICE, "content": {"speech": {}}}, "CONTENT_REFUSED"),
        (
            {"channel": ChannelKind.VOICE, "content": {"speech": {"text": "x"}, "machineDetection": "?"}},
            "CONTENT_REFUSED",
        ),
    ],
)
def test_what_is_stopped_is_filed_under_a_code_of_the_system(change, code):
    skip = verdict(replace(GOOD, **change))

    assert isinstance(skip, Skip)
    assert skip.disposition == code
    assert code in SYSTEM
    assert "5557654321" not in skip.detail


def test_a_paused_run_waits_whatever_else_is_wrong():
    assert verdict(replace(GOOD, run_status=RunStatus.PAUSED, blocked=True)) == Later()


def test_who_is_blocked_is_not_said_to_have_no_address():
    skip = verdict(replace(GOOD, blocked=True, suppressed=True, to="", channel_enabled=False))

    assert skip == Skip(disposition="SUPPRESSED_BLOCKED")


def test_messages_are_built_from_what_the_engine_rendered():
    mail = {"subject": "s", "html": "<p>", "senderName": "R", "replyTo": "help@example.com"}
    call = {
        "speech": {"text": "x"},
        "machineDetection": "leaveMessage",
        "voicemail": {"playUrl": "u"},
        "ringSeconds": 9,
    }

    assert isinstance(build_message(ChannelKind.SMS, "a", "+15557654321", "+15550001111", {"body": "x"}), Sms)
    built = build_message(ChannelKind.EMAIL, "a", "a@example.org", "b@example.com", mail)
    assert isinstance(built, Email)
    assert built.reply_to == "help@example.com"
    placed = build_message(ChannelKind.VOICE, "a", "+15557654321", "+15550001111", call)
    assert isinstance(placed, Call)
    assert placed.machine_detection is MachineDetection.LEAVE_MESSAGE
    assert placed.voicemail
    assert placed.ring_seconds == 9
