"""An attempt that was given up and sent again speaks up after all: nothing more is sent, and no status falls."""

from dataclasses import replace

import pytest

from channels.messages import ChannelKind
from channels.results import Certainty, Reason, Receipt, ReceiptKind, SendResult
from tests.engine.builders import NOW, a_campaign, an_attempt
from worker.domain.attempt import AttemptStatus, MessageStatus
from worker.domain.dispositions import DispositionBook
from worker.engine.settlement import SettlementOptions, from_receipt, from_result

BOOK = DispositionBook(a_campaign())
OPTIONS = SettlementOptions()

IN_DOUBT = [MessageStatus.DISPATCHING, MessageStatus.UNKNOWN, MessageStatus.HELD]
"""Where the message is with the attempt that was made after it."""


def given_up(message_status, **changes):
    return an_attempt(ChannelKind.EMAIL, status=AttemptStatus.NOT_SENT, message_status=message_status, **changes)


def hear(facts, kind, **fields):
    return from_receipt(facts, Receipt(event_key="k", kind=kind, **fields), BOOK, NOW, OPTIONS)


@pytest.mark.parametrize("status", IN_DOUBT)
@pytest.mark.parametrize(
    ("kind", "disposition"),
    [
        (ReceiptKind.QUEUED, "EMAIL_SENT"),
        (ReceiptKind.DELIVERED, "EMAIL_DELIVERED"),
        (ReceiptKind.OPENED, "EMAIL_OPENED"),
    ],
)
def test_it_settles_a_message_whose_later_attempt_is_in_doubt(status, kind, disposition):
    news = hear(given_up(status), kind)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.CLOSED, MessageStatus.SETTLED)
    assert (news.disposition, [signal.disposition for signal in news.signals]) == (disposition, [disposition])


def test_its_delivery_is_told_after_it_was_only_known_to_have_left():
    known = replace(given_up(MessageStatus.SETTLED, rank=1, disposition="EMAIL_SENT"), status=AttemptStatus.CLOSED)

    assert hear(known, ReceiptKind.DELIVERED).disposition == "EMAIL_DELIVERED"
    assert hear(replace(known, disposition="EMAIL_CLICKED"), ReceiptKind.DELIVERED).disposition == ""
    assert hear(replace(known, rank=4), ReceiptKind.OPENED) is None


@pytest.mark.parametrize("status", IN_DOUBT)
def test_its_failure_leaves_the_later_attempt_in_doubt(status):
    news = hear(given_up(status), ReceiptKind.FAILED, reason=Reason.UNREACHABLE)

    assert (news.attempt_status, news.message_status, news.signals) == (AttemptStatus.CLOSED, status, ())
    assert news.due_at > NOW


@pytest.mark.parametrize("kind", [ReceiptKind.QUEUED, ReceiptKind.DELIVERED, ReceiptKind.FAILED])
def test_a_later_attempt_that_is_with_the_provider_speaks_for_itself(kind):
    news = hear(given_up(MessageStatus.ACCEPTED), kind, reason=Reason.UNREACHABLE)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.CLOSED, MessageStatus.ACCEPTED)
    assert (news.disposition, news.signals, news.due_at) == ("", (), NOW + OPTIONS.outcome_deadline)


def test_it_stops_a_third_attempt_that_is_due_after_the_second_has_failed():
    facts = replace(given_up(MessageStatus.QUEUED, rank=1), status=AttemptStatus.CLOSED)

    assert hear(facts, ReceiptKind.DELIVERED).message_status is MessageStatus.SETTLED
    assert hear(facts, ReceiptKind.FAILED, reason=Reason.UNREACHABLE) is None


def test_what_was_settled_meanwhile_stays_so_and_the_attempt_is_known_to_have_left():
    news = hear(given_up(MessageStatus.SETTLED, disposition="CAMPAIGN_CANCELLED"), ReceiptKind.DELIVERED)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.CLOSED, MessageStatus.SETTLED)
    assert (news.disposition, news.signals) == ("", ())


@pytest.mark.parametrize("status", MessageStatus)
def test_who_opts_out_through_it_is_heard(status):
    news = hear(given_up(status), ReceiptKind.OPTED_OUT)

    assert news.suppress
    assert news.message_status is not MessageStatus.QUEUED


@pytest.mark.parametrize("status", IN_DOUBT)
def test_an_answer_that_comes_after_the_next_attempt_was_made_settles_too(status):
    answer = SendResult(certainty=Certainty.ACCEPTED, provider_ref="m1")

    news = from_result(given_up(status), answer, BOOK, NOW, OPTIONS)

    assert (news.attempt_status, news.provider_ref, news.disposition) == (AttemptStatus.CLOSED, "m1", "EMAIL_SENT")
    assert from_result(given_up(status), replace(answer, certainty=Certainty.UNKNOWN), BOOK, NOW, OPTIONS) is None
