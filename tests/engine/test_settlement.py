from dataclasses import replace
from datetime import timedelta

import pytest

from channels.messages import ChannelKind
from channels.results import (
    AnsweredBy,
    Certainty,
    Reason,
    Receipt,
    ReceiptKind,
    SendResult,
    Sighting,
)
from tests.engine.builders import NOW, a_campaign, an_attempt
from worker.domain.attempt import LIVE, AttemptStatus, MessageStatus, PersonSays
from worker.domain.dispositions import SYSTEM, DispositionBook, RetryRule, RetryScope
from worker.domain.events import HandedOver, Settled
from worker.engine.retry import MAX_UNSENT, next_attempt
from worker.engine.settlement import (
    SettlementOptions,
    from_crash,
    from_person,
    from_receipt,
    from_result,
    from_sighting,
    from_silence,
)
from worker.engine.settling import ended, unchanged

BOOK = DispositionBook(a_campaign())
OPTIONS = SettlementOptions()
KEY = an_attempt().key

ACCEPTED = {"status": AttemptStatus.ACCEPTED, "message_status": MessageStatus.ACCEPTED}
UNKNOWN = {"status": AttemptStatus.UNKNOWN, "message_status": MessageStatus.UNKNOWN}
GIVEN_UP = {"status": AttemptStatus.NOT_SENT, "message_status": MessageStatus.QUEUED}


def result(facts, certainty, **fields):
    return from_result(facts, SendResult(certainty=certainty, **fields), BOOK, NOW, OPTIONS)


def receipt(facts, kind, **fields):
    return from_receipt(facts, Receipt(event_key="k", kind=kind, **fields), BOOK, NOW, OPTIONS)


def sighting(facts, seen, now=NOW, options=OPTIONS, **fields):
    return from_sighting(facts, Sighting(seen=seen, **fields), BOOK, now, options)


def test_what_is_accepted_waits_for_its_receipt():
    news = result(an_attempt(), Certainty.ACCEPTED, provider_ref="SM1", segments=2)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.ACCEPTED, MessageStatus.ACCEPTED)
    assert news.due_at == NOW + OPTIONS.outcome_deadline
    assert news.signals == (HandedOver(message=KEY),)
    assert (news.provider_ref, news.segments, news.disposition) == ("SM1", 2, "")


def test_an_unknown_result_is_never_queued_and_never_a_failure():
    news = result(an_attempt(), Certainty.UNKNOWN, reason=Reason.TIMEOUT)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.UNKNOWN, MessageStatus.UNKNOWN)
    assert news.due_at == NOW + OPTIONS.quiet
    assert news.signals == ()
    assert news.disposition == ""


def test_a_refusal_for_good_settles_and_keeps_the_address_from_being_used_again():
    news = result(an_attempt(), Certainty.REFUSED, reason=Reason.OPTED_OUT, code="21610")

    assert (news.attempt_status, news.message_status) == (AttemptStatus.REFUSED, MessageStatus.SETTLED)
    assert news.signals == (Settled(message=KEY, disposition="SMS_OPTED_OUT", category="OPTED_OUT"),)
    assert [(s.channel, s.reason) for s in news.suppress] == [(ChannelKind.SMS, "SMS_OPTED_OUT")]


def test_a_fault_of_ours_settles_without_counting_as_an_attempt():
    news = result(an_attempt(), Certainty.REFUSED, reason=Reason.CONFIGURATION)

    assert (news.message_status, news.disposition, news.counts) == (MessageStatus.SETTLED, "SMS_CONFIG", False)
    assert news.suppress == ()


def test_a_refusal_with_a_rule_is_tried_again_until_the_rule_is_used_up():
    rule = SYSTEM["SMS_UNREACHABLE"].retry
    again = result(an_attempt(), Certainty.REFUSED, reason=Reason.UNREACHABLE)
    last = an_attempt(number=rule.max_attempts, counted=rule.max_attempts - 1)

    assert (again.attempt_status, again.message_status) == (AttemptStatus.REFUSED, MessageStatus.QUEUED)
    assert again.due_at == NOW + timedelta(seconds=rule.delay_seconds)
    assert (again.disposition, again.signals) == ("SMS_UNREACHABLE", ())
    assert result(last, Certainty.REFUSED, reason=Reason.UNREACHABLE).message_status is MessageStatus.SETTLED


