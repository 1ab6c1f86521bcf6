"""What cannot be said to anybody is refused when the message is made."""

from dataclasses import replace

import pytest

from channels.messages import Call, Email, InvalidMessage, Sms, Speech

HALF = "ann \ud83d"
TEXT = Sms(attempt_id="a1", to="+12025550142", sender="+12025550100", body="Dear Ann")
MAIL = Email(attempt_id="a1", to="ann@example.com", sender="us@example.com", subject="Hello", text="Dear Ann")
CALL = Call(attempt_id="a1", to="+12025550142", sender="+12025550100", speech=Speech(text="Dear Ann"))


@pytest.mark.parametrize(
    ("message", "name", "value"),
    [
        (TEXT, "body", HALF),
        (TEXT, "attempt_id", HALF),
        (MAIL, "subject", HALF),
        (MAIL, "text", HALF),
        (MAIL, "html", HALF),
        (MAIL, "to", "ann\ud83d@example.com"),
        (MAIL, "to_name", HALF),
        (MAIL, "headers", {"X-Note": HALF}),
        (MAIL, "headers", {HALF: "note"}),
        (CALL, "attempt_id", HALF),
        (CALL.speech, "text", HALF),
        (Speech(play_url="https://x.example.com/a.mp3"), "play_url", HALF),
    ],
)
def test_text_no_encoding_can_write_is_refused_by_name_and_not_shown(message, name, value):
    with pytest.raises(InvalidMessage, match=f"^{name}: ") as caught:
        replace(message, **{name: value})

    assert "ann" not in str(caught.value)


def test_a_whole_surrogate_pair_is_plain_text():
    assert replace(TEXT, body="\N{THUMBS UP SIGN}").body
