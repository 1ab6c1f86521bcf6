"""What a campaign wants done where nobody can tell whether a message left: hold it, or send again after a silence."""

import pytest

from channels.messages import ChannelKind
from channels.results import Receipt, ReceiptKind
from tests.runtime.house import CALL, MAIL, NOWHERE, TENANT, TEXT
from worker.runtime.inbox_codec import encode
from worker.runtime.intake import apply_inbox
from worker.runtime.reconcile import reconcile
from worker.store.inbox_rows import InboxEntry

PATIENCE = {"quiet_seconds": 120, "second_look_seconds": 60}
HALF_AN_HOUR = {"resendAfter": "30 minutes"}

CHANNELS = [(TEXT, ChannelKind.SMS), (MAIL, ChannelKind.EMAIL), (CALL, ChannelKind.VOICE)]


class Doubt:
    """A message that was taken, its answer lost, and a provider that cannot be asked about it."""

    def __init__(self, open_house, action, kind, *, installation=None, **campaign):
        self.house = open_house(**PATIENCE, email_resend_after_seconds=installation)
        self.kind = kind
        self.house.launch(action, **campaign)
        self.house.advance()
        self.blind = self.house.runtime(twilio_base_url=NOWHERE)
        self.send(fault="accept_then_500")
        assert self.house.message().status == "unknown"

    def send(self, fault=None):
        """Dispatch what is due; the answer to it is lost where a fault says so."""
        self.house.faults(next=[fault] if fault else [])
        self.house.dispatch(self.kind)
        self.house.faults()

    def minutes(self, number):
        """So many minutes pass, with looks in between; the answer to a second send is lost too."""
        for minutes in [3] * (number // 3) + [number % 3]:
            self.house.later(minutes=minutes)
            self.blind.run(reconcile(self.blind))
            if self.house.message().status == "queued":
                self.send(fault="accept_then_500")

    def hear(self, kind, attempt):
        """A receipt of this attempt comes in."""
        receipt = Receipt(event_key=f"{attempt.attempt_id}:{kind}", kind=kind, attempt_id=attempt.attempt_id)
        entry = InboxEntry(
            tenant_id=TENANT,
            provider=attempt.provider,
            event_key=receipt.event_key,
            payload=encode(self.kind, receipt),
        )
        self.house.store.inbox_add([entry], self.house.rt.now())
        apply_inbox(self.house.rt)

    @property
    def sent(self):
        return len(self.house.ledger())


@pytest.mark.parametrize(("action", "kind"), CHANNELS)
def test_without_a_word_about_it_every_channel_is_held(open_house, action, kind):
    doubt = Doubt(open_house, action, kind)

    doubt.minutes(45)

    assert (doubt.house.message().status, doubt.sent) == ("held", 1)


@pytest.mark.parametrize(("action", "kind"), CHANNELS)
def test_a_campaign_that_says_so_sends_again_after_its_silence(open_house, action, kind):
    doubt = Doubt(open_house, action, kind, whenUnknown={kind: HALF_AN_HOUR})

    doubt.minutes(29)
    assert doubt.sent == 1
    doubt.minutes(2)

    assert doubt.sent == 2
    assert [row.status for row in doubt.house.attempts()] == ["not_sent", "unknown"]


def test_the_policy_of_one_channel_is_not_that_of_another(open_house):
    doubt = Doubt(open_house, TEXT, ChannelKind.SMS, whenUnknown={"email": HALF_AN_HOUR, "voice": HALF_AN_HOUR})

    doubt.minutes(45)

    assert (doubt.house.message().status, doubt.sent) == ("held", 1)


def test_an_installation_may_send_mails_again_and_a_campaign_hold_its_own(open_house):
    doubt = Doubt(open_house, MAIL, ChannelKind.EMAIL, installation=600, whenUnknown={"email": "hold"})

    doubt.minutes(45)

    assert (doubt.house.message().status, doubt.sent) == ("held", 1)


def test_a_campaign_may_wait_longer_than_the_installation(open_house):
    doubt = Doubt(open_house, MAIL, ChannelKind.EMAIL, installation=600, whenUnknown={"email": HALF_AN_HOUR})

    doubt.minutes(29)
    assert doubt.sent == 1
    doubt.minutes(2)

    assert doubt.sent == 2


def test_a_receipt_before_the_time_prevents_the_second_send(open_house):
    doubt = Doubt(open_house, MAIL, ChannelKind.EMAIL, whenUnknown={"email": HALF_AN_HOUR})
    doubt.minutes(29)

    doubt.hear(ReceiptKind.QUEUED, doubt.house.attempts()[0])
    doubt.minutes(5)

    assert (doubt.house.message().status, doubt.sent) == ("accepted", 1)


def test_a_receipt_that_comes_before_the_resend_has_left_pulls_it_back(open_house):
    doubt = Doubt(open_house, MAIL, ChannelKind.EMAIL, whenUnknown={"email": HALF_AN_HOUR})
    doubt.house.later(minutes=31)
    doubt.house.reconcile()
    assert doubt.house.message().status == "queued"

    doubt.hear(ReceiptKind.DELIVERED, doubt.house.attempts()[0])
    doubt.minutes(45)

    assert (doubt.house.message().disposition, doubt.sent) == ("EMAIL_DELIVERED", 1)


@pytest.mark.parametrize(
    ("kind", "disposition"), [(ReceiptKind.QUEUED, "EMAIL_SENT"), (ReceiptKind.DELIVERED, "EMAIL_DELIVERED")]
)
def test_a_receipt_that_comes_after_the_resend_settles_and_no_third_is_sent(open_house, kind, disposition):
    doubt = Doubt(open_house, MAIL, ChannelKind.EMAIL, whenUnknown={"email": HALF_AN_HOUR})
    doubt.minutes(31)
    first, second = doubt.house.attempts()
    assert second.status == "unknown", "the second answer was lost too"

    doubt.hear(kind, first)
    doubt.minutes(90)
    doubt.house.play()

    assert (doubt.house.message().status, doubt.house.message().disposition) == ("settled", disposition)
    assert (doubt.house.status(), doubt.sent) == ("completed", 2)
    assert [row.status for row in doubt.house.attempts()] == ["closed", "unknown"]


def test_what_the_first_one_came_to_is_told_even_after_the_message_was_settled(open_house):
    doubt = Doubt(open_house, MAIL, ChannelKind.EMAIL, whenUnknown={"email": HALF_AN_HOUR})
    doubt.minutes(31)
    first, second = doubt.house.attempts()

    doubt.hear(ReceiptKind.QUEUED, first)
    doubt.hear(ReceiptKind.DELIVERED, first)
    doubt.hear(ReceiptKind.QUEUED, second)

    assert doubt.house.message().disposition == "EMAIL_DELIVERED"
    assert [row.status for row in doubt.house.attempts()] == ["closed", "accepted"]


def test_silence_after_every_resend_ends_with_a_person(open_house):
    doubt = Doubt(open_house, MAIL, ChannelKind.EMAIL, whenUnknown={"email": {"resendAfter": "1 minute"}})

    doubt.minutes(120)

    assert (doubt.house.message().status, doubt.sent) == ("held", 5)