def test_a_rule_for_the_contact_counts_the_attempts_at_its_other_messages_too():
    rule = RetryRule(delay_seconds=60, max_attempts=3, scope=RetryScope.CONTACT)
    facts = an_attempt(channel=ChannelKind.VOICE, counted=0, counted_elsewhere=1, **ACCEPTED)
    busy = replace(SYSTEM["VOICE_BUSY"], retry=rule)

    first = ended(replace(unchanged(facts), attempt_status=AttemptStatus.CLOSED), busy, NOW, OPTIONS)
    second = ended(unchanged(replace(facts, counted_elsewhere=2)), busy, NOW, OPTIONS)

    assert (first.message_status, second.message_status) == (MessageStatus.QUEUED, MessageStatus.SETTLED)


def test_retries_that_do_not_count_still_come_to_an_end():
    rule = SYSTEM["SMS_QUEUE_OVERFLOW"].retry
    last = an_attempt(number=rule.max_attempts, counted=0)

    assert result(last, Certainty.REFUSED, reason=Reason.RATE_LIMITED).message_status is MessageStatus.SETTLED


def test_what_never_left_is_queued_again_no_sooner_than_asked_and_does_not_count():
    news = result(an_attempt(), Certainty.NOT_SENT, reason=Reason.RATE_LIMITED, retry_after=90.0)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.NOT_SENT, MessageStatus.QUEUED)
    assert news.due_at == NOW + timedelta(seconds=90)
    assert not news.counts


def test_an_outage_is_not_waited_out_for_ever():
    news = result(an_attempt(number=MAX_UNSENT), Certainty.NOT_SENT, reason=Reason.RATE_LIMITED)

    assert (news.message_status, news.disposition) == (MessageStatus.SETTLED, "SMS_QUEUE_OVERFLOW")


def test_an_early_receipt_proves_that_it_was_taken():
    news = receipt(an_attempt(), ReceiptKind.QUEUED)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.ACCEPTED, MessageStatus.ACCEPTED)
    assert news.signals == (HandedOver(message=KEY),)


def test_a_receipt_of_what_was_given_up_pulls_it_back_before_it_is_sent_twice():
    news = receipt(an_attempt(**GIVEN_UP), ReceiptKind.SENT)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.ACCEPTED, MessageStatus.ACCEPTED)


def test_an_answer_that_comes_late_still_pulls_it_back():
    news = result(an_attempt(**GIVEN_UP), Certainty.ACCEPTED, provider_ref="SM1")

    assert news.message_status is MessageStatus.ACCEPTED
    assert result(an_attempt(**ACCEPTED), Certainty.UNKNOWN) is None


def test_late_news_of_a_lower_or_equal_rank_changes_nothing():
    delivered = an_attempt(status=AttemptStatus.ACCEPTED, message_status=MessageStatus.SETTLED, rank=4)

    assert receipt(delivered, ReceiptKind.SENT) is None
    assert receipt(delivered, ReceiptKind.FAILED, reason=Reason.UNREACHABLE) is None


def test_better_news_of_a_settled_message_is_told_once_more():
    mail = an_attempt(ChannelKind.EMAIL, status=AttemptStatus.ACCEPTED, message_status=MessageStatus.SETTLED, rank=4)

    opened, left = receipt(mail, ReceiptKind.OPENED), receipt(mail, ReceiptKind.OPTED_OUT, code="spamreport")

    assert (opened.message_status, opened.disposition, opened.rank) == (MessageStatus.SETTLED, "EMAIL_OPENED", 5)
    assert opened.signals == (Settled(message=KEY, disposition="EMAIL_OPENED", category="CONTACTED"),)
    assert left.disposition == "EMAIL_SPAM_REPORT"
    assert left.suppress


