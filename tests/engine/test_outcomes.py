from channels.messages import ChannelKind
from channels.results import RANK, AnsweredBy, Reason, Receipt, ReceiptKind
from worker.domain.dispositions import SYSTEM
from worker.engine.outcomes import BY_REASON, of_receipt, of_silence


def test_every_word_of_a_provider_has_a_code_of_the_system():
    for channel in ChannelKind:
        assert set(BY_REASON[channel]) == set(Reason)
        assert set(BY_REASON[channel].values()) <= set(SYSTEM)
        assert of_silence(channel) in SYSTEM
        for kind in ReceiptKind:
            for answered_by in AnsweredBy:
                code = of_receipt(channel, Receipt(event_key="k", kind=kind, answered_by=answered_by))
                assert code is None or code in SYSTEM
    assert {kind for kind in ReceiptKind if of_receipt(ChannelKind.SMS, Receipt(event_key="", kind=kind))} == {
        kind for kind in ReceiptKind if RANK[kind] >= RANK[ReceiptKind.DELIVERED]
    }
