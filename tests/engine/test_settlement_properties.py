"""Promises of the settlement that hold for any attempt and any news."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from channels.messages import ChannelKind
from channels.results import AnsweredBy, Certainty, Reason, Receipt, ReceiptKind, SendResult, Sighting
from tests.engine.builders import NOW, a_campaign, an_attempt
from worker.domain.attempt import LIVE, AttemptStatus, MessageStatus
from worker.domain.dispositions import DispositionBook
from worker.engine.retry import MAX_UNSENT
from worker.engine.settlement import SettlementOptions, from_crash, from_receipt, from_result, from_sighting
from worker.engine.settling import MAX_DEATHS, MAX_RESENT

BOOK = DispositionBook(a_campaign())
OPTIONS = SettlementOptions()

receipts = st.builds(
    Receipt,
    event_key=st.just("k"),
    kind=st.sampled_from(ReceiptKind),
    reason=st.sampled_from(Reason),
    answered_by=st.sampled_from(AnsweredBy),
    code=st.sampled_from(["", "spamreport", "Invalid", "30003"]),
)
attempts = st.builds(
    an_attempt,
    st.sampled_from(ChannelKind),
    status=st.sampled_from(AttemptStatus),
    message_status=st.sampled_from(MessageStatus),
    rank=st.integers(0, 7),
    counted=st.integers(0, 3),
)


@given(attempts, receipts)
def test_no_receipt_queues_what_may_be_under_way_or_leaves_a_settled_message(facts, news):
    settlement = from_receipt(facts, news, BOOK, NOW, OPTIONS)

    if settlement is None:
        return
    assert settlement.rank >= facts.rank
    if settlement.message_status is MessageStatus.QUEUED:
        assert settlement.attempt_status not in LIVE
        assert settlement.due_at > NOW
    if facts.message_status is MessageStatus.SETTLED:
        assert settlement.message_status is MessageStatus.SETTLED
    if settlement.message_status in (MessageStatus.ACCEPTED, MessageStatus.UNKNOWN, MessageStatus.HELD):
        assert settlement.due_at


results = st.builds(
    SendResult,
    certainty=st.sampled_from(Certainty),
    reason=st.sampled_from(Reason),
    retry_after=st.none() | st.floats(0, 1e12),
)


@given(attempts, results)
def test_no_answer_queues_what_may_be_under_way_or_reopens_a_settled_message(facts, answer):
    settlement = from_result(facts, answer, BOOK, NOW, OPTIONS)

    if settlement is None:
        return
    if settlement.message_status is MessageStatus.QUEUED:
        assert answer.certainty in (Certainty.REFUSED, Certainty.NOT_SENT)
        assert settlement.attempt_status not in LIVE
        assert settlement.due_at > NOW
    if facts.message_status is MessageStatus.SETTLED:
        assert settlement.message_status is MessageStatus.SETTLED
        assert settlement.signals == ()


def _lost(facts, *, died):
    """An attempt that got no answer: its worker died, or the provider failed."""
    if died:
        news = from_crash(facts, facts.dispatched_at, OPTIONS)
    else:
        failed = SendResult(certainty=Certainty.UNKNOWN, reason=Reason.PROVIDER_ERROR, code="500")
        news = from_result(facts, failed, BOOK, facts.dispatched_at, OPTIONS)
    return replace(facts, status=news.attempt_status, message_status=news.message_status), news.due_at


@given(st.sampled_from(ChannelKind), st.lists(st.booleans(), min_size=MAX_UNSENT, max_size=MAX_UNSENT))
def test_a_message_that_never_arrives_is_queued_again_only_so_often(channel, deaths):
    now, died = NOW, 0
    for number, death in enumerate(deaths, 1):
        died += death
        facts = an_attempt(channel, number=number, dispatched_at=now)
        facts, now = _lost(facts, died=death)
        facts = replace(facts, deaths=died if death else 0)
        first = from_sighting(facts, Sighting(seen=False), BOOK, now, OPTIONS)
        assert first.message_status is MessageStatus.UNKNOWN
        facts, now = replace(facts, lookups=first.lookups), first.due_at
        second = from_sighting(facts, Sighting(seen=False), BOOK, now, OPTIONS)
        if second.message_status is MessageStatus.SETTLED:
            assert died == MAX_DEATHS or number == MAX_UNSENT
            assert second.detail.startswith("quarantined: ")
            return
        assert (second.message_status, second.attempt_status) == (MessageStatus.QUEUED, AttemptStatus.NOT_SENT)
        assert second.due_at >= now
        now = second.due_at
    raise AssertionError("it goes round for ever")


@given(
    st.sampled_from(ChannelKind),
    st.timedeltas(timedelta(minutes=1), timedelta(days=30)),
    st.integers(1, 2 * MAX_RESENT),
    st.lists(st.floats(0, 10), min_size=1, max_size=60),
)
def test_whatever_the_policy_nothing_is_resent_before_its_time_or_for_ever(channel, silence, number, waits):
    options = replace(OPTIONS, resend_after={channel: silence})
    facts, now = _lost(an_attempt(channel, number=number), died=False)
    for late in waits:
        now += timedelta(hours=late)
        news = from_sighting(facts, Sighting(seen=None), BOOK, now, options)
        if news.message_status is MessageStatus.QUEUED:
            assert now - facts.dispatched_at >= silence
            assert number < MAX_RESENT
            return
        facts, now = replace(facts, message_status=news.message_status), news.due_at
