"""What a call says: to a person the speech, to a machine the voicemail message, to nobody else anything."""

import pytest

from channels.messages import ChannelKind
from tests.api.web import ANSWER
from tests.runtime.house import CALL

CALL_WITH_VOICEMAIL = CALL | {"machineDetection": "leaveMessage", "voicemail": {"say": "Please call back"}}


def placed(house, call=CALL_WITH_VOICEMAIL):
    house.launch(call)
    house.advance()
    house.dispatch(ChannelKind.VOICE)
    return house.attempts()[0].attempt_id


@pytest.mark.parametrize("answered_by", ["human", "unknown"])
def test_a_person_hears_the_speech(house, web, answered_by):
    answer = web.answer(placed(house), answered_by)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert "<Say" in answer.text
    assert "Hello Ann0" in answer.text
    assert "call back" not in answer.text


def test_a_machine_hears_the_voicemail_message(house, web):
    answer = web.answer(placed(house), "machine_end_beep")

    assert "Please call back" in answer.text
    assert "Hello" not in answer.text


def test_a_machine_that_should_hear_nothing_is_hung_up_on(house, web):
    answer = web.answer(placed(house, CALL | {"machineDetection": "hangUp"}), "machine_start")

    assert "<Hangup" in answer.text


def test_who_answered_is_news_and_the_question_asked_twice_is_answered_twice(house, web):
    attempt_id = placed(house)

    answers = [web.answer(attempt_id, "machine_end_beep") for _ in range(2)]
    web.twilio(f"/webhooks/twilio/voice?attempt={attempt_id}", {"CallSid": "CA1", "CallStatus": "completed"})
    house.tick_only()

    assert answers[0].text == answers[1].text
    assert len(house.inbox()) == 2
    assert house.message().disposition in {"VOICE_MACHINE_LEFT", "VOICE_HUMAN"}


def test_a_call_that_is_not_ours_gets_no_document(house, web):
    answer = web.answer("somebody-elses", "human")

    assert (answer.status_code, answer.json()["message"]) == (400, "attempt: no call of ours has this id")


def test_the_attempt_of_a_text_is_no_call(house, web):
    house.launch({"type": "sendSms", "message": "Secret of Ann"})
    house.advance()
    house.dispatch()

    assert web.answer(house.attempts()[0].attempt_id, "human").status_code == 400


def test_an_unsigned_question_is_not_answered(house, web):
    answer = web.post(f"{ANSWER}?attempt={placed(house)}", "CallSid=CA1&CallStatus=in-progress", {})

    assert answer.status_code == 403
    assert "Hello" not in answer.text