@pytest.mark.parametrize(
    ("answered_by", "disposition"),
    [(AnsweredBy.HUMAN, "VOICE_HUMAN"), (AnsweredBy.MACHINE_MESSAGE_LEFT, "VOICE_MACHINE_LEFT")],
)
def test_who_picked_up_is_remembered_where_the_end_of_the_call_does_not_say(answered_by, disposition):
    ringing = an_attempt(channel=ChannelKind.VOICE, **ACCEPTED)
    picked_up = receipt(ringing, ReceiptKind.ANSWERED, answered_by=answered_by)

    over = receipt(replace(ringing, rank=picked_up.rank, answered_by=picked_up.answered_by), ReceiptKind.COMPLETED)

    assert over.disposition == disposition


def test_a_busy_line_closes_the_attempt_and_is_called_again():
    call = an_attempt(ChannelKind.VOICE, **ACCEPTED)

    news = receipt(call, ReceiptKind.FAILED, reason=Reason.BUSY)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.CLOSED, MessageStatus.QUEUED)
    assert news.attempt_status not in LIVE
    assert news.due_at == NOW + timedelta(minutes=15)


def test_who_opts_out_between_two_attempts_is_not_tried_again():
    mail = an_attempt(ChannelKind.EMAIL, status=AttemptStatus.CLOSED, message_status=MessageStatus.QUEUED, rank=4)

    news = receipt(mail, ReceiptKind.OPTED_OUT)

    assert news.message_status is MessageStatus.SETTLED
    assert news.suppress
    assert receipt(mail, ReceiptKind.OPENED) is None


@pytest.mark.parametrize(
    "status", [MessageStatus.ACCEPTED, MessageStatus.UNKNOWN, MessageStatus.DISPATCHING, MessageStatus.HELD]
)
def test_an_opt_out_is_heard_whatever_has_become_of_the_message(status):
    news = receipt(an_attempt(status=AttemptStatus.CLOSED, message_status=status, rank=4), ReceiptKind.OPTED_OUT)

    assert news.suppress
    assert news.attempt_status is AttemptStatus.CLOSED


def test_a_crash_before_the_answer_is_an_unknown_result():
    news = from_crash(an_attempt(), NOW, OPTIONS)

    assert (news.attempt_status, news.due_at) == (AttemptStatus.UNKNOWN, NOW + OPTIONS.quiet)
    assert from_crash(an_attempt(**UNKNOWN), NOW, OPTIONS) is None


def test_only_the_second_look_that_sees_nothing_allows_a_second_send():
    first = sighting(an_attempt(**UNKNOWN), seen=False)
    second = sighting(an_attempt(**UNKNOWN, lookups=1, dispatched_at=NOW - timedelta(minutes=3)), seen=False)

    assert (first.message_status, first.lookups) == (MessageStatus.UNKNOWN, 1)
    assert first.due_at == NOW + OPTIONS.second_look
    assert (second.attempt_status, second.message_status) == (AttemptStatus.NOT_SENT, MessageStatus.QUEUED)
    assert second.due_at == NOW
    assert not second.counts


def test_what_the_provider_has_seen_is_accepted_with_its_receipt():
    seen = sighting(an_attempt(**UNKNOWN), seen=True, provider_ref="SM1")
    done = sighting(
        an_attempt(**UNKNOWN),
        seen=True,
        provider_ref="SM1",
        receipt=Receipt(event_key="k", kind=ReceiptKind.DELIVERED),
    )

    assert (seen.message_status, seen.provider_ref) == (MessageStatus.ACCEPTED, "SM1")
    assert (done.message_status, done.provider_ref) == (MessageStatus.SETTLED, "SM1")


def test_where_nobody_can_say_a_person_decides_in_the_end():
    facts = an_attempt(**UNKNOWN)

    soon, late = sighting(facts, None, NOW + OPTIONS.quiet), sighting(facts, None, NOW + timedelta(hours=1))

    assert soon.message_status is MessageStatus.UNKNOWN
    assert soon.due_at > NOW + OPTIONS.quiet
    assert (late.attempt_status, late.message_status) == (AttemptStatus.UNKNOWN, MessageStatus.HELD)


