"""Signatures of alerts: Standard Webhooks, so that its libraries verify them."""

import pytest
from pydantic import ValidationError

from worker.runtime.settings import Settings
from worker.runtime.webhook import TOLERANCE_SECONDS, key_of, signed, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = 1614265330


def test_a_signature_is_that_of_the_specification():
    """The example of its reference libraries (github.com/standard-webhooks/standard-webhooks)."""
    headers = signed(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", AT, BODY)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_was_signed_is_verified_also_beside_the_signature_of_another_secret():
    headers = signed(SECRET, "alert_1", AT, BODY)
    both = {**headers, "webhook-signature": f"v1,b3RoZXI= {headers['webhook-signature']}"}

    assert verify(SECRET, headers, BODY, AT)
    assert verify(SECRET, both, BODY, AT + TOLERANCE_SECONDS)


@pytest.mark.parametrize(
    ("changed", "body", "now"),
    [
        ({}, BODY + b" ", AT),
        ({"webhook-id": "alert_2"}, BODY, AT),
        ({"webhook-timestamp": str(AT + 1)}, BODY, AT),
        ({"webhook-timestamp": "soon"}, BODY, AT),
        ({"webhook-signature": ""}, BODY, AT),
        ({}, BODY, AT + TOLERANCE_SECONDS + 1),
    ],
)
def test_what_was_changed_or_is_old_is_not(changed, body, now):
    assert not verify(SECRET, {**signed(SECRET, "alert_1", AT, BODY), **changed}, body, now)


@pytest.mark.parametrize("secret", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_???"])
def test_a_webhook_without_a_good_secret_does_not_start(secret):
    with pytest.raises(ValueError, match="whsec_"):
        key_of(secret)
    with pytest.raises(ValidationError, match="ALERT_WEBHOOK_SECRET"):
        Settings(_env_file=None, alert_webhook_url="https://ops.example.com", alert_webhook_secret=secret)
