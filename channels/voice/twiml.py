"""What a call says, as TwiML: the documents Twilio fetches or is given. twilio.com/docs/voice/twiml.

1. Pure: a call and who answered in, a document out.
2. To a machine that is to be hung up on, and to a fax, nothing is said.
3. Where detection is unsure a person is assumed: a person must never be hung up on.
"""

from typing import Final, assert_never

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from channels.messages import Call, MachineDetection, Speech
from channels.results import AnsweredBy

LONGEST_INLINE: Final = 4000
"""Characters of TwiML that fit into the create request."""


def answer_twiml(call: Call, answered_by: AnsweredBy = AnsweredBy.NOBODY_ASKED) -> str:
    """The document for a call that was picked up, for `/webhooks/twilio/answer`."""
    match answered_by:
        case AnsweredBy.NOBODY_ASKED | AnsweredBy.HUMAN | AnsweredBy.UNKNOWN:
            return _document(call.speech)
        case AnsweredBy.MACHINE | AnsweredBy.MACHINE_MESSAGE_LEFT:
            return _document(_voicemail(call))
        case AnsweredBy.FAX:
            return _document(None)
        case _:
            assert_never(answered_by)


def _voicemail(call: Call) -> Speech | None:
    match call.machine_detection:
        case MachineDetection.OFF:
            return call.speech
        case MachineDetection.HANG_UP:
            return None
        case MachineDetection.LEAVE_MESSAGE:
            return call.voicemail
        case _:
            assert_never(call.machine_detection)


def _document(speech: Speech | None) -> str:
    response = VoiceResponse()
    if speech is None:
        response.hangup()
    elif speech.play_url:
        response.play(speech.play_url)
    else:
        response.say(speech.text, language=speech.language or None, voice=speech.voice or None)
    return str(response)
