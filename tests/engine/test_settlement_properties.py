"""Promises of the settlement that hold for any attempt and any news."""

from hypothesis import given
from hypothesis import strategies as st

from channels.messages import ChannelKind
from channels.results import AnsweredBy, Certainty, Reason, Receipt, ReceiptKind, SendResult
from tests.engine.builders import NOW, a_campaign, an_attempt
from worker.domain.attempt import LIVE, AttemptStatus, MessageStatus
from worker.domain.dispositions import DispositionBook
from worker.engine.settlement import SettlementOptions, from_receipt, from_result

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
    if settlement.message_status in (MessageStatus.ACCEPTED, MessageStatus.UNKNOWN):
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