def test_only_the_policy_of_the_campaign_sends_again_what_nobody_knows():
    policy = replace(OPTIONS, resend_after={ChannelKind.EMAIL: timedelta(minutes=30)})
    mail, text = an_attempt(ChannelKind.EMAIL, **UNKNOWN), an_attempt(**UNKNOWN)
    later = NOW + timedelta(minutes=31)

    assert sighting(mail, None, NOW + timedelta(minutes=20), policy).due_at <= NOW + timedelta(minutes=30)
    assert sighting(mail, None, later, policy).message_status is MessageStatus.QUEUED
    assert sighting(text, None, later, policy).message_status is MessageStatus.HELD


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        (ChannelKind.SMS, "SMS_SENT"),
        (ChannelKind.EMAIL, "EMAIL_SENT"),
        (ChannelKind.VOICE, "UNKNOWN_RESULT"),
    ],
)
def test_silence_settles_and_is_never_tried_again(channel, code):
    news = from_silence(an_attempt(channel, **ACCEPTED), Sighting(seen=True), BOOK, NOW, OPTIONS)

    assert (news.message_status, news.disposition, news.attempt_status) == (
        MessageStatus.SETTLED,
        code,
        AttemptStatus.ACCEPTED,
    )


def test_a_last_look_that_finds_the_end_outranks_silence():
    found = Sighting(seen=True, receipt=Receipt(event_key="k", kind=ReceiptKind.DELIVERED))

    assert from_silence(an_attempt(**ACCEPTED), found, BOOK, NOW, OPTIONS).disposition == "SMS_DELIVERED"


def test_a_person_can_say_what_nobody_else_knows():
    held = an_attempt(status=AttemptStatus.UNKNOWN, message_status=MessageStatus.HELD)

    def says(word):
        return from_person(held, word, BOOK, NOW, OPTIONS)

    assert says(PersonSays.SENT).message_status is MessageStatus.ACCEPTED
    assert says(PersonSays.RESEND).message_status is MessageStatus.QUEUED
    assert says(PersonSays.DROP).disposition == "UNKNOWN_RESULT"
    assert from_person(an_attempt(**ACCEPTED), PersonSays.RESEND, BOOK, NOW, OPTIONS) is None


def test_a_rehearsal_hurries_retries_but_nothing_that_guards_against_a_second_send():
    fast = replace(OPTIONS, speed=60.0)

    accepted = from_result(an_attempt(), SendResult(certainty=Certainty.ACCEPTED), BOOK, NOW, fast)
    assert accepted.due_at == NOW + OPTIONS.outcome_deadline / 60
    assert from_crash(an_attempt(), NOW, fast).due_at == NOW + OPTIONS.quiet
    assert next_attempt(SYSTEM["VOICE_NO_ANSWER"], 1, NOW, 60.0) == NOW + timedelta(minutes=1)


def test_delays_grow_and_end():
    rule = SYSTEM["SMS_UNREACHABLE"]

    assert [next_attempt(rule, n, NOW) for n in (1, 2, 3)] == [NOW + timedelta(hours=1), NOW + timedelta(hours=2), None]
    assert next_attempt(SYSTEM["UNKNOWN_RESULT"], 1, NOW) is None


def test_a_crash_does_not_reopen_what_was_cancelled_meanwhile():
    news = from_crash(an_attempt(message_status=MessageStatus.SETTLED), NOW, OPTIONS)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.UNKNOWN, MessageStatus.SETTLED)


@pytest.mark.parametrize("channel", [ChannelKind.SMS, ChannelKind.EMAIL])
@pytest.mark.parametrize("reason", [Reason.OTHER, Reason.NONE])
def test_a_failure_for_a_reason_we_do_not_know_is_not_tried_again(channel, reason):
    news = receipt(an_attempt(channel=channel, **ACCEPTED), ReceiptKind.FAILED, reason=reason, code="98765")

    assert (news.message_status, news.category) == (MessageStatus.SETTLED, "FAILED_TECH")


def test_a_text_the_carrier_says_it_failed_to_deliver_is_tried_once_more():
    facts = an_attempt(**ACCEPTED)
    first = receipt(facts, ReceiptKind.FAILED, reason=Reason.PROVIDER_ERROR, code="30008")
    second = receipt(replace(facts, number=2, counted=1), ReceiptKind.FAILED, reason=Reason.PROVIDER_ERROR)

    assert (first.message_status, first.disposition) == (MessageStatus.QUEUED, "SMS_UNKNOWN_ERROR")
    assert second.message_status is MessageStatus.SETTLED
