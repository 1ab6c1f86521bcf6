"""From rendered content to a message an adapter accepts."""

from collections.abc import Mapping
from typing import Any

from channels.messages import Call, ChannelKind, Email, InvalidMessage, MachineDetection, Message, Sms, Speech


def build_message(channel: ChannelKind, attempt_id: str, to: str, sender: str, content: Mapping[str, Any]) -> Message:
    """The message of one attempt; `content` is as `Dispatch` has it. Raises InvalidMessage."""
    match channel:
        case ChannelKind.SMS:
            return Sms(attempt_id=attempt_id, to=to, sender=sender, body=content["body"])
        case ChannelKind.EMAIL:
            return Email(
                attempt_id=attempt_id,
                to=to,
                sender=sender,
                subject=content["subject"],
                text=content.get("text", ""),
                html=content.get("html", ""),
                to_name=content.get("toName", ""),
                sender_name=content.get("senderName", ""),
                reply_to=content.get("replyTo", ""),
                headers=content.get("headers", {}),
            )
        case ChannelKind.VOICE:
            return Call(
                attempt_id=attempt_id,
                to=to,
                sender=sender,
                speech=_speech(content["speech"]),
                machine_detection=_machine_detection(content.get("machineDetection", "off")),
                voicemail=_speech(content["voicemail"]) if content.get("voicemail") else None,
                ring_seconds=content.get("ringSeconds", 25),
            )


def _speech(content: Mapping[str, Any]) -> Speech:
    return Speech(
        text=content.get("text", ""),
        play_url=content.get("playUrl", ""),
        language=content.get("language", "en-US"),
        voice=content.get("voice", ""),
    )


def _machine_detection(word: str) -> MachineDetection:
    try:
        return MachineDetection(word)
    except ValueError:
        raise InvalidMessage("machine_detection: expected off, hangUp or leaveMessage") from None
